"""An extraction that takes its process down for one lesion, importable by a child process."""

import os
import signal

from her2.radiomics import feature_table

_measure = feature_table.measure


def measure(lesion, recipe, store):
    if lesion.patient_id == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    return _measure(lesion, recipe, store)
