"""What a job is told of its trial, and what it answers: plain values that go between processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

KEY = "trial"  # of a job's config: the ticket
STATES = ("complete", "pruned", "failed", "ready")


@dataclass(frozen=True)
class Ticket:
    """A trial as its job sees it.

    number: None for a rehearsal, which checks settings and data and fits nothing; study, storage,
    password_env: where intermediate values go, if `pruner` is not ``none``; metrics: what to
    answer, in this order; facts: hashes of data and split that the study began with.
    """

    number: int | None
    metrics: tuple[str, ...]
    study: str = ""
    storage: str = ""
    password_env: str | None = None
    pruner: str = "none"
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a job's config."""
        return cls(**{**content, "metrics": tuple(content["metrics"])})

    def document(self) -> dict[str, Any]:
        """Return it as a job's config holds it."""
        return {**asdict(self), "metrics": list(self.metrics), "facts": dict(self.facts)}


@dataclass(frozen=True)
class Result:
    """What a job answers.

    state: complete, pruned, failed or (a rehearsal) ready; values: one a metric, if complete;
    reason: if failed; folds: values of every metric by fold; facts: of a rehearsal.
    """

    state: str
    values: tuple[float, ...] = ()
    reason: str = ""
    folds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Any) -> Result:
        """Return the result of a job: a mapping with these names, a number, or several.

        Examples
        --------
        >>> Result.of(0.5).values, Result.of({"state": "pruned"}).state
        ((0.5,), 'pruned')
        >>> Result.of("text").reason
        "expected a number, several, or a mapping with a state as the answer, found 'text'"
        """
        if isinstance(answer, Mapping) and answer.get("state") in STATES:
            known = {name: answer[name] for name in cls.__dataclass_fields__ if name in answer}
            return cls(**{**known, "values": tuple(map(float, known.get("values", ())))})
        several = answer if isinstance(answer, Sequence) and not isinstance(answer, str) else None
        try:
            return cls("complete", tuple(map(float, [answer] if several is None else several)))
        except (TypeError, ValueError):
            return cls(
                "failed",
                reason="expected a number, several, or a mapping with a state as the answer, "
                f"found {answer!r}",
            )
