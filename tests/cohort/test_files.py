"""Decoders in threads: quiet while any of them works, in the order of the items."""

import logging
import time
import warnings

from her2.cohort.files import decode_each, decoding


def test_no_thread_gives_decoders_their_voice_back(recwarn):
    chatter = logging.getLogger("pydicom.pixels.decoders.base")

    def decode(seconds: float) -> tuple[float, bool]:
        with decoding("D01", "it cannot be read", "export it again"):
            time.sleep(seconds)
            warnings.warn("a value of a header", UserWarning, stacklevel=1)
            return seconds, not chatter.isEnabledFor(logging.CRITICAL)

    seconds = [0.05, 0.0, 0.1, 0.0]
    assert decode_each(decode, seconds, n_threads=4) == [(s, True) for s in seconds]
    assert not recwarn.list
    assert chatter.isEnabledFor(logging.CRITICAL)
