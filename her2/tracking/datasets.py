"""The cohort as MLflow's dataset: its name, its hash and its counts; no place and no patient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

DIGITS = 12  # of the data's SHA-256, which the tag data_sha256 has in full
COUNTS = ("n_patients", "n_lesions", "n_positive", "n_train", "n_test", "n_external")


def log_cohort(client: Any, run_id: str, cohort: Mapping[str, Any]) -> None:
    """Tell MLflow which cohort a run has used; twice is as good as once."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    hashes = {k: str(cohort[k]) for k in ("data_sha256", "split_sha256") if k in cohort}
    dataset = Dataset(
        name=str(cohort["name"]),
        digest=str(cohort["data_sha256"])[:DIGITS],
        source_type="code",
        source=json.dumps({"tags": {"cohort": str(cohort["name"]), **hashes}}),
        profile=json.dumps({name: cohort[name] for name in COUNTS if name in cohort}),
    )
    context = InputTag("mlflow.data.context", "cohort")
    client.log_inputs(run_id, [DatasetInput(dataset, [context])])
