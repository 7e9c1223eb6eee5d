"""Random streams by name, so that adding a patient or a step shifts no other stream."""

from __future__ import annotations

import hashlib

import numpy as np

from her2.core.errors import BadConfig


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the generator that belongs to this seed and these names.

    Parameters
    ----------
    seed
        Root seed, >= 0.
    names
        What is drawn, for example ``("image", "SIM-0001")``.

    Raises
    ------
    BadConfig
        If the seed is negative.

    Examples
    --------
    >>> float(stream(0, "age").random()) == float(stream(0, "age").random())
    True
    """
    if seed < 0:
        raise BadConfig(
            f"the seed must be 0 or more, found {seed}: set a seed that is not negative"
        )
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").astype(int).tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))
