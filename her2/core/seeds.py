"""Random numbers by name: a new step never shifts the numbers of another.

Every random draw of the study comes from one root seed and the names of what it is for
(step, fold, patient), so results depend on neither order nor number of workers.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator that belongs to these names under this root seed.

    Examples
    --------
    >>> int(generator(0, "split").integers(100)) == int(generator(0, "split").integers(100))
    True
    """
    words = "/".join(str(name) for name in names).encode()
    digest = hashlib.sha256(words).digest()
    key = np.frombuffer(digest[:16], dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=tuple(key)))


def integer_seed(seed: int, *names: str | int) -> int:
    """Return a seed in [0, 2**31) for a library that wants an integer."""
    return int(generator(seed, *names).integers(2**31))
