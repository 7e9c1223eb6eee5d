"""Every statistic of the report in one plain sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term, and what it means in one sentence."""

    name: str
    meaning: str


TERMS: dict[str, Term] = {
    "accuracy": Term(
        "Accuracy",
        "The share of patients whom the threshold puts on the right side; where one outcome is "
        "rare it is high for a model that never finds it.",
    ),
    "auc": Term(
        "AUC",
        "The probability that a randomly drawn positive patient has a higher score than a "
        "randomly drawn negative one: 0.5 is chance, 1 is perfect.",
    ),
    "brier": Term(
        "Brier score",
        "The mean squared distance between the predicted probability and the outcome: 0 is "
        "perfect, and lower is better.",
    ),
    "brier_scaled": Term(
        "Scaled Brier score",
        "The Brier score as a gain over predicting the prevalence for everybody: 1 is perfect, "
        "0 is no gain, below 0 is worse than that.",
    ),
    "calibration_in_the_large": Term(
        "Calibration in the large",
        "By how much, on the log-odds scale, observed risk exceeds predicted risk on average: 0 "
        "is right, above 0 means that risks are predicted too low.",
    ),
    "calibration_intercept": Term(
        "Calibration intercept",
        "The intercept of the logistic regression of the outcome on the predicted log-odds: 0 "
        "when the model is well calibrated.",
    ),
    "calibration_slope": Term(
        "Calibration slope",
        "The slope of the logistic regression of the outcome on the predicted log-odds: 1 is "
        "right, below 1 means predictions that are too extreme, as after overfitting.",
    ),
    "ci": Term(
        "95 % interval",
        "Confidence interval: over many repetitions of the study, 95 of 100 such intervals would "
        "contain the true value.",
    ),
    "delong": Term(
        "DeLong",
        "The method that gives an AUC its interval, and the difference of two AUCs on the same "
        "patients its p, without assuming a distribution of the scores.",
    ),
    "dice": Term(
        "Dice",
        "Overlap of two outlines, twice the common area over the sum of both areas: 1 is "
        "identical, 0 is apart.",
    ),
    "e50": Term(
        "E50, E90",
        "Half of the patients, and 90 % of them, have a distance between predicted and smoothed "
        "observed probability no larger than this.",
    ),
    "f1": Term(
        "F1",
        "The harmonic mean of sensitivity and positive predictive value; it ignores the true "
        "negatives.",
    ),
    "firth": Term(
        "Firth",
        "A penalised logistic regression that keeps odds ratios finite where a variable "
        "separates the outcomes perfectly.",
    ),
    "frequency": Term(
        "Frequency",
        "The share of resamples of the training patients in which the feature is selected again.",
    ),
    "hausdorff": Term(
        "Hausdorff distance",
        "The largest distance from a point of one outline to the nearest point of the other.",
    ),
    "holm": Term(
        "Holm",
        "A correction of p values for testing several hypotheses at once, which keeps the chance "
        "of any false claim at 5 %.",
    ),
    "hosmer_lemeshow": Term(
        "Hosmer-Lemeshow",
        "A test that compares expected with observed outcomes in groups of predicted risk; a "
        "large p is no proof of good calibration. Two degrees of freedom fewer than groups, as "
        "published tables have it; for patients whom no model has learned from that makes p too "
        "small.",
    ),
    "icc": Term(
        "ICC",
        "Intraclass correlation, the share of a feature's variation that is due to the lesions "
        "and not to the reader: 1 is perfect agreement.",
    ),
    "ici": Term(
        "ICI",
        "Integrated calibration index, the mean distance between predicted and smoothed observed "
        "probability: 0 is perfect.",
    ),
    "idi": Term(
        "IDI",
        "Integrated discrimination improvement: by how much the mean predicted probabilities of "
        "positive and negative patients move further apart.",
    ),
    "interaction": Term(
        "p of interaction",
        "The p of the hypothesis that the model does equally well at all levels of the variable; "
        "subgroups are small, so a large p proves little.",
    ),
    "lasso": Term(
        "LASSO",
        "A regression whose penalty sets the weights of most features to exactly zero, so that "
        "only some are kept.",
    ),
    "log_loss": Term(
        "Log loss",
        "The mean surprise at the true outcome under the predicted probability; lower is better, "
        "and a confident error costs most.",
    ),
    "looks": Term(
        "Looks",
        "How many comparisons on the same patients were counted for the correction of p.",
    ),
    "net_benefit": Term(
        "Net benefit",
        "True positives minus false positives, weighted by the odds of the threshold "
        "probability, per patient.",
    ),
    "nogueira": Term(
        "Nogueira",
        "Stability of a selection over resamples, corrected for chance: 1 is always the same "
        "features, 0 is no better than random ones.",
    ),
    "npv": Term(
        "NPV",
        "Negative predictive value: the share of patients below the threshold who are negative; "
        "it depends on how common the outcome is.",
    ),
    "nri": Term(
        "NRI",
        "Net reclassification improvement: how many more probabilities move in the right than in "
        "the wrong direction, added over positive and negative patients; it can favour a worse "
        "model.",
    ),
    "odds_ratio": Term(
        "Odds ratio",
        "The factor by which the odds of the positive outcome change with one unit, or with this "
        "level, of the variable: 1 is no association.",
    ),
    "optimism": Term(
        "Optimism",
        "By how much a measure looks better on the patients to whom a model was fitted than on "
        "others, estimated with the bootstrap.",
    ),
    "out_of_fold": Term(
        "Out of fold",
        "Each training patient is judged by a model that was fitted without that patient.",
    ),
    "p": Term(
        "p",
        "The probability of data at least as unusual as these if there were no difference; it is "
        "not the probability that there is none.",
    ),
    "permutation": Term(
        "Permutation test",
        "The share of shuffled outcomes for which the AUC is at least as high as the real one.",
    ),
    "permutation_importance": Term(
        "Permutation importance",
        "How much AUC is lost when patients exchange their values of a feature: 0 is a feature "
        "that the model could do without.",
    ),
    "points": Term(
        "Points",
        "The weight of a value in the nomogram; the sum over all variables leads to the "
        "probability.",
    ),
    "ppv": Term(
        "PPV",
        "Positive predictive value: the share of patients above the threshold who are positive; "
        "it depends on how common the outcome is.",
    ),
    "repeated_cv": Term(
        "Repeated cross-validation",
        "All patients are split into folds again and again, each patient is judged by models "
        "that never saw that patient, and the result is averaged over the repeats.",
    ),
    "role": Term(
        "Role",
        "Out of fold and in sample are the training patients, judged by models fitted without "
        "them and with them; test patients took no part in any fit.",
    ),
    "sample_size": Term(
        "Sample size criteria",
        "How many patients a model with this number of predictors needs for small overfitting "
        "and a precise overall risk (Riley and colleagues).",
    ),
    "sd_between_repeats": Term(
        "SD between repeats",
        "How much the result changes when only the random split into folds changes.",
    ),
    "sensitivity": Term(
        "Sensitivity", "The share of positive patients who are above the threshold."
    ),
    "shap": Term(
        "SHAP",
        "How much a feature moves a patient's log odds away from the average prediction; the "
        "values of all features add up to the prediction.",
    ),
    "smd": Term(
        "SMD",
        "Standardised mean difference, the difference of two groups in standard deviations; "
        "unlike p it does not depend on their size, and below 0.1 is small.",
    ),
    "specificity": Term(
        "Specificity", "The share of negative patients who are below the threshold."
    ),
    "threshold": Term(
        "Threshold",
        "The predicted probability from which a patient counts as positive; it comes from "
        "training patients only.",
    ),
    "vif": Term(
        "VIF",
        "Variance inflation factor: how much less certain an odds ratio is because the variables "
        "of the model are correlated; 1 is not at all, above 5 is much.",
    ),
    "weight": Term(
        "Weight",
        "The LASSO coefficient of the feature after scaling it to mean 0 and standard deviation "
        "1; its sign says in which direction the outcome goes.",
    ),
    "wilson": Term(
        "Wilson",
        "An interval for a share that stays between 0 and 1 and holds for small groups too.",
    ),
    "youden": Term(
        "Youden's index",
        "Sensitivity plus specificity minus 1; the threshold that makes it largest treats both "
        "errors as equally bad.",
    ),
    "z": Term("z", "The difference divided by its standard error."),
}
