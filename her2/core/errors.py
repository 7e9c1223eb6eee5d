"""Errors a user can act on: each is one sentence of what was expected, what was found, what to do.

The command line prints the sentence without a traceback. Every type is also the built-in
error that a Python caller would catch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Her2Error(Exception):
    """Base of all errors that this package raises on purpose."""


class BadConfig(Her2Error, ValueError):
    """A setting, or a combination of settings, that cannot be run."""


class BadCohort(Her2Error, ValueError):
    """A cohort that cannot be studied at all (exit status 2); one bad case is an InputProblem.

    Attributes
    ----------
    problems
        The sentences, one a reason; none names a patient.
    listed
        Lines for `quarantine.csv` (`her2.core.types.Problem`), which may.
    """

    def __init__(self, *sentences: str, listed: Sequence[Any] = ()) -> None:
        super().__init__("\n".join(sentences))
        self.problems = list(sentences)
        self.listed = tuple(listed)


class MissingInput(Her2Error, FileNotFoundError):
    """A file or folder that the user named does not exist or cannot be read."""


class MissingWeights(Her2Error, FileNotFoundError):
    """Pretrained weights that can be neither found nor downloaded."""


class LeakageError(Her2Error, ValueError):
    """The same patient (or group) would be on both sides of a fit and its evaluation."""


class WorkerLost(Her2Error, RuntimeError):
    """A worker process that was killed from outside."""


class NotEstimable(Her2Error, ValueError):
    """A statistic that these data do not determine; the message is the reason."""


class BadArgument(Her2Error, ValueError):
    """An argument of a Python call with the wrong shape or outside its range."""


class InputProblem(Her2Error, ValueError):
    """One case that must not enter the study.

    Parameters
    ----------
    code
        A code of `her2.cohort.problems.CATALOGUE`, for example ``"M06"``.
    what
        What was found.
    fix
        What to do about it.
    """

    def __init__(self, code: str, what: str, fix: str) -> None:
        super().__init__(f"{code}: {what}; {fix}")
        self.code = code
        self.what = what
        self.fix = fix

    def __reduce__(self) -> tuple[type[InputProblem], tuple[str, str, str]]:
        """Let a worker process hand the problem over: by default only the message would go."""
        return type(self), (self.code, self.what, self.fix)


class StoppedEarly(Her2Error, RuntimeError):
    """Work that ended before its end, with something that must be looked at (exit status 1)."""
