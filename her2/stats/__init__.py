"""Statistics of a diagnostic study: arrays in, frozen dataclasses and tables out.

Pure functions of what they are given. A statistic that the data do not determine raises
`her2.errors.NotEstimable` with the reason, never NaN or a default.
"""

from her2.stats.agreement import Icc, IccForm, dice, icc, icc_per_feature
from her2.stats.auc import AucInterval, RocCurve, auc, auc_interval, roc_curve
from her2.stats.baseline import baseline_table
from her2.stats.calibration import (
    Calibration,
    brier_score,
    calibration,
    calibration_groups,
    calibration_in_the_large,
    calibration_line,
    integrated_calibration_index,
)
from her2.stats.decision_curve import net_benefit, net_benefit_treat_all
from her2.stats.delong import (
    DelongTest,
    UnpairedDelongTest,
    delong_test,
    delong_test_unpaired,
    holm,
)
from her2.stats.hosmer_lemeshow import HosmerLemeshow, hosmer_lemeshow
from her2.stats.logistic import multivariable_logistic, univariable_logistic
from her2.stats.operating_point import (
    OperatingPoint,
    operating_point,
    wilson_interval,
    youden_threshold,
)

__all__ = [
    "AucInterval",
    "Calibration",
    "DelongTest",
    "HosmerLemeshow",
    "Icc",
    "IccForm",
    "OperatingPoint",
    "RocCurve",
    "UnpairedDelongTest",
    "auc",
    "auc_interval",
    "baseline_table",
    "brier_score",
    "calibration",
    "calibration_groups",
    "calibration_in_the_large",
    "calibration_line",
    "delong_test",
    "delong_test_unpaired",
    "dice",
    "holm",
    "hosmer_lemeshow",
    "icc",
    "icc_per_feature",
    "integrated_calibration_index",
    "multivariable_logistic",
    "net_benefit",
    "net_benefit_treat_all",
    "operating_point",
    "roc_curve",
    "univariable_logistic",
    "wilson_interval",
    "youden_threshold",
]
