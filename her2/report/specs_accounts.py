"""How the tables that give account are shown: audit, checklists, differences, provenance."""

from __future__ import annotations

from her2.report.columns import TableSpec, answer, arm, decimal, passed, role, whole, words

AUDIT = TableSpec(
    "Leakage audit",
    (
        words("Check", "check"),
        words("Expected", "expected"),
        words("Found", "found"),
        passed("Outcome", "passed"),
    ),
    empty="No check of the protocol was run.",
)

AUDIT_ARMS = TableSpec(
    "What each trial found",
    (
        words("Trial", "trial"),
        role("Role", "role"),
        arm(),
        whole("Repetitions", "n"),
        decimal("Mean AUC", "auc", term="auc"),
        decimal("SD", "sd"),
        decimal("Lower limit", "low"),
        decimal("Upper limit", "high"),
    ),
    note=(
        "The limits hold what an arm that knows nothing finds: .5 with three standard errors of "
        "the mean. In the trials “planted” and “control_leaks” an arm must be above them."
    ),
    blocks_by="trial",
    is_folded=False,
)


def _checklist(caption: str) -> TableSpec:
    return TableSpec(
        caption,
        (
            words("Number", "number"),
            words("Section", "section"),
            words("Item", "item"),
            answer("Answer", "answer"),
            words("Proof", "proof"),
        ),
        note=(
            "Answers are computed from this study's files; “needs author” is what no program "
            "can know."
        ),
        empty="The checklist has no item.",
        tally="answer",
        is_numbered=False,
        is_folded=True,
    )


CLEAR = _checklist("CLEAR: evaluation of radiomics research")
METRICS = _checklist("METRICS: methodological radiomics score")
TRIPOD_AI = _checklist("TRIPOD+AI: reporting of prediction models")

DIFFERENCES = TableSpec(
    "Choices that differ from the paper",
    (words("The paper", "paper"), words("This study", "study"), words("Why", "why")),
    empty="No difference was recorded.",
)

PROVENANCE = TableSpec(
    "What made this result", (words("Item", "item"), words("Value", "value")), is_numbered=False
)

TIMING = TableSpec(
    "Time of each step",
    (words("Step", "step"), decimal("Seconds", "seconds", 1)),
    is_numbered=False,
)
