"""How the tables about models are shown: performance, comparisons, what they look at."""

from __future__ import annotations

from her2.report.columns import (
    DASH,
    INTERVAL,
    TableSpec,
    arm,
    decimal,
    difference,
    estimate,
    gain,
    name,
    p,
    role,
    rule,
    supported,
    whole,
    words,
)

_IN_SAMPLE = ("role", "train")

ARMS = TableSpec(
    "Arms of the study",
    (arm(), words("Model", "model"), whole("Features used", "n_features", absent="")),
    empty="No arm could be fitted; the notes give the reason.",
)

REPEATED_CV = TableSpec(
    "Primary estimate: repeated cross-validation of the whole procedure",
    (
        arm(),
        whole("Repeats", "n_repeats"),
        whole("Folds", "n_folds"),
        whole("n", "n"),
        whole("Positive", "n_positive"),
        estimate(f"AUC{INTERVAL}", "auc", stem="auc_", term="auc"),
        decimal("SD between repeats", "sd_between_repeats", term="sd_between_repeats"),
        decimal("Lowest", "min"),
        decimal("Highest", "max"),
    ),
    note=(
        "Selection, scaling, choice of the model and fit are repeated inside every fold. Lowest "
        "and highest: AUC of single repeats."
    ),
    empty="Cross-validation was not repeated.",
    is_folded=False,
)

PERFORMANCE = TableSpec(
    "Single split: discrimination, and classification at the training threshold",
    (
        arm(),
        role(),
        whole("n", "n"),
        whole("Positive", "n_positive"),
        estimate("AUC", "auc", stem="auc_", term="auc"),
        decimal("Threshold", "threshold", term="threshold"),
        estimate("Sensitivity", "sensitivity", stem="sensitivity_", term="sensitivity"),
        estimate("Specificity", "specificity", stem="specificity_", term="specificity"),
        estimate("PPV", "ppv", stem="ppv_", term="ppv"),
        estimate("NPV", "npv", stem="npv_", term="npv"),
        decimal("Accuracy", "accuracy", term="accuracy"),
        decimal("F1", "f1", term="f1"),
    ),
    note=(
        "AUC with DeLong's interval, shares with Wilson's, all 95 %. The threshold maximises "
        "Youden's index on the out-of-fold predictions of training patients; the test patients "
        "had no part in it. Out of fold these very patients chose it, so their shares are a "
        "little optimistic. In-sample rows (grey) are more so, and shown only for comparison with "
        "the paper."
    ),
    muted=_IN_SAMPLE,
    is_open=False,
    is_folded=False,
)

OPERATING_POINTS = TableSpec(
    "Operating points",
    (
        arm(),
        role(),
        rule("Rule", "rule", term="youden"),
        decimal("Threshold", "threshold", term="threshold"),
        whole("TP", "tp"),
        whole("FP", "fp"),
        whole("TN", "tn"),
        whole("FN", "fn"),
        estimate("Sensitivity", "sensitivity", stem="sensitivity_", term="sensitivity"),
        estimate("Specificity", "specificity", stem="specificity_", term="specificity"),
        estimate("PPV", "ppv", stem="ppv_", term="ppv"),
        estimate("NPV", "npv", stem="npv_", term="npv"),
        decimal("F1", "f1", term="f1"),
    ),
    note=(
        "Each threshold is set by its rule on out-of-fold training predictions, which makes "
        "shares of that role a little optimistic, and used unchanged elsewhere. Shares with "
        "Wilson's 95 % interval. TP, FP, TN, FN: true and false positives and negatives."
    ),
    empty="No operating point could be set.",
    muted=_IN_SAMPLE,
)

PERMUTATION = TableSpec(
    "Permutation test of discrimination",
    (
        arm(),
        role(),
        decimal("AUC", "auc", term="auc"),
        whole("Permutations", "n_permutations"),
        p("p", "p_value", term="permutation"),
    ),
    note=(
        "Out of fold, p is too small near chance: models of other folds have learned from the "
        "outcomes that are permuted here, so the AUC varies more than this test knows. For the "
        "test and external roles it holds."
    ),
    empty="Outcomes were not permuted.",
)

