"""Which image of a stack is analysed: frames of a cine loop, slices of a volume, pages of a file.

Never a default: the table names the frame, or the user declares that it is the one in which the
mask is largest. Frames are counted from 1, as DICOM does.
"""

from __future__ import annotations

from her2.cohort.problems import refuse
from her2.core.errors import BadConfig

LARGEST_LESION = "largest_lesion"
_FIX = (
    "name the frame in a column frame of the table (from 1), set cohort.frame=largest_lesion "
    "where the masks are stacks too, or save the one image that is to be analysed"
)


def check_frame(n_stacked: int, frame: int | None, *, code: str) -> int:
    """Index, from 0, of the image to read in a file that holds `n_stacked`.

    A single image is read whatever `frame` says, so that a mask of one slice may belong to a
    frame of a stack, and the other way round.

    Raises
    ------
    InputProblem
        With `code` where the file holds several and `frame` names none of them.

    Examples
    --------
    >>> check_frame(40, 12, code="D19")
    11
    """
    if n_stacked <= 1:
        return 0
    if frame is None:
        raise refuse(code, f"the file holds {n_stacked} images, expected one", _FIX)
    if not 1 <= frame <= n_stacked:
        what = f"the file holds {n_stacked} images, expected one of them as frame, found {frame}"
        raise refuse(code, what, "correct the column frame; frames are counted from 1")
    return frame - 1


def check_rule(rule: str | None) -> None:
    """Refuse what is no rule for choosing the image of a stack.

    Raises
    ------
    BadConfig
        For anything but None and ``largest_lesion``.
    """
    if rule not in (None, LARGEST_LESION):
        raise BadConfig(
            f"expected cohort.frame={LARGEST_LESION}, or null to leave stacks out, found {rule!r}"
        )
