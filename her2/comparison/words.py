"""What a comparison says in sentences: who ranks first, how sure that is, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from her2.evaluation.judged_models import ComparedModels
from her2.plots.text import count, is_missing, p_statement
from her2.report.formats import interval_text

ALPHA = 0.05
CHOOSE = (
    "Choose by the out-of-fold AUC: the test patients are looked at once for each model and are "
    "there to check the chosen one, not to choose it. The best of {k} is optimistic, out of fold "
    "and on test alike, because chance takes part in who comes first."
)


def sentences(found: ComparedModels, cohort: Mapping[str, Any]) -> list[str]:
    """Return what stands on top of the page."""
    judged = ", ".join(f"{count(n)} {role}" for role, n in _sizes(found).items())
    first = (
        f"{count(len(found.models))} models predicted the same lesions of the cohort "
        f"{cohort['name']} by the same split ({judged})."
    )
    return [first, headline(found), CHOOSE.format(k=count(len(found.models)))]


def _sizes(found: ComparedModels) -> dict[str, int]:
    titles = {"out_of_fold": "out of fold", "test": "to test", "external": "external"}
    table = found.performance
    return {titles[r]: int(table[table["role"].eq(r)]["n"].max()) for r in found.roles}


def headline(found: ComparedModels) -> str:
    """Say which model ranks first out of fold, and from how many others it can be told."""
    best = found.models[0]
    p = found.of(best, "out_of_fold")
    if p is None or is_missing(p["auc"]):
        return "No model has an out-of-fold AUC that can be estimated; see the notes."
    test = found.of(best, "test")
    also = f", on test {_area(test)}" if test else ""
    return f"Out of fold {best} ranks first, with an AUC of {_area(p)}{also}. {_rivals(found)}"


def _area(p: Mapping[str, Any]) -> str:
    return interval_text(p["auc"], p["auc_low"], p["auc_high"])


def _rivals(found: ComparedModels) -> str:
    tests = found.differences
    best = found.models[0]
    of_best = tests[
        tests["role"].eq("out_of_fold") & (tests["first"].eq(best) | tests["second"].eq(best))
    ]
    adjusted = of_best["p_holm"].astype(float).dropna()
    if adjusted.empty:
        return "It could be compared with no other model."
    n_worse = int((adjusted < ALPHA).sum())
    smallest = p_statement(float(adjusted.min()))
    others = f"{count(len(adjusted))} others" if len(adjusted) > 1 else "other"
    if n_worse == 0:
        return (
            f"It cannot be told from the {others} (DeLong, Holm-adjusted; smallest {smallest}); "
            "that is not proof that they are equal."
        )
    which = f"all {others}" if n_worse > 1 else f"the {others}"
    if n_worse < len(adjusted):
        which = f"{count(n_worse)} of the {others}"
    return f"It is better than {which} (DeLong, Holm-adjusted p < .05)."


def alarms(found: ComparedModels, missing: Mapping[str, str]) -> list[str]:
    """Return what makes the comparison incomplete or doubtful."""
    texts = [f"{name} is not compared: {reason}" for name, reason in missing.items()]
    best = found.of(found.models[0], "out_of_fold")
    if best is not None and not is_missing(best["auc_low"]) and best["auc_low"] <= 0.5:
        texts.append(
            "The interval of the best model includes an AUC of 0.5: none is shown to be better "
            "than chance."
        )
    return texts


def ranking(found: ComparedModels) -> str:
    """Return the ranking as Markdown, for a note."""
    titles = {"out_of_fold": "out of fold", "test": "test", "external": "external"}
    heads = [titles[role] for role in found.roles]
    lines = [
        headline(found),
        "",
        f"| model | {' | '.join(heads)} |",
        "| --- " * (len(heads) + 1) + "|",
    ]
    for model in found.models:
        cells = [_area(p) if (p := found.of(model, role)) else "" for role in found.roles]
        lines.append(f"| {model.replace('|', '/')} | {' | '.join(cells)} |")
    k = count(len(found.models))
    return "\n".join([*lines, "", CHOOSE.format(k=k)])


def row_line(found: ComparedModels, model: str, width: int) -> str:
    """Return a line for the terminal: the model and its AUC by role."""
    cells = [_area(p) if (p := found.of(model, role)) else "" for role in found.roles]
    return f"{model:<{width}} " + " ".join(f"{cell:<26}" for cell in cells).rstrip()
