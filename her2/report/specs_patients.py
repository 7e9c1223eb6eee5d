"""How the tables about patients are shown: flow, Table 1, Table 2, readers."""

from __future__ import annotations

from her2.report.columns import (
    DASH,
    INTERVAL,
    TableSpec,
    decimal,
    estimate,
    group,
    name,
    odds,
    p,
    whole,
    words,
)

FLOW = TableSpec(
    "Counts",
    (words("Step", "step"), whole("n", "n"), whole("Positive outcome", "positive", absent="")),
    is_numbered=False,
)

PROBLEMS = TableSpec(
    "What was found in the input, by code",
    (
        words("Consequence", "severity"),
        words("Code", "code"),
        words("Problem", "title"),
        whole("n", "n"),
    ),
    note="The cases themselves are named in quarantine.csv only.",
    empty="No problem was found in the input.",
    is_numbered=False,
)

_LEVELS = (name("Variable", "variable"), words("Level", "level"), group("All", "all"))
_TESTS = (
    whole("Missing", "missing", absent="").once(),
    p("p", "p_value", absent="").once(),
    words("Statistical test", "test_name").once(),
    decimal("SMD", "smd", 2, absent="", term="smd").once(),
)
_BASELINE_NOTE = (
    "Numbers are mean ± standard deviation, median [quartiles] or n (%), as the level says. A "
    "blank p: there is nothing to test, or a group is too small."
)

BASELINE = TableSpec(
    "Characteristics of the patients by role",
    (
        *_LEVELS,
        group("Training", "train"),
        group("Test", "test"),
        group("External", "external"),
        *_TESTS,
    ),
    note=f"{_BASELINE_NOTE} p and SMD compare training with test patients.",
    empty="The cohort brought no clinical variable.",
    series="characteristics",
    blocks_by="variable",
    is_folded=False,
)

BASELINE_OUTCOME = TableSpec(
    "Characteristics of the patients by outcome",
    (*_LEVELS, group("Negative", "negative"), group("Positive", "positive"), *_TESTS),
    note=f"{_BASELINE_NOTE} p and SMD compare negative with positive patients.",
    empty="The cohort brought no clinical variable.",
    series="characteristics",
    blocks_by="variable",
    is_folded=False,
)

ODDS_RATIOS = TableSpec(
    "Association of clinical variables with the positive outcome",
    (
        name("Variable", "variable"),
        whole("n", "n", absent=DASH),
        whole("Events", "n_events", absent=DASH),
        odds(f"Odds ratio{INTERVAL}", "odds_ratio"),
        p("p", "p_value", absent=DASH),
        odds(
            f"Adjusted odds ratio{INTERVAL}",
            "adjusted_odds_ratio",
            stem="adjusted_",
        ),
        p("Adjusted p", "adjusted_p_value", absent=DASH),
        decimal("VIF", "vif", 2, absent=DASH, term="vif"),
        words("Method", "method", term="firth"),
        words("Note", "note"),
    ),
    note=(
        "Logistic regression with an intercept, of one variable and (adjusted) of all together, "
        "training patients only. A dash: the variable is not part of that model, or its value "
        "is not estimable for the reason in the last column."
    ),
    empty="No odds ratio could be estimated; the notes give the reason.",
    is_folded=False,
)

AGREEMENT = TableSpec(
    "Agreement of two readers",
    (
        words("Measure", "measure", term="icc"),
        whole("n", "n"),
        estimate("Median (range or 95 % CI)", "median"),
    ),
    note=(
        "Dice and Hausdorff distance compare the outlines, ICC the features that come from them."
    ),
    empty="No lesion has the masks of two readers.",
)

ADJUDICATION = TableSpec(
    "Lesions that need a third reader",
    (
        whole("Row of adjudication.csv", "row"),
        words("Reason", "reason"),
        decimal("Dice", "dice", term="dice"),
        decimal("Hausdorff distance (mm)", "hausdorff_mm", 1, term="hausdorff"),
    ),
    empty="No lesion needs a third reader.",
)
