"""What a command left."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def sentences(self) -> list[str]:
        """Lines of stderr that speak to the user, without the program's name."""
        lines = self.err.splitlines()
        return [line.removeprefix("her2: ") for line in lines if line.startswith("her2: ")]
