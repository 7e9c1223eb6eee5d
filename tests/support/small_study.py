"""A small numeric study: four arms, lesions of several patients, a signal of a chosen strength."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from her2.core.seeds import generator
from her2.core.types import Lesion, split_groups
from her2.models.classifiers import candidates
from her2.models.clinical_imputation import clinical_preparation, clinical_table
from her2.models.nested_cv import Arm, TrainingSet
from her2.models.splits import Split, grouped_folds, make_split
from her2.selection import SupervisedFilter, no_selection, paper_chain
from her2.selection.pca import CompressDeepFeatures

LR = candidates({"lr": {"fixed": {}, "grid": {"C": [0.1, 1.0]}}})
HEAD = candidates({"lr": {"fixed": {}, "grid": {"C": [0.0001, 0.001, 0.01, 0.1]}}})
N_DEEP = 20


class KnowsPatients(SupervisedFilter):
    """Keeps every column, and insists that the groups are the patients in the first of them."""

    def fit(self, X, y, groups=None):
        assert groups is not None, "no groups reached a step that takes them"
        assert np.array_equal(X[:, 0], groups)
        self.n_features_in_ = X.shape[1]
        self.support_ = np.ones(X.shape[1], dtype=bool)
        return self


@dataclass(frozen=True)
class Study:
    """What a study is made of: lesions with a split, and the feature tables."""

    lesions: list[Lesion]
    split: Split
    clinical: pd.DataFrame
    radiomics: pd.DataFrame
    deep: pd.DataFrame

    @property
    def held_out(self) -> tuple[str, ...]:
        return self.split.held_out

    @property
    def training(self) -> TrainingSet:
        keys = set(self.split.train)
        rows = [i for i, lesion in enumerate(self.lesions) if lesion.key in keys]
        y = np.array([self.lesions[i].outcome for i in rows])
        groups = split_groups(self.lesions)[rows]
        fold = grouped_folds(y, groups, n_folds=3, seed=0, name="outer")
        return TrainingSet(tuple(self.lesions[i].key for i in rows), y, groups, fold)

    def arm_that_knows_patients(self) -> Arm:
        """Return an arm that cannot be fitted without the patient of every row."""
        features = self.radiomics.copy()
        features.insert(0, "patient", split_groups(self.lesions).astype(float))
        return Arm("radiomics", features, make_pipeline(KnowsPatients()), LR)

    def arms(self) -> list[Arm]:
        chain = paper_chain(lasso_folds=3).set_params(lassofilter__n_alphas=12)
        compress = CompressDeepFeatures(N_DEEP, n_components=5)
        both = pd.concat([self.deep, self.radiomics], axis=1)
        dlr = make_pipeline(compress, *(step for _, step in chain.steps))
        return [
            Arm("clinical", self.clinical, clinical_preparation(), LR, is_table=True),
            Arm("radiomics", self.radiomics, chain, LR),
            Arm("deep_learning", self.deep, no_selection(), HEAD),
            Arm("dlr", both, dlr, LR),
        ]


def study(seed: int = 0, n: int = 80, signal: float = 1.0, several: bool = True) -> Study:
    """Patients, of one or several lesions; `signal` is how far the outcomes lie apart."""
    rng = generator(seed, "study")
    patient = np.sort(rng.integers(0, int(0.8 * n), n)) if several else np.arange(n)
    y = rng.permutation(np.arange(n) < 0.4 * n).astype(int)[patient]
    lesions = [Lesion(f"p{p:02d}", str(i), int(y[i])) for i, p in enumerate(patient)]
    index = [lesion.key for lesion in lesions]
    radiomics = rng.standard_normal((n, 30))
    radiomics[:, :3] += signal * y[:, np.newaxis]
    deep = rng.standard_normal((n, N_DEEP))
    deep[:, :3] += signal * y[:, np.newaxis]
    clinical = pd.DataFrame(
        {
            "age": 50 + 10 * rng.standard_normal(n) + 8 * signal * y,
            "er": rng.choice(["positive", "negative"], n),
            "grade": rng.choice(["1", "2", "3", None], n),
        },
        index=index,
    )
    return Study(
        lesions,
        make_split(lesions, seed=seed),
        clinical_table(clinical),
        pd.DataFrame(radiomics, index=index, columns=[f"r{i}" for i in range(30)]),
        pd.DataFrame(deep, index=index, columns=[f"d{i}" for i in range(N_DEEP)]),
    )
