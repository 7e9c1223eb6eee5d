"""A model's file can name the classes of a study's pipelines alone; nothing of it runs first."""

import copy
import functools
import io
import json
import operator
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from trained_arms import small_arms

from her2.core.errors import BadConfig
from her2.models.classifiers import NAMES, candidates, fit_prepared
from her2.models.imbalance import METHODS
from her2.models.saved_pipelines import load_pipeline
from her2.selection import (
    HarmoniseFeatures,
    ReaderAgreementFilter,
    RobustnessFilter,
    boruta_chain,
    lasso_chain,
    mrmr_chain,
    no_selection,
    paper_chain,
    stability_chain,
)
from her2.selection.pca import CompressDeepFeatures

REFUSED = "the classes of a study's pipelines and no function, found .*load models of your own"
FEW = {"n_estimators": 5}
FIXED = {"lr": {}, "random_forest": FEW, "extra_trees": FEW, "xgboost": FEW, "lightgbm": FEW}


def rows():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    return rng.normal(size=(60, 6)) + y[:, None] * [1, 0, 0, 1, 0, 0], y


def read(tmp_path, fitted):
    path = tmp_path / "arm.skops"
    path.write_bytes(skops.io.dumps(fitted))
    return load_pipeline(path)


# ---- what studies write


@pytest.mark.parametrize("imbalance", METHODS)
@pytest.mark.parametrize("name", NAMES)
def test_every_classifier_is_read_to_the_last_bit(tmp_path, name, imbalance):
    X, y = rows()
    points = candidates({name: {"fixed": FIXED[name], "grid": {}}, "imbalance": imbalance})
    fitted = fit_prepared(points[0], X, y, 0)
    found = read(tmp_path, make_pipeline(StandardScaler().fit(X), fitted)[1:])
    assert found.predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()


STEPS = {
    "paper": paper_chain(alpha=0.5), "lasso": lasso_chain(), "mrmr": mrmr_chain(),
    "boruta": boruta_chain(n_rounds=5, n_trees=5), "stability": stability_chain(n_pairs=4),
    "none": no_selection(), "readers": ReaderAgreementFilter(), "robust": RobustnessFilter(),
    "pca": CompressDeepFeatures(4, n_components=2), "harmonise": HarmoniseFeatures(min_rows=3),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_every_preparation_is_read_to_the_last_bit(tmp_path, name):
    X, y = rows()
    if name in ("readers", "robust"):
        X = np.hstack([X, X + 0.01 * np.arange(60)[:, None] % 3])
    if name == "harmonise":
        X[:, 0] = np.arange(60) % 3
    fitted = STEPS[name].fit(X, y)
    assert read(tmp_path, fitted).transform(X).tobytes() == fitted.transform(X).tobytes()


@pytest.mark.parametrize("arm", ["clinical", "dlr", "combined"])
def test_every_head_is_read(tmp_path, arm):
    fitted, table, expected = small_arms()
    given = {
        "clinical": table[["age", "er"]], "dlr": table[["f0", "f1", "f2"]].to_numpy(),
        "combined": np.column_stack([expected["clinical"], expected["dlr"]]),
    }  # fmt: skip
    found = read(tmp_path, fitted[arm]).predict_proba(given[arm])[:, 1]
    assert found.tobytes() == expected[arm].tobytes()


# ---- what others write


def hostile(tmp_path, node):
    """A logistic regression whose state holds a node of another's making."""
    X, y = rows()
    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(LogisticRegression().fit(X, y))))
    schema = json.loads(source.read("schema.json"))
    schema["content"]["content"]["C"] = node  # a parameter of it
    path = tmp_path / "arm.skops"
    with zipfile.ZipFile(path, "w") as target:
        for name in set(source.namelist()) - {"schema.json"}:
            target.writestr(name, source.read(name))
        target.writestr("schema.json", json.dumps(schema))
    return path


def text(value):
    return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode",
            "content": json.dumps(value), "is_json": True}  # fmt: skip


def node(loader, path, **more):
    module, _, name = path.rpartition(".")
    return {"__class__": name, "__module__": module, "__loader__": loader, **more}


def items(*parts):
    return node("TupleNode", "builtins.tuple", content=list(parts))


