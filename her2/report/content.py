"""What goes into the report: plain results, figures and tables by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class ReportInput:
    """Everything that the report shows; it computes no result itself.

    Attributes
    ----------
    title
        Title of the study.
    simulated
        Whether the patients are simulated: said in a banner on top.
    results
        Content of `results.json` (schema 1); an arm may also carry `repeated_cv`.
    flow
        n_rows, excluded ``{code: n}``, quarantined ``{code: n}``, n_lesions, n_patients, train,
        test, external ``{n_patients, n_positive}``.
    baseline
        Table 1 by role: variable, level, all, train, test, external, missing, p_value,
        test_name, smd.
    model_selection
        arm, classifier, parameters, cv_auc_mean, cv_auc_sd, cv_log_loss_mean, chosen.
    problems
        code, severity, title, n.
    figures
        Name -> figure; the name (``roc``, ``calibration_test``, ``flow``, ...) places it, an
        unknown name goes to the further results.
    differences
        (what the paper says, what this study does, why).
    provenance
        What made the result: hashes, versions, configuration.
    tables
        Name -> table, as `her2.report.catalogue.TABLES` names them; an unknown name goes to the
        further results. Columns ``patient_id`` and ``lesion_id`` are never shown.
    """

    title: str
    simulated: bool
    results: Mapping[str, Any]
    flow: Mapping[str, Any]
    baseline: pd.DataFrame
    model_selection: pd.DataFrame
    problems: pd.DataFrame
    figures: Mapping[str, Figure]
    differences: Sequence[tuple[str, str, str]]
    provenance: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
