# %% [markdown]
# # Tutorial: a study in Python
#
# A small study of simulated patients, from settings to a ROC curve, and then a second one beside
# it. It takes a few minutes on two cores. The page is made of a script, `docs/tutorial.py` in the
# repository: run it as it is, or open it as a notebook with jupytext.

# %%
from pathlib import Path

import her2

folder = Path("outputs/tutorial")

# %% [markdown]
# ## Settings
#
# `StudySettings` holds every setting of `her2 study`, with the same names, defaults and checks.
# What you type on a command line can be given as words. A value out of its range, or a name that
# does not exist, is refused here, before any file is opened.

# %%
settings = her2.StudySettings.from_overrides(
    [
        "study=quick",
        "classifier=lr",
        "cohort.n_patients=60",
        "evaluation.n_repeats=1",
        "tracking=none",
        f"run_dir={folder / 'default'}",
    ]
)

# %% [markdown]
# For patients of your own these are `cohort=folder`, `cohort.root=DIR` and
# `cohort.clinical=[age,pr]` (see [Bring your own cohort](own_cohort.md)).
#
# ## Run it
#
# The run folder gets the same bytes as from the command. A run that was stopped goes on.

# %%
run = her2.run_study(settings)
run

# %% [markdown]
# ## What came out
#
# Results are typed: an editor completes them. The primary estimate of an arm is the AUC of the
# repeated cross-validation on training patients; the test patients stand beside it.

# %%
for name, arm in run.results.arms.items():
    cross_validated = arm.repeated_cv
    print(
        f"{name:>13}: AUC {cross_validated.auc:.2f} "
        f"({cross_validated.auc_low:.2f} to {cross_validated.auc_high:.2f})"
    )

# %% [markdown]
# Everything above is computed from rows of predictions, which are a table.

# %%
run.predictions.head()

# %%
run.tables["performance"].head()

# %% [markdown]
# ## A ROC curve
#
# Every figure of the report can be asked for by its name.

# %%
run.figure("roc")

# %% [markdown]
# The same curve by hand: `her2.stats` takes arrays and knows nothing of studies.

# %%
from her2 import stats

rows = run.repeated_cv.query("arm == 'radiomics'")  # there is one repeat
interval = stats.auc_estimate(rows["y_true"], rows["y_prob"], folds=rows["fold"])
print(f"AUC {interval.auc:.2f}, 95 % interval {interval.low:.2f} to {interval.high:.2f}")

# %% [markdown]
# ## Two runs side by side
#
# Does another selection of features do better? The cohort and the seed are the same, so the split
# is the same and the runs can be compared: a paired test of every two, with Holm's correction.

# %%
other = her2.run_study(
    her2.StudySettings.from_overrides(
        [
            "study=quick",
            "classifier=lr",
            "selection=mrmr",
            "cohort.n_patients=60",
            "evaluation.n_repeats=1",
            "tracking=none",
            f"run_dir={folder / 'mrmr'}",
        ]
    )
)
her2.compare_runs([run, other])

# %% [markdown]
# ## Come back later
#
# A finished run is read from its folder.

# %%
run = her2.load_run(folder / "default")
sorted(run.results.arms)
