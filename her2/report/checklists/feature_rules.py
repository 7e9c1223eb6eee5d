"""Rules about images and features: processing, extraction, selection."""

from __future__ import annotations

from typing import Any

import pandas as pd

from her2.radiomics.parameters import PRESETS
from her2.report.checklists.study_facts import (
    Answer,
    Found,
    StudyFacts,
    met,
    met_by,
    named,
    needs_author,
    not_applicable,
    not_met,
)

EXTRACTORS = ("pyradiomics-bhklab", "pyradiomics")
ELSEWHERE = needs_author(
    "the features were extracted elsewhere (config.yaml: cohort.features): describe how"
)
HAND_CRAFTED_ARMS = ("radiomics", "dlr")
# what makes an image three-dimensional in pyradiomics' eyes, and noise on a single slice
SLICE_FILTERS = ("Wavelet", "LBP3D")
# settings of the selection that decide what is kept
CUT_OFFS = {
    "alpha": "significance",
    "correlation": "correlation",
    "lasso_folds": "LASSO folds",
    "n_features": "features",
    "n_rounds": "forests",
    "threshold": "share of half samples",
    "max_false": "false features at most",
}


def preset_known(facts: StudyFacts) -> Found | None:
    """Radiomics preset of the run, if this package knows its settings."""
    preset = facts.setting("radiomics.preset")
    is_ours = preset is not None and preset.value in PRESETS
    return preset if is_ours and facts.setting("radiomics.params") is None else None


def _preset_settings(preset: Found) -> dict[str, Any]:
    return PRESETS[preset.value]().parameters


def _no_preset(facts: StudyFacts) -> Answer:
    if facts.setting("cohort.features") is not None:
        return ELSEWHERE
    if facts.setting("radiomics.preset") is not None:
        return needs_author("the preset is not one of this package's: describe its settings")
    if facts.arms and not _hand_crafted(facts):
        return not_applicable("no arm of hand-crafted features (results.json: arms)")
    return not_met("no radiomics preset is on record (config.yaml)")


def _hand_crafted(facts: StudyFacts) -> bool:
    return any(arm in facts.arms for arm in HAND_CRAFTED_ARMS)


def image_processing(facts: StudyFacts) -> Answer:
    """Whether everything done to images is on record."""
    preset = preset_known(facts)
    crop = named("crop for the network, pixels", facts.setting("backbone.image_size"))
    if preset is None:
        is_network_only = crop is not None and fine_tuned(facts) is not None
        return met(crop) if is_network_only else _no_preset(facts)
    return met_by(
        "the enhancement of the images is not on record (config.yaml)",
        named("enhancement", facts.setting("enhance.method")),
        f"preset {preset}",
        more=[crop],
    )


def resampling(facts: StudyFacts) -> Answer:
    """Whether it is on record that pixels were resampled or left alone."""
    if (preset := preset_known(facts)) is None:
        return _no_preset(facts)
    spacing = _preset_settings(preset).get("setting", {}).get("resampledPixelSpacing")
    text = "pixels are not resampled" if not spacing else f"resampled to {spacing} mm"
    enlarged = named("enhancement", facts.setting("enhance.method"))
    return met(f"{text}, preset {preset}", enlarged)


def discretisation(facts: StudyFacts) -> Answer:
    """Whether the binning of grey levels is on record."""
    if (preset := preset_known(facts)) is None:
        return _no_preset(facts)
    settings = _preset_settings(preset).get("setting", {})
    for key, words in (("binWidth", "fixed bin width"), ("binCount", "fixed number of bins")):
        if settings.get(key) is not None:
            return met(f"{words} {settings[key]}, preset {preset}")
    return not_met(f"the preset does not state its bins, preset {preset}")


def image_types(facts: StudyFacts) -> Answer:
    """Whether the image types are listed."""
    types = facts.column("feature_counts", "image_type").astype(str).unique()
    if not len(types):
        return _uncounted(facts)
    return met(f"{len(types)} image types: {', '.join(types)} (tables/feature_counts.csv)")


