"""A simulated cohort: patients, B-mode images, two readers' masks, in a hospital's layout.

Nothing in it comes from a patient. It exists so that the whole study runs without data, and so
that its protocol can be tested where the truth is known.
"""

from her2.cohort.phantom.write import write_phantom

__all__ = ["write_phantom"]
