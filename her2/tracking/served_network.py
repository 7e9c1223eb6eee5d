"""Fine-tuned networks as MLflow serves them: MLflow runs this file, and nothing is pickled.

The model's artifact is the folder of `lightning_modules.fine_tuned`: safetensors and JSON.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class ServedNetwork(PythonModel):
    """Networks that predict crops together: (n, S, S) grey levels in, probabilities out."""

    def load_context(self, context: Any) -> None:
        """Read the networks' description; their weights are read when they are used."""
        # not an import of this package: MLflow runs this file by itself
        fine_tuned = import_module("lightning_modules.fine_tuned")
        self.model = fine_tuned.load_fine_tuned(Path(context.artifacts["model"]))

    # a plain array: MLflow would take another type for a signature of its own
    def predict(
        self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the column `probability`, one row a crop."""
        crops = np.asarray(model_input).astype(np.uint8)
        return pd.DataFrame({"probability": self.model.predict(crops)})


set_model(ServedNetwork())