def attacks(marker):
    """Nodes by name that run `touch marker`, or would do it in a reader that trusts packages."""
    run = f"touch {marker}"
    runner = "numpy.testing._private.utils.runstring"
    no_names = node("DictNode", "builtins.dict", content={}, key_types=node(
        "ListNode", "builtins.list", content=[]))  # fmt: skip
    code = items(text(f"open({str(marker)!r}, 'w').close()"), no_names)
    partial = node("PartialNode", "functools.partial", content={
        "func": node("FunctionNode", runner), "args": code, "kwds": no_names,
        "namespace": text(None)})  # fmt: skip
    fitted = node("ObjectNode", "sklearn.linear_model._logistic.LogisticRegression")
    return {
        "a class's constructor": node("ConstructorFromReduceNode", runner, content=code),
        "a shell of numpy": node(
            "ConstructorFromReduceNode", "numpy.distutils.exec_command.exec_command",
            content=items(text(run))),
        "os.system": node("ConstructorFromReduceNode", "os.system", content=items(text(run))),
        "a shell through numpy": node(
            "ConstructorFromReduceNode", "numpy.testing._private.utils.os.system",
            content=items(text(run))),
        "keys of a mapping": node(
            "DictNode", "builtins.dict", content={run: text(1)}, key_types=node(
                "ListNode", "builtins.list", content=[node("TypeNode", "os.system")])),
        "a container": node("ListNode", runner, content=[text(run)]),
        "a tuple": node("TupleNode", runner, content=[text(run)]),
        "a set": node("SetNode", "os.system", content=[text(run)]),
        "a number": node("NdArrayNode", "os.system", type="json", content=[text(run)],
                         shape=items(text(1))),
        "a factory": node(
            "DefaultDictNode", "collections.defaultdict", content={
                "main": no_names, "default_factory": node("FunctionNode", runner)}),
        "a function of sklearn": node("FunctionNode", "sklearn.utils.shuffle"),
        "a function of ours": node("FunctionNode", "her2.models.fusion.signature_logit"),
        "a ufunc": node("FunctionNode", "numpy.log"),
        "a partial": partial,
        "a partial in an object array": node(
            "NdArrayNode", "numpy.ndarray", type="json", content=[partial], shape=items(text(1))),
        "a method": node("MethodNode", "sklearn.linear_model._logistic.LogisticRegression",
                         content={"func": "fit", "obj": fitted}),
        "operator.methodcaller": node("OperatorFuncNode", "operator.methodcaller",
                                      attrs=items(text("system"), text(run))),
        "a loss": node("LossNode", runner, content=no_names, __reduce__={"args": code}),
        "arguments of a tree": node("TreeNode", "sklearn.tree._tree.Tree", content=no_names,
                                    __reduce__={"args": partial}),
        "a random generator": node("RandomStateNode", "os.system", content=text(run)),
        "a sparse matrix": node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy",
                                file="x"),
        "another estimator": node("ObjectNode", "sklearn.svm._classes.SVC"),
        "a private type": node("TypeNode", "numpy.ctypeslib.load_library"),
        "no loader of skops": node("EvalNode", "builtins.eval", content=text(run)),
        "a list for a loader": {**node("x", "a.b"), "__loader__": ["FunctionNode"]},
    }  # fmt: skip


@pytest.mark.parametrize("name", attacks("m"))
def test_nothing_runs_before_a_file_is_refused(tmp_path, name):
    marker = tmp_path / "marker"
    path = hostile(tmp_path, attacks(marker)[name])
    with pytest.raises(BadConfig, match=REFUSED) as refused:
        load_pipeline(path)
    assert not marker.exists()
    assert "\n" not in str(refused.value)


def test_an_attack_is_one_where_packages_are_trusted(tmp_path):
    """The control: the same file, read by what is refused here, runs its command."""
    marker = tmp_path / "marker"
    path = hostile(tmp_path, attacks(marker)["a class's constructor"])
    named = skops.io.get_untrusted_types(file=path)
    skops.io.load(path, trusted=named)
    assert marker.exists()


@pytest.mark.parametrize(
    "made",
    [
        make_pipeline(FunctionTransformer(np.testing.suppress_warnings), LogisticRegression()),
        make_pipeline(FunctionTransformer(functools.partial(np.clip, a_min=0, a_max=1))),
        make_pipeline(FunctionTransformer(operator.attrgetter("shape"))),
        make_pipeline(FunctionTransformer(StandardScaler().fit)),
    ],
)
def test_a_pipeline_with_a_function_is_refused(tmp_path, made):
    with pytest.raises(BadConfig, match=REFUSED):
        read(tmp_path, made)


def test_a_class_of_another_package_is_refused(tmp_path):
    class Strange(LogisticRegression):
        """A type of no package of ours."""

    Strange.__module__ = "elsewhere.models"
    with pytest.raises(BadConfig, match=r"found 'elsewhere\.models\.Strange'; load models"):
        read(tmp_path, Strange())


def damaged_files():
    whole = skops.io.dumps(StandardScaler().fit(rows()[0]))
    deep = io.BytesIO()
    with zipfile.ZipFile(deep, "w") as archive:
        archive.writestr("schema.json", "[" * 200_000)
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("schema.json", "{}")
    flipped = bytearray(copy.copy(whole))
    flipped[60] ^= 255
    return {"empty": b"", "text": b"no zip", "cut": whole[:-40], "flipped": bytes(flipped),
            "deep": deep.getvalue(), "no schema": plain.getvalue()}  # fmt: skip


@pytest.mark.parametrize("name", damaged_files())
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, name):
    path = tmp_path / "arm.skops"
    path.write_bytes(damaged_files()[name])
    with pytest.raises(
        BadConfig, match=r"that her2 wrote in arm\.skops, found a file that cannot"
    ):
        load_pipeline(path)
