"""Statistics of a diagnostic study: arrays in, frozen dataclasses and tables out.

Pure functions of what they are given. A statistic that the data do not determine raises
`her2.core.errors.NotEstimable` with the reason, never NaN or a default.
"""

from her2.stats.agreement.combat import CombatModel, fit_combat
from her2.stats.agreement.icc import Icc, IccForm, icc, icc_of_pairs, icc_per_feature
from her2.stats.agreement.image_quality import psnr, ssim
from her2.stats.agreement.map_location import (
    area_under_steps,
    enrichment,
    points_inside,
    rank_correlation,
    share_inside,
    upsampled,
    with_largest_replaced,
)
from her2.stats.agreement.reader_masks import (
    HausdorffDistance,
    adjudication_list,
    dice,
    hausdorff_distance,
    mask_icc,
)
from her2.stats.agreement.selection_stability import (
    Stability,
    nogueira_stability,
    selection_frequency,
)
from her2.stats.association.baseline_table import baseline_by_outcome, baseline_table
from her2.stats.association.logistic import multivariable_logistic, univariable_logistic
from her2.stats.association.logistic_model import (
    LogisticModel,
    Stepwise,
    fit_logistic_model,
    stepwise_logistic,
)
from her2.stats.association.means import (
    MeanInterval,
    mean_interval,
    standardised_difference,
    standardised_difference_of_shares,
)
from her2.stats.association.nomogram_points import Nomogram, nomogram
from her2.stats.association.odds_ratio_table import odds_ratio_table, variance_inflation
from her2.stats.association.sample_size import (
    binormal_linear_predictor,
    cox_snell_r2,
    largest_n_parameters,
    sample_size_for_prediction,
    sample_size_for_prediction_error,
)
from her2.stats.association.validation_size import (
    PrecisionTargets,
    c_statistic_standard_error,
    sample_size_for_validation,
    size_for_c_statistic,
    size_for_calibration_slope,
    size_for_net_benefit,
    size_for_observed_over_expected,
)
from her2.stats.clusters import Estimate, patient_variance
from her2.stats.discrimination.auc import (
    AucInterval,
    auc,
    auc_interval,
    hanley_mcneil_variance,
)
from her2.stats.discrimination.auc_estimate import (
    AucDifference,
    AucEstimate,
    auc_difference,
    auc_estimate,
    chance_error,
)
from her2.stats.discrimination.best_of_several import BestOfSeveral, best_of_several
from her2.stats.discrimination.bootstrap_intervals import (
    BootstrapInterval,
    bootstrap_difference,
    bootstrap_interval,
)
from her2.stats.discrimination.delong import (
    DelongTest,
    UnpairedDelongTest,
    delong_test,
    delong_test_unpaired,
    holm,
)
from her2.stats.discrimination.net_benefit import (
    net_benefit,
    net_benefit_table,
    net_benefit_treat_all,
)
from her2.stats.discrimination.operating_point import (
    OperatingPoint,
    operating_point,
)
from her2.stats.discrimination.optimism import optimism_corrected
from her2.stats.discrimination.permutation import permutation_p_value
from her2.stats.discrimination.reclassification import (
    IntegratedDiscrimination,
    NetReclassification,
    idi,
    nri,
)
from her2.stats.discrimination.roc_curve import (
    RocCurve,
    fixed_sensitivity_threshold,
    fixed_specificity_threshold,
    roc_curve,
    youden_threshold,
)
from her2.stats.discrimination.shares import Share, share, wilson_interval
from her2.stats.discrimination.subgroup_auc import cut, interaction_p, subgroup_performance
from her2.stats.individuals.prediction_sets import (
    SetCoverage,
    conformal_p_values,
    cross_conformal_p_values,
    prediction_sets,
    set_coverage,
)
from her2.stats.individuals.risk_instability import RiskInstability, risk_instability, widened
from her2.stats.probabilities.calibration_line import (
    CalibrationInTheLarge,
    CalibrationLine,
    calibration_in_the_large,
    calibration_in_the_large_interval,
    calibration_line,
    calibration_line_interval,
    calibration_slope,
)
from her2.stats.probabilities.calibration_measures import (
    Calibration,
    HosmerLemeshow,
    brier_interval,
    brier_score,
    calibration,
    calibration_groups,
    hosmer_lemeshow,
    scaled_brier,
    scaled_brier_interval,
)
from her2.stats.probabilities.smooth_calibration import (
    CalibrationErrors,
    calibration_curve,
    calibration_errors,
    ici_interval,
    integrated_calibration_index,
)

__all__ = [
    "AucDifference", "AucEstimate", "AucInterval", "BestOfSeveral", "BootstrapInterval",
    "Calibration", "CalibrationErrors", "CalibrationInTheLarge", "CalibrationLine",
    "CombatModel", "DelongTest", "Estimate", "HausdorffDistance", "HosmerLemeshow", "Icc",
    "IccForm", "IntegratedDiscrimination", "LogisticModel", "MeanInterval",
    "NetReclassification", "Nomogram", "OperatingPoint", "PrecisionTargets", "RiskInstability",
    "RocCurve", "SetCoverage", "Share", "Stability", "Stepwise", "UnpairedDelongTest",
    "adjudication_list", "area_under_steps", "auc", "auc_difference", "auc_estimate",
    "auc_interval", "baseline_by_outcome", "baseline_table", "best_of_several",
    "binormal_linear_predictor", "bootstrap_difference", "bootstrap_interval",
    "brier_interval", "brier_score", "c_statistic_standard_error", "calibration",
    "calibration_curve", "calibration_errors", "calibration_groups",
    "calibration_in_the_large", "calibration_in_the_large_interval", "calibration_line",
    "calibration_line_interval", "calibration_slope", "chance_error", "conformal_p_values",
    "cox_snell_r2", "cross_conformal_p_values", "cut", "delong_test", "delong_test_unpaired",
    "dice", "enrichment", "fit_combat", "fit_logistic_model", "fixed_sensitivity_threshold",
    "fixed_specificity_threshold", "hanley_mcneil_variance", "hausdorff_distance", "holm",
    "hosmer_lemeshow", "icc", "icc_of_pairs", "icc_per_feature", "ici_interval", "idi",
    "integrated_calibration_index", "interaction_p", "largest_n_parameters", "mask_icc",
    "mean_interval", "multivariable_logistic", "net_benefit", "net_benefit_table",
    "net_benefit_treat_all", "nogueira_stability", "nomogram", "nri", "odds_ratio_table",
    "operating_point", "optimism_corrected", "patient_variance", "permutation_p_value",
    "points_inside", "prediction_sets", "psnr", "rank_correlation", "risk_instability",
    "roc_curve", "sample_size_for_prediction", "sample_size_for_prediction_error",
    "sample_size_for_validation", "scaled_brier", "scaled_brier_interval",
    "selection_frequency", "set_coverage", "share", "share_inside", "size_for_c_statistic",
    "size_for_calibration_slope", "size_for_net_benefit", "size_for_observed_over_expected",
    "ssim", "standardised_difference", "standardised_difference_of_shares",
    "stepwise_logistic", "subgroup_performance", "univariable_logistic", "upsampled",
    "variance_inflation", "widened", "wilson_interval", "with_largest_replaced",
    "youden_threshold",
]  # fmt: skip
