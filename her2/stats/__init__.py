"""Statistics of a diagnostic study: arrays in, frozen dataclasses and tables out.

Pure functions of what they are given. A statistic that the data do not determine raises
`her2.core.errors.NotEstimable` with the reason, never NaN or a default.
"""

from her2.paper_checks import Contradiction, Printed, PrintedStudy, auc_bounds
from her2.paper_checks import check as check_coherence
from her2.stats.agreement.combat import CombatModel, combat, fit_combat
from her2.stats.agreement.hausdorff import HausdorffDistance, hausdorff_distance
from her2.stats.agreement.icc import Icc, IccTest, icc, icc_of_pairs, icc_per_feature, icc_test
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
from her2.stats.agreement.mean_squares import IccForm
from her2.stats.agreement.reader_masks import adjudication_list, dice, mask_icc
from her2.stats.agreement.selection_stability import (
    Stability,
    nogueira_stability,
    selection_frequency,
)
from her2.stats.association.baseline_table import baseline_by_outcome, baseline_table
from her2.stats.association.collinearity import events_per_variable, variance_inflation
from her2.stats.association.logistic import (
    multivariable_logistic,
    no_intercept_odds,
    univariable_logistic,
)
from her2.stats.association.logistic_model import (
    LogisticModel,
    fit_logistic_model,
    likelihood_ratio_tests,
)
from her2.stats.association.means import MeanInterval, mean_interval
from her2.stats.association.multiple_imputation import (
    PooledEstimate,
    multiply_imputed_logistic,
    pool,
)
from her2.stats.association.nomogram_points import Nomogram, nomogram
from her2.stats.association.odds_ratio_table import odds_ratio_table
from her2.stats.association.sample_size import (
    cox_snell_r2,
    largest_n_parameters,
    sample_size_for_prediction,
    validation_precision,
)
from her2.stats.association.standardised_difference import (
    standardised_difference,
    standardised_difference_of_shares,
)
from her2.stats.association.stepwise import Stepwise, stepwise_logistic
from her2.stats.discrimination.auc import (
    AucInterval,
    auc,
    auc_interval,
    hanley_mcneil_standard_error,
)
from her2.stats.discrimination.bootstrap_intervals import (
    BootstrapInterval,
    bootstrap_difference,
    bootstrap_interval,
)
from her2.stats.discrimination.delong import (
    DelongTest,
    UnpairedDelongTest,
    delong_covariance,
    delong_test,
    delong_test_unpaired,
    holm,
)
from her2.stats.discrimination.net_benefit import (
    net_benefit,
    net_benefit_band,
    net_benefit_treat_all,
)
from her2.stats.discrimination.operating_point import (
    OperatingPoint,
    clopper_pearson_interval,
    operating_point,
    wilson_interval,
)
from her2.stats.discrimination.optimism import optimism_corrected
from her2.stats.discrimination.permutation import (
    permutation_p_value,
    permutation_p_value_of_pipeline,
)
from her2.stats.discrimination.reclassification import (
    IntegratedDiscrimination,
    NetReclassification,
    discrimination_slope,
    idi,
    nri,
    nri_categorical,
)
from her2.stats.discrimination.repeated import (
    RepeatedAuc,
    ResampledTTest,
    corrected_resampled_t_test,
    repeated_auc,
    repeated_delong_test,
)
from her2.stats.discrimination.roc_curve import RocCurve, partial_auc, roc_coordinates, roc_curve
from her2.stats.discrimination.subgroup_auc import cut, interaction_p, subgroup_performance
from her2.stats.discrimination.youden_threshold import (
    closest_topleft_threshold,
    fixed_sensitivity_threshold,
    fixed_specificity_threshold,
    youden_threshold,
)
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
    calibration,
    calibration_groups,
)
from her2.stats.probabilities.hosmer_lemeshow import HosmerLemeshow, hosmer_lemeshow
from her2.stats.probabilities.proper_scores import (
    Spiegelhalter,
    brier_score,
    log_loss,
    scaled_brier,
    spiegelhalter,
)
from her2.stats.probabilities.smooth_calibration import (
    CalibrationErrors,
    LowessCalibration,
    calibration_curve,
    calibration_errors,
    expected_calibration_error,
    integrated_calibration_index,
    lowess_calibration,
)
from her2.stats.probabilities.validation_measures import ValidationMeasures, validation_measures

