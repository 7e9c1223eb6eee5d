"""Fitted pipelines read from files that somebody else may have written.

A skops file names every type that reading it is to import, call or fill. All names are compared
with a list before anything is imported; a function is never on it, because reading a file that
names one, with arguments, is running it.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from her2.core.errors import BadConfig
from her2.core.store import check_regular

_NUMBERS = ("bool", "bool_", "float32", "float64", "int8", "int32", "int64", "uint8", "str_")
# what a pipeline of a study consists of, by skops' name of how it is read
TYPES: dict[str, frozenset[str]] = {
    "JsonNode": frozenset({"builtins.str"}),
    "DictNode": frozenset({"builtins.dict", "collections.OrderedDict"}),
    "DefaultDictNode": frozenset({"collections.defaultdict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "BytesNode": frozenset({"builtins.bytes"}),
    "BytearrayNode": frozenset({"builtins.bytearray"}),
    "NdArrayNode": frozenset({"numpy.ndarray", *(f"numpy.{name}" for name in _NUMBERS)}),
    "TypeNode": frozenset({
        *(f"builtins.{name}" for name in ("bool", "dict", "float", "int", "list", "str")),
        *(f"numpy.{name}" for name in _NUMBERS), "collections.OrderedDict",
    }),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "ObjectNode": frozenset({
        "her2.models.clinical_imputation.ClinicalEncoder",
        "her2.models.fusion.SignatureLogit",
        "her2.models.imbalance.Balanced",
        "her2.selection.boruta.BorutaFilter",
        "her2.selection.filters.CorrelationFilter",
        "her2.selection.filters.TTestFilter",
        "her2.selection.filters.UsableFeatures",
        "her2.selection.harmonise.HarmoniseFeatures",
        "her2.selection.icc_filters.ReaderAgreementFilter",
        "her2.selection.icc_filters.RobustnessFilter",
        "her2.selection.lasso.LassoFilter",
        "her2.selection.lasso.LassoModel",
        "her2.selection.mrmr.MrmrFilter",
        "her2.selection.pca.CompressDeepFeatures",
        "her2.selection.stability.StabilityFilter",
        "her2.stats.agreement.combat.CombatModel",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "sklearn.decomposition._pca.PCA",
        "sklearn.ensemble._forest.ExtraTreesClassifier",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.ExtraTreeClassifier",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
    }),
    "CachedNode": frozenset(),  # a second mention of what the file names elsewhere
}  # fmt: skip
_SCHEMA = "schema.json"
_LARGEST = 2**31  # bytes of a file, unpacked


def load_pipeline(path: Path) -> Any:
    """Return a pipeline of a run's folder ``model``.

    Raises
    ------
    BadConfig
        If the file is damaged, or names anything that no study's pipeline has; then nothing that
        it names has been imported or called.
    """
    import skops.io

    check_regular(path, "a pipeline of a run's folder model", "correct the path")
    content = path.read_bytes()
    strange = sorted(
        {name for kind, name in _named_types(path, content) if not _is_known(kind, name)}
    )
    if strange:
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        raise BadConfig(
            f"expected in {path.name} the classes of a study's pipelines and no function, found "
            f"{', '.join(map(repr, strange[:3]))}{more}; load models of your own studies only"
        )
    trusted = sorted(set().union(*TYPES.values()))
    try:
        return skops.io.loads(content, trusted=trusted)
    except Exception as error:  # each library has errors of its own for what it cannot read
        raise _damaged(path, error) from error


def _is_known(kind: str, name: str) -> bool:
    return kind == "CachedNode" or name in TYPES.get(kind, ())


def _named_types(path: Path, content: bytes) -> list[tuple[str, str]]:
    """Return what a skops file names: how each is read, and its path; nothing is imported."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > _LARGEST:
                raise ValueError(f"{size} bytes unpacked")
            return list(_nodes(json.loads(archive.read(_SCHEMA))))
    except (
        zipfile.BadZipFile, zlib.error, KeyError, ValueError, RecursionError, RuntimeError,
        NotImplementedError, EOFError,
    ) as error:  # fmt: skip
        raise _damaged(path, error) from error


def _nodes(part: Any) -> Iterator[tuple[str, str]]:
    """Yield every node, wherever it lies: in arguments, in a state, in keys of a mapping."""
    if isinstance(part, list):
        for inner in part:
            yield from _nodes(inner)
    elif isinstance(part, dict):
        if "__loader__" in part:
            kind = str(part["__loader__"])
            yield kind, f"{part.get('__module__')}.{part.get('__class__')}"
        for inner in part.values():
            yield from _nodes(inner)


def _damaged(path: Path, error: Exception) -> BadConfig:
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    return BadConfig(
        f"expected a pipeline that her2 wrote in {path.name}, found a file that cannot be read "
        f"({reason}); run the study again, or copy the file again"
    )
