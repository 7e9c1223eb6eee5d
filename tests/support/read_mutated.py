"""Read files one after another under limits of memory and time, and say how each ended.

Run as a process: ``read_mutated.py FOLDER SAID``. It goes on behind the last line of SAID, so that
a file at which the process died is passed over by the next one.
"""

import json
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from her2.cohort import read_folder_cohort
from her2.cohort.images import decode_image, n_stacked
from her2.cohort.masks import largest_frame, read_mask
from her2.core.errors import Her2Error
from her2.core.store import content_key

MOST_BYTES = 2 * 2**30  # of address space
MOST_SECONDS = 10  # a file
SHAPE = (64, 60)
DEATH = "died"
Ending = tuple[str, str]  # "used" and a hash, "refused" and its code or sentence, "raised"


def ending(read: Callable[[], object]) -> Ending:
    try:
        return "used", content_key([read()])
    except Her2Error as refusal:
        return "refused", getattr(refusal, "code", str(refusal))
    except BaseException:  # noqa: BLE001, whatever else comes out is what is looked for
        return "raised", traceback.format_exc()[-1500:]


def endings(path: Path) -> dict[str, Ending]:
    """How the ways in which a file is read end."""
    if path.suffix in (".csv", ".xlsx"):

        def table() -> object:
            cohort = read_folder_cohort(path.parent, table=path.name, clinical=["age", "er"])
            return [len(cohort.lesions), cohort.clinical.to_csv()]

        return {"table": ending(table)}
    return {
        "image": ending(lambda: decode_image(path).pixels),
        "mask": ending(lambda: read_mask([path], SHAPE)[0]),
        "stack": ending(lambda: [n_stacked(path), largest_frame([path])]),
    }


def main(folder: Path, said: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    begun = said.read_text().splitlines() if said.exists() else []
    done = {json.loads(line)[0] for line in begun}
    with said.open("a") as stream:
        for path in sorted(p for p in folder.iterdir() if p.name not in done):
            stream.write(json.dumps([path.name, {DEATH: ["died", ""]}]) + "\n")
            stream.flush()
            signal.alarm(MOST_SECONDS)  # ends the process, whatever library it is in
            found = endings(path)
            signal.alarm(0)
            stream.write(json.dumps([path.name, found]) + "\n")
            stream.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