__all__ = [
    "AucInterval",
    "BootstrapInterval",
    "Calibration",
    "CalibrationErrors",
    "CalibrationInTheLarge",
    "CalibrationLine",
    "CombatModel",
    "Contradiction",
    "DelongTest",
    "HausdorffDistance",
    "HosmerLemeshow",
    "Icc",
    "IccForm",
    "IccTest",
    "IntegratedDiscrimination",
    "LogisticModel",
    "LowessCalibration",
    "MeanInterval",
    "NetReclassification",
    "Nomogram",
    "OperatingPoint",
    "PooledEstimate",
    "Printed",
    "PrintedStudy",
    "RepeatedAuc",
    "ResampledTTest",
    "RocCurve",
    "Spiegelhalter",
    "Stability",
    "Stepwise",
    "UnpairedDelongTest",
    "ValidationMeasures",
    "adjudication_list",
    "area_under_steps",
    "auc",
    "auc_bounds",
    "auc_interval",
    "baseline_by_outcome",
    "baseline_table",
    "bootstrap_difference",
    "bootstrap_interval",
    "brier_score",
    "calibration",
    "calibration_curve",
    "calibration_errors",
    "calibration_groups",
    "calibration_in_the_large",
    "calibration_in_the_large_interval",
    "calibration_line",
    "calibration_line_interval",
    "calibration_slope",
    "check_coherence",
    "clopper_pearson_interval",
    "closest_topleft_threshold",
    "combat",
    "corrected_resampled_t_test",
    "cox_snell_r2",
    "cut",
    "delong_covariance",
    "delong_test",
    "delong_test_unpaired",
    "dice",
    "discrimination_slope",
    "enrichment",
    "events_per_variable",
    "expected_calibration_error",
    "fit_combat",
    "fit_logistic_model",
    "fixed_sensitivity_threshold",
    "fixed_specificity_threshold",
    "hanley_mcneil_standard_error",
    "hausdorff_distance",
    "holm",
    "hosmer_lemeshow",
    "icc",
    "icc_of_pairs",
    "icc_per_feature",
    "icc_test",
    "idi",
    "integrated_calibration_index",
    "interaction_p",
    "largest_n_parameters",
    "likelihood_ratio_tests",
    "log_loss",
    "lowess_calibration",
    "mask_icc",
    "mean_interval",
    "multiply_imputed_logistic",
    "multivariable_logistic",
    "net_benefit",
    "net_benefit_band",
    "net_benefit_treat_all",
    "no_intercept_odds",
    "nogueira_stability",
    "nomogram",
    "nri",
    "nri_categorical",
    "odds_ratio_table",
    "operating_point",
    "optimism_corrected",
    "partial_auc",
    "permutation_p_value",
    "permutation_p_value_of_pipeline",
    "points_inside",
    "pool",
    "psnr",
    "rank_correlation",
    "repeated_auc",
    "repeated_delong_test",
    "roc_coordinates",
    "roc_curve",
    "sample_size_for_prediction",
    "scaled_brier",
    "selection_frequency",
    "share_inside",
    "spiegelhalter",
    "ssim",
    "standardised_difference",
    "standardised_difference_of_shares",
    "stepwise_logistic",
    "subgroup_performance",
    "univariable_logistic",
    "upsampled",
    "validation_measures",
    "validation_precision",
    "variance_inflation",
    "wilson_interval",
    "with_largest_replaced",
    "youden_threshold",
]
