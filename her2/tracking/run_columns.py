"""The columns in which MLflow's pages show the runs: what was done, with what, how good it is.

MLflow keeps a view that was shared as a tag of the experiment; the link that names it opens it.
"""

from __future__ import annotations

import json

from her2.tracking.address import check_database, client, database_file, spared, tracking_uri

VIEW = "her2"
TAG = f"mlflow.sharedViewState.{VIEW}"
# columns after the name and the time, and their widths in pixels
COLUMNS = {
    "tags.`kind`": 90, "tags.`arm`": 120, "tags.`backbone`": 150,
    "metrics.`repeated_cv/auc`": 130, "metrics.`repeated_cv/auc_low`": 155,
    "metrics.`repeated_cv/auc_high`": 160, "metrics.`test/auc`": 90,
    "metrics.`test/brier`": 100, "metrics.`test/calibration_slope`": 185,
    "attributes.`Dataset`": 180, "attributes.`Models`": 200, "tags.`status`": 90,
}  # fmt: skip


def view_state() -> str:
    """Return the view as MLflow's pages read it."""
    names = list(COLUMNS)
    order = ["attributes.`Run Name`", "attributes.`Created`", *names]
    widths = {"attributes.`Run Name`": 260, "attributes.`Created`": 130, **COLUMNS}
    return json.dumps({"selectedColumns": names, "columnOrder": order, "columnWidths": widths})


def runs_page(uri: str | None, experiment: str) -> str:
    """Return the page of an experiment's runs, without the server's address, and its columns.

    The start page, where the store has no such experiment yet or does not answer.
    """
    address = tracking_uri(uri)
    file = database_file(address)
    if file is not None and not file.is_file():
        return ""
    with spared(address, "MLflow does not answer ({reason}); its pages may not open"):
        check_database(address)
        found = client(address).get_experiment_by_name(experiment)
        if found is not None:
            if found.tags.get(TAG) != view_state():
                client(address).set_experiment_tag(found.experiment_id, TAG, view_state())
            page = f"/#/experiments/{found.experiment_id}/runs"
            return f"{page}?viewStateShareKey={VIEW}&workflowType=machine_learning"
    return ""
