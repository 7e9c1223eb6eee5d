"""Calls for tests of engines: a child process must be able to import them."""

import os
import signal
import time
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


def die(number: int = 0) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(folder: str, number: int) -> int:
    """Kill the process at the first attempt, answer at the second."""
    seen = Path(folder) / f"seen_{number}"
    if seen.exists():
        return number
    seen.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def die_if_odd(number: int) -> int:
    if number % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def note_pid(folder: str, number: int, seconds: float) -> int:
    """Say which process, and whose child, works on a call; then work for a while."""
    (Path(folder) / f"{number}_{os.getpid()}_{os.getppid()}").touch()
    time.sleep(seconds)
    return number


def threads(number: int) -> str:
    return os.environ["OMP_NUM_THREADS"]


def refuse(number: int) -> None:
    from her2.core.errors import InputProblem

    raise InputProblem("M06", "the mask is empty", "draw it")


def fail(number: int) -> float:
    return 1 / number


def use_up_memory(number: int) -> None:
    raise MemoryError