def feature_families(facts: StudyFacts) -> Answer:
    """Whether the number of features of each family is given."""
    counts = _counts(facts)
    if counts.empty:
        return _uncounted(facts)
    families = counts.groupby("family", sort=False)["n"].sum()
    listed = ", ".join(f"{family} {n:.0f}" for family, n in families.items())
    return met(f"{listed} (tables/feature_counts.csv)")


def feature_number(facts: StudyFacts) -> Answer:
    """Whether the number of features of a lesion is given."""
    counts = _counts(facts)
    if counts.empty:
        return _uncounted(facts)
    deep = named(
        "features that the deep model uses", facts.result("arms.deep_learning.n_features")
    )
    return met(f"{counts['n'].sum():.0f} radiomic features (tables/feature_counts.csv)", deep)


def _counts(facts: StudyFacts) -> pd.DataFrame:
    table = facts.table("feature_counts")
    return table if table.empty else table[table["n"].gt(0)]


def _uncounted(facts: StudyFacts) -> Answer:
    if preset_known(facts) is None:
        return _no_preset(facts)
    return not_met("the features are not counted (tables/feature_counts.csv)")


def extraction(facts: StudyFacts) -> Answer:
    """Whether software, version and preset of the extraction are on record."""
    if (preset := preset_known(facts)) is None:
        return _no_preset(facts)
    lacking = "the version of the extraction software is not on record"
    where = named("region", facts.setting("radiomics.region"))
    return met_by(lacking, _extractor(facts), f"preset {preset}", more=[where, _network(facts)])


def extraction_software(facts: StudyFacts) -> Answer:
    """Whether standardised software extracted the hand-crafted features."""
    if facts.arms and not _hand_crafted(facts):
        return not_applicable("no arm of hand-crafted features (results.json: arms)")
    if facts.setting("cohort.features") is not None:
        return ELSEWHERE
    software = _extractor(facts) if facts.arms else None
    return met_by("no hand-crafted features with the version of their software", software)


def _extractor(facts: StudyFacts) -> str | None:
    found = [named(name, facts.version(name)) for name in EXTRACTORS]
    return found[0] or found[1]


def _network(facts: StudyFacts) -> str | None:
    return named("deep features of", facts.setting("backbone.name"))


def extraction_parameters(facts: StudyFacts) -> Answer:
    """Whether the whole configuration of the extraction is in the run folder."""
    preset = preset_known(facts)
    if preset is None and facts.setting("backbone.name") is None:
        return _no_preset(facts)
    if not facts.has_file("config.yaml") or (preset is not None and _counts(facts).empty):
        return not_met("settings or counts of the features are missing (config.yaml)")
    extracted = [] if preset is None else [f"preset {preset}", "tables/feature_counts.csv"]
    return met("config.yaml", *extracted, _network(facts))


def preprocessing_appropriate(facts: StudyFacts) -> Answer:
    """Whether the preset treats a slice as a slice."""
    described = image_processing(facts)
    preset = preset_known(facts)
    if described.status != "met" or preset is None:
        return described
    settings = _preset_settings(preset)
    is_flat = bool(settings.get("setting", {}).get("force2D"))
    filters = [name for name in SLICE_FILTERS if name in settings.get("imageType", {})]
    if filters and not is_flat:
        return needs_author(
            described.proof,
            f"{' and '.join(filters)} work in three dimensions and the images have one slice: "
            "justify this, or use a two-dimensional preset",
        )
    return met(described.proof)


def default_settings(facts: StudyFacts) -> Answer:
    """Whether the settings that differ from the defaults are all there are."""
    if (preset := preset_known(facts)) is None:
        return _no_preset(facts)
    settings = _preset_settings(preset).get("setting", {})
    changed = ", ".join(f"{key} {value}" for key, value in settings.items())
    return met(f"pyradiomics' defaults but for {changed}, preset {preset}")