SAMPLE_SIZE = TableSpec(
    "Sample size that a model with so many predictors asks for",
    (
        arm(),
        words("Criterion", "criterion", term="sample_size"),
        words("Meaning", "meaning"),
        whole("Predictors", "n_predictors"),
        whole("Required", "n_required"),
        whole("Supplied", "n_supplied"),
        supported("Enough", "supported"),
        whole("Predictors supported", "n_supported"),
    ),
    note=(
        "Predictors: all candidates before any selection. Predictors supported: how many these "
        "training patients support by criteria 1 and 2, at the AUC that the arm reached."
    ),
    empty="No criterion of sample size applies.",
)

CALIBRATION = TableSpec(
    "Calibration and overall error",
    (
        arm(),
        role(),
        decimal("Brier", "brier", term="brier"),
        decimal("Scaled Brier", "brier_scaled", term="brier_scaled"),
        decimal("Slope", "calibration_slope", 2, term="calibration_slope"),
        decimal("Intercept", "calibration_intercept", 2, term="calibration_intercept"),
        decimal("In the large", "calibration_in_the_large", 2, term="calibration_in_the_large"),
        decimal("ICI", "ici", term="ici"),
        decimal("E50", "e50", term="e50"),
        decimal("E90", "e90", term="e50"),
        decimal("HL statistic", "hosmer_lemeshow_statistic", 2, term="hosmer_lemeshow"),
        whole("HL d.f.", "hosmer_lemeshow_dof"),
        p("HL p", "hosmer_lemeshow_p_value"),
    ),
    note=(
        "A well calibrated model has slope 1, intercept 0 and ICI 0. HL: Hosmer-Lemeshow test; "
        "a large p is no proof of good calibration in a small group."
    ),
    muted=_IN_SAMPLE,
    is_open=False,
    is_folded=False,
)

CONFUSION = TableSpec(
    "Confusion counts at the training threshold",
    (
        arm(),
        role(),
        decimal("Threshold", "threshold", term="threshold"),
        whole("True positive", "tp"),
        whole("False negative", "fn"),
        whole("False positive", "fp"),
        whole("True negative", "tn"),
    ),
    muted=_IN_SAMPLE,
    is_open=False,
    is_folded=False,
)

COMPARISONS = TableSpec(
    "Differences of AUC between arms",
    (
        role(),
        arm("First", "first"),
        arm("Second", "second"),
        gain(f"Difference{INTERVAL}", "auc_difference"),
        decimal("z", "z", 2, term="z"),
        p("p", "p_value", term="delong"),
        p("p (Holm)", "p_holm", term="holm"),
        whole("Looks", "n_looks", term="looks"),
    ),
    note=(
        "Difference: AUC of the first minus AUC of the second arm on the same patients (paired "
        "DeLong test); Holm's correction within a role."
    ),
    empty="There were no two arms to compare.",
    is_folded=False,
)

RECLASSIFICATION = TableSpec(
    "Reclassification: the second arm in place of the first",
    (
        role(),
        arm("First", "first"),
        arm("Second", "second"),
        gain(f"IDI{INTERVAL}", "idi", stem="idi_", term="idi"),
        p("p", "idi_p"),
        gain(f"NRI{INTERVAL}", "nri", stem="nri_", term="nri"),
        p("p", "nri_p"),
    ),
    note=(
        "IDI and the category-free NRI can favour a badly calibrated model; the difference of "
        "AUC and net benefit come first."
    ),
    empty="There were no two arms to compare.",
)

NOMOGRAM = TableSpec(
    "Points of the nomogram",
    (
        name("Variable", "variable"),
        words("Value", "value"),
        decimal("Points", "points", 1, term="points"),
    ),
    empty="The combined model has no nomogram.",
)

NOMOGRAM_TOTAL = TableSpec(
    "Total points and probability",
    (
        decimal("Total points", "total_points", 1),
        decimal("Linear predictor", "linear_predictor", 2),
        decimal("Probability", "probability"),
    ),
    empty="The combined model has no nomogram.",
)

