"""An arm as MLflow serves it: MLflow runs this file, and no object of ours is pickled.

The model's artifacts are `inputs` (columns of every arm) and one skops file a pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from numpy.typing import NDArray

from her2.models.saved_pipelines import load_pipeline


class ServedArm(PythonModel):
    """An arm's pipelines: rows of its columns in, the probability of a positive outcome out."""

    def load_context(self, context: Any) -> None:
        """Read the pipelines, whose files name no type but those of a study's pipelines."""
        paths = dict(context.artifacts)
        content = json.loads(Path(paths.pop("inputs")).read_text())
        self.arm: str = context.model_config["arm"]
        self.inputs: dict[str, Any] = content["arms"]
        self.pipelines = {name: load_pipeline(Path(path)) for name, path in paths.items()}

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the column `probability`, one row a row of the input."""
        return pd.DataFrame({"probability": self._probability(self.arm, model_input)})

    def _probability(self, arm: str, rows: pd.DataFrame) -> NDArray[np.float64]:
        own: Mapping[str, Any] = self.inputs[arm]
        if members := own.get("members"):
            given: Any = np.column_stack([self._probability(m, rows) for m in members])
        else:
            chosen = rows[list(own["columns"])]
            given = chosen if own["is_table"] else chosen.to_numpy(np.float64)
        return np.asarray(self.pipelines[arm].predict_proba(given)[:, 1], dtype=np.float64)


set_model(ServedArm())