def scaling(facts: StudyFacts) -> Answer:
    """Whether the scaling of features is on record."""
    if (reason := not_tabular(facts)) is not None:
        return reason
    text = "z-scores learned from training patients inside every fold, selection"
    lacking = "no scaling of features is on record (config.yaml)"
    return met_by(lacking, named(text, facts.setting("selection.method")))


def reduction(facts: StudyFacts) -> Answer:
    """Whether the cut-offs of the selection are on record."""
    if (reason := not_tabular(facts)) is not None:
        return reason
    method = facts.setting("selection.method")
    if method is None:
        return not_met("no selection of features is on record (config.yaml)")
    if method.value == "none":
        return not_applicable(f"features are not selected, selection {method}")
    cut_offs = [named(t, facts.setting(f"selection.{name}")) for name, t in CUT_OFFS.items()]
    if not any(cut_offs):
        return not_met(f"the cut-offs of the selection are not on record, selection {method}")
    return met(*cut_offs, "learned from training patients inside every fold")


def selected(facts: StudyFacts) -> Answer:
    """Whether the selected features are listed with their stability."""
    if (reason := not_tabular(facts)) is not None:
        return reason
    table = facts.table("selected_features")
    if table.empty:
        return not_met("the selected features are not listed (tables/selected_features.csv)")
    frequency = facts.column("selected_features", "frequency")
    if frequency.empty:
        return not_met("how often features are selected is not known (selected_features.csv)")
    return met(
        f"{len(table)} features, selected in {100 * frequency.min():.0f} to "
        f"{100 * frequency.max():.0f} % of resamples (tables/selected_features.csv)"
    )


def robust_features(facts: StudyFacts) -> Answer:
    """Whether features that depend on the reader were removed."""
    if (reason := not_tabular(facts)) is not None:
        return reason
    steps = _steps(facts)
    for _, step in steps.iterrows():
        words = f"{step['step']} {step['rule']}".lower()
        if "icc" in words or "agreement" in words or "reader" in words:
            return met(_step_text(step))
    return not_met("no filter on the agreement of readers (tables/selection_steps.csv)")


def redundant_features(facts: StudyFacts) -> Answer:
    """Whether features were removed step by step, with counts."""
    if (reason := not_tabular(facts)) is not None:
        return reason
    steps = _steps(facts)
    removing = steps[steps["n_after"] < steps["n_before"]] if not steps.empty else steps
    if removing.empty:
        return not_met("no step removed features (tables/selection_steps.csv)")
    return met(*[_step_text(step) for _, step in removing.head(4).iterrows()])


def not_tabular(facts: StudyFacts) -> Answer | None:
    """Reason why items on tabular features do not count; None where they do."""
    if fine_tuned(facts) is not None and facts.arms == ("deep_learning",):
        return not_applicable("the network gives the prediction itself, no table of features")
    return None


def fine_tuned(facts: StudyFacts) -> Found | None:
    """Evidence that a network was trained from image to prediction."""
    mode = facts.setting("backbone.mode")
    if mode is None or mode.value == "frozen":
        return None
    return facts.setting("trainer.max_epochs")


def _steps(facts: StudyFacts) -> pd.DataFrame:
    table = facts.table("selection_steps")
    return table if table.empty else table[table["arm"].isin(HAND_CRAFTED_ARMS)]


def _step_text(step: pd.Series[Any]) -> str:
    return (
        f"{step['arm']}, {step['step']}: {step['n_before']:.0f} to {step['n_after']:.0f} "
        f"({step['rule']}, tables/selection_steps.csv)"
    )


def single_imaging(facts: StudyFacts) -> Answer:
    """Whether each lesion has one image of one kind."""
    if facts.setting("cohort.features") is not None:
        return ELSEWHERE
    lesions = facts.result("cohort.n_lesions")
    with_images = [arm for arm in facts.arms if arm not in ("clinical", "combined")]
    if lesions is None or not with_images:
        return not_met("no arm that reads images (results.json)")
    return met(f"one ultrasound image for each of the lesions {lesions}")