OPTIMISM = TableSpec(
    "Optimism after Harrell, by bootstrap of training patients",
    (
        words("Model", "scope"),
        words("Measure", "measure", term="optimism"),
        decimal("Apparent", "apparent"),
        difference("Optimism", "optimism"),
        decimal("Corrected", "corrected"),
        whole("Bootstraps", "n_bootstraps"),
        words("Note", "note"),
    ),
    note=(
        "Regression of signatures: the last step of the combined model alone, whose inputs are "
        "out of fold. Whole pipeline: selection, search and refit in every bootstrap sample."
    ),
    empty="The optimism was not estimated.",
)

GRAD_CAM = TableSpec(
    "Where the network looks, and whether it uses the place",
    (
        role(),
        words("Measure", "measure"),
        whole("Lesions", "n"),
        estimate(f"Value{INTERVAL}", "value"),
        decimal("Without knowledge", "without_knowledge", absent=DASH),
    ),
    note=(
        "Without knowledge: what a map that knows nothing of the lesion would reach on average. "
        "Maps are of the outcome that the lesion is called; training lesions are explained by a "
        "network that has not learned from them. Deletion and insertion: gain above 0 means that "
        "the marked places count more than random ones. After randomising, a correlation near 0 "
        "means that the map shows what was learned."
    ),
    empty="No map could be computed.",
    blocks_by="role",
    is_folded=False,
    is_open=False,
)

IMPORTANCE = TableSpec(
    "Permutation importance of the features, out of fold",
    (
        arm(),
        name("Feature", "feature"),
        estimate(f"Loss of AUC{INTERVAL}", "auc_loss", term="permutation_importance"),
    ),
    note=(
        "The AUC of the repeated cross-validation less the AUC after the judged patients have "
        "exchanged their values of the feature. Features that tell the same replace each other, "
        "and then none of them seems to matter."
    ),
    empty="No arm's features were shuffled.",
    blocks_by="arm",
)

SHAP = TableSpec(
    "SHAP values, out of fold",
    (
        arm(),
        name("Feature", "feature"),
        decimal("Mean |SHAP|", "mean_abs_shap", term="shap"),
    ),
    note=(
        "In log odds: exact for logistic regression, XGBoost and LightGBM, by sampled orders of "
        "the features for forests. Features that are not selected in a fold add 0 there."
    ),
    empty="No arm has SHAP values.",
    blocks_by="arm",
)

LEARNING_CURVE = TableSpec(
    "Learning curve",
    (
        arm(),
        whole("Training patients", "n_patients"),
        decimal("Share", "share", 2),
        estimate(f"AUC{INTERVAL}", "auc", stem="auc_", term="auc"),
    ),
    empty="The study was not repeated with fewer patients.",
)

SUBGROUPS = TableSpec(
    "AUC in subgroups",
    (
        role(),
        arm(),
        name("Variable", "variable"),
        words("Level", "level"),
        whole("n", "n"),
        whole("Positive", "n_positive"),
        estimate(f"AUC{INTERVAL}", "auc", term="auc"),
        p("p of interaction", "interaction_p", absent="", term="interaction"),
        words("Note", "note"),
    ),
    note=(
        "Exploratory: subgroups are small and were not corrected for their number. A blank p: "
        "no test was possible, or it stands in another row of the variable."
    ),
    empty="No subgroup was formed.",
)

MODEL_SELECTION = TableSpec(
    "Candidate models",
    (
        arm(),
        words("Classifier", "classifier"),
        words("Parameters", "parameters"),
        decimal("Mean AUC", "cv_auc_mean", term="auc"),
        decimal("SD", "cv_auc_sd"),
        decimal("Mean log loss", "cv_log_loss_mean", term="log_loss"),
        words("Chosen", "chosen"),
    ),
    note="Chosen by cross-validation within the training patients (setting evaluation.scoring).",
    empty="No model was chosen among candidates.",
)
