"""A simulated cohort: patients, B-mode images, two readers' masks, in a hospital's layout.

Nothing in it comes from a patient. It exists so that the whole study runs without data, and so
that its protocol can be tested where the truth is known.
"""

from her2.cohort.phantom.lesion_plan import SimulatedLesion, simulate_lesion
from her2.cohort.phantom.patient_table import her2_positive, simulate_table
from her2.cohort.phantom.write import write_phantom

__all__ = [
    "SimulatedLesion",
    "her2_positive",
    "simulate_lesion",
    "simulate_table",
    "write_phantom",
]
