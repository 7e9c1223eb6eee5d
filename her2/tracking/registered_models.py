"""Fitted arms in MLflow's registry: loadable by ``mlflow.pyfunc.load_model``, without pickles.

MLflow's names of registered models hold no slash: the arm dlr is `her2-dlr`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

INPUTS = "inputs.json"  # in a run's folder model: columns and an example row of every arm
EXAMPLE = "input_example.json"
NETWORK = "deep_learning.json"
MODEL = "her2.model"  # tag of an arm's run: the model that it has made
PACKAGES = {
    "arm": ("numpy", "pandas", "scipy", "scikit-learn", "skops", "lightgbm", "xgboost"),
    "network": ("numpy", "pandas", "torch", "torchvision", "timm", "safetensors"),
}


@dataclass(frozen=True)
class _Servable:
    """What MLflow needs of a model; `code` is the Python file that loads its files (by name)."""

    code: Path
    files: dict[str, str]
    example: Any
    requirements: list[str]


def _servable(model_dir: Path, arm: str) -> _Servable | None:
    """Return an arm's model as the run's folder ``model`` has it; None if it has none."""
    here, path = Path(__file__).parent, model_dir / INPUTS
    inputs = json.loads(path.read_text())["arms"] if path.is_file() else {}
    if arm in inputs:
        parts = [arm, *inputs[arm].get("members", ())]
        files = {part: str(model_dir / f"{part}.skops") for part in parts}
        files["inputs"] = str(path)
        return _Servable(here / "served_arm.py", files, _row(inputs, arm), _requirements("arm"))
    if arm == "deep_learning" and (model_dir / NETWORK).is_file():
        size = json.loads((model_dir / NETWORK).read_text())["backbone"]["image_size"]
        blank = np.zeros((1, size, size), dtype=np.uint8)
        code = here / "served_network.py"
        return _Servable(code, {"model": str(model_dir)}, blank, _requirements("network"))
    return None


def _save_servable(model: _Servable, arm: str, path: Path, description: Any) -> None:
    """Write the model in MLflow's layout to `path`, with its signature and its example.

    MLflow's own way to add these two goes through thousands of columns one by one, more than a
    second a model; what is written is the same.
    """
    import mlflow.pyfunc

    mlflow.pyfunc.save_model(
        str(path), python_model=str(model.code), artifacts=model.files,
        pip_requirements=model.requirements, model_config={"arm": arm},
        mlflow_model=description,
    )  # fmt: skip
    for left in path.rglob("__pycache__"):
        shutil.rmtree(left)
    description.signature = _signature(model.example)
    description.saved_input_example_info = _write_example(model.example, path)
    text = yaml.dump(description.to_dict(), Dumper=yaml.CSafeDumper, allow_unicode=True)
    (path / "MLmodel").write_text(text)


def _signature(example: Any) -> Any:
    """Return MLflow's signature of an input like the example and a probability as output."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    if isinstance(example, pd.DataFrame):
        is_text = {name: dtype.kind != "f" for name, dtype in example.dtypes.items()}
        # a text may be missing, which a number says by NaN
        given = [
            ColSpec("string", name, required=False) if is_text[name] else ColSpec("double", name)
            for name in example.columns
        ]
    else:
        given = [TensorSpec(example.dtype, (-1, *example.shape[1:]))]
    return ModelSignature(Schema(given), Schema([ColSpec("double", "probability")]))


def _write_example(example: Any, path: Path) -> dict[str, str]:
    """Write the example as MLflow reads it (and serves it), and return what kind it is."""
    if isinstance(example, pd.DataFrame):
        # not DataFrame.to_json, which takes half a second for a row of thousands of columns
        data = [[None if v != v else v for v in row] for row in example.to_numpy(object).tolist()]
        content: dict[str, Any] = {"columns": list(example.columns), "data": data}
        kind = {"type": "dataframe", "pandas_orient": "split"}
        served = {"dataframe_split": content}
    else:
        content = served = {"inputs": example.tolist()}
        kind = {"type": "ndarray", "format": "tf-serving"}
    (path / EXAMPLE).write_text(json.dumps(content))
    (path / f"serving_{EXAMPLE}").write_text(json.dumps(served))
    return {"artifact_path": EXAMPLE, **kind, "serving_input_path": f"serving_{EXAMPLE}"}


def register_arm(
    client: Any, arm: str, run: Any, model_dir: Path, *, also: str, tags: Mapping[str, str]
) -> None:
    """Register the model of an arm's run, once and where the run's folder has one.

    also: id of the study's run, which then shows the model too.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    model = _servable(model_dir, arm)
    if MODEL in run.data.tags or model is None:
        return
    run_id = run.info.run_id
    made = client.create_logged_model(run.info.experiment_id, arm, run_id, dict(tags))
    named = Model(
        artifact_path=made.artifact_location, run_id=run_id, model_uuid=made.model_id,
        model_id=made.model_id,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        _save_servable(model, arm, Path(folder) / "model", named)
        client.log_model_artifacts(made.model_id, str(Path(folder) / "model"))
    client.finalize_logged_model(made.model_id, "READY")
    for shown_by in (run_id, also):
        client.log_outputs(shown_by, [LoggedModelOutput(made.model_id, step=0)])
    _add_version(client, arm, made, run_id, tags)
    client.set_tag(run_id, MODEL, made.model_id)


def _add_version(client: Any, arm: str, made: Any, run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.exceptions import MlflowException

    name = f"her2-{arm}"
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    client.create_model_version(
        name, made.artifact_location, run_id, dict(tags), model_id=made.model_id,
        await_creation_for=None,
    )  # fmt: skip


def _row(inputs: Mapping[str, Any], arm: str) -> pd.DataFrame:
    """Return the example row of an arm; of a combined arm, of all its members' columns."""
    parts = inputs[arm].get("members") or [arm]
    columns = {
        name: np.array([np.nan if value is None else value], dtype=np.float64)
        if inputs[part]["columns"][name] == "number"
        else np.array(["" if value is None else value], dtype=object)
        for part in parts
        for name, value in inputs[part]["example"].items()
    }
    return pd.DataFrame(columns)


def _requirements(kind: str) -> list[str]:
    """Return the packages that a model needs beside her2 itself, as they are installed here."""
    pinned = []
    for name in PACKAGES[kind]:
        try:
            pinned.append(f"{name}=={version(name).partition('+')[0]}")
        except PackageNotFoundError:
            continue  # the model was fitted without it
    return pinned
