"""What a study does otherwise than the paper, and why: printed in every report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Difference = tuple[str, str, str]

ALWAYS: tuple[Difference, ...] = (
    (
        "Signatures of training patients come from models that were fitted on them.",
        "Every signature that feeds another model, a threshold or a training AUC is out of fold.",
        "In-sample signatures look perfect, and the model that trusts them does worse on others.",
    ),
    (
        "The best of five classifiers and five networks is named by its test AUC.",
        "Models are chosen by inner cross-validation on training patients only.",
        "The best of several on a small test set is too good by chance.",
    ),
    (
        "The origin of the operating point is not stated.",
        "Each threshold maximises Youden's J of out-of-fold training predictions.",
        "A threshold that is chosen on the test set flatters its sensitivity and specificity.",
    ),
    (
        "Features are selected once.",
        "Selection, scaling and compression are repeated inside every fold.",
        "Selected before the folds, pure noise reaches an AUC of .87 to .89.",
    ),
    (
        "A Hosmer-Lemeshow statistic of 0.071 is reported.",
        "Statistic, degrees of freedom and p-value are three fields; slope and intercept lead.",
        "With 8 degrees of freedom 0.071 can only be a p-value.",
    ),
    (
        "IHC 2+ is decided by FISH; nine of 210 patients vanish from the tables.",
        "2+ without FISH is excluded with a code, and the flow of patients adds up.",
        "A patient without an outcome must be neither negative nor silently lost.",
    ),
)


ENHANCEMENTS = {
    "none": (
        "Images are used as they are.",
        "No enhancement is chosen in this run (enhance=none).",
    ),
    "bicubic": (
        "Images are enlarged 4 x bicubically.",
        "It is fitted on nobody, and what a generative network has to beat.",
    ),
    "srgan": (
        "They are, by one that was fitted on training patients only; shape is of the native mask.",
        "A network that has seen a test patient's image knows more than one for a new patient.",
    ),
}


def differences(config: Mapping[str, Any]) -> list[Difference]:
    """Return (the paper, this run, why), with what this run's settings change."""
    found = list(ALWAYS)
    method = config.get("enhance", {}).get("method", "none")
    if method in ENHANCEMENTS and ("radiomics" in config or method != "none"):
        found.append(("Images are enlarged 4 x by a generative network.", *ENHANCEMENTS[method]))
    backbone = config.get("backbone", {}).get("name")
    if backbone and config["backbone"].get("mode", "frozen") == "frozen":
        found.append(
            (
                "ResNet101, fine-tuned, gives the deep features.",
                f"{backbone}, frozen as it was pretrained, gives them.",
                "A frozen network needs no outcome, so it cannot leak one, and runs on a CPU.",
            )
        )
    return found
