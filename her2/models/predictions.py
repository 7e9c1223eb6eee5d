"""Rows of predictions.parquet and repeated_cv.parquet: who was judged, by what, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.core.types import PREDICTION_COLUMNS, Lesion
from her2.models.nested_cv import Signature, TrainingSet

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def predictions_table(
    signatures: Sequence[Signature],
    lesions: Sequence[Lesion],
    roles: Mapping[str, str],
    training: TrainingSet,
) -> pd.DataFrame:
    """Return predictions.parquet: every signature of every lesion, one row each."""
    by_key = {lesion.key: lesion for lesion in lesions}
    trained = [by_key[key] for key in training.keys]
    held_out = dict.fromkeys(role for role in roles.values() if role != "train")
    frames = []
    for s in signatures:
        frames.append(_rows(s, trained, s.out_of_fold, "train", "out_of_fold", training.fold))
        frames.append(_rows(s, trained, s.in_sample, "train", "in_sample"))
        for role in held_out:
            members = [by_key[key] for key in s.held_out if roles[key] == role]
            probability = np.array([s.held_out[x.key] for x in members], dtype=np.float64)
            if members:
                frames.append(_rows(s, members, probability, role, "held_out"))
        for k, centre in enumerate(training.centres):
            is_out = training.fold == k
            members = [x for x, out in zip(trained, is_out, strict=True) if out]
            # as the models of the other centres say it: not at the prevalence of all
            probability = training.to_fold(k, s.out_of_fold[is_out])
            frames.append(_rows(s, members, probability, centre, "left_out"))
    return pd.concat(frames, ignore_index=True)


def repeats_table(
    signatures: Sequence[Signature], lesions: Sequence[Lesion], training: TrainingSet
) -> pd.DataFrame:
    """Return repeated_cv.parquet: out-of-fold rows of every repeat, with the column `repeat`."""
    by_key = {lesion.key: lesion for lesion in lesions}
    trained = [by_key[key] for key in training.keys]
    frames = []
    for s in signatures:
        for r, y_prob in enumerate(s.repeats):
            rows = _rows(s, trained, y_prob, "train", "out_of_fold", training.repeat(r).fold)
            frames.append(rows.assign(repeat=r))
    return pd.concat(frames, ignore_index=True)


def _rows(
    signature: Signature,
    lesions: Sequence[Lesion],
    y_prob: FloatArray,
    role: str,
    kind: str,
    fold: IntArray | None = None,
) -> pd.DataFrame:
    """Return one signature's rows of predictions.parquet for lesions of one role and kind."""
    frame = pd.DataFrame(
        {
            "patient_id": [lesion.patient_id for lesion in lesions],
            "lesion_id": [lesion.lesion_id for lesion in lesions],
            "role": role,
            "fold": pd.array(fold if fold is not None else [None] * len(lesions), dtype="Int64"),
            "kind": kind,
            "arm": signature.arm,
            "model": signature.model,
            "y_true": np.array([lesion.outcome for lesion in lesions], dtype=np.int64),
            "y_prob": y_prob,
        }
    )
    return frame[list(PREDICTION_COLUMNS)]
