from __future__ import annotations

import copy
import re
from dataclasses import replace

import pandas as pd
import pytest

from her2.report.checklists import (
    SOURCES,
    STATUSES,
    StudyFacts,
    checklist_items,
    fill_checklists,
    metrics_score,
)

DOCUMENT = re.compile(r"(results\.json|config\.yaml|environment\.json|cohort\.json): ([\w.\-]+)")
TABLE = re.compile(r"tables/(\w+)\.csv")
FIGURE = re.compile(r"figures/(\w+)")
FILE = re.compile(r"(?<![\w/])(split\.json|predictions\.parquet|quarantine\.csv|model)(?![\w])")


def answers(facts: StudyFacts, name: str) -> dict[str, str]:
    table = fill_checklists(facts)[name]
    return dict(zip(table["number"], table["answer"], strict=True))


def proof(facts: StudyFacts, name: str, number: str) -> str:
    table = fill_checklists(facts)[name]
    return table.loc[table["number"].eq(number), "proof"].item()


def without(tree: dict, path: str) -> dict:
    """Return a copy of a document that lacks what stands at a dotted path."""
    tree = copy.deepcopy(dict(tree))
    *parents, last = path.split(".")
    place = tree
    for part in parents:
        place = place.get(part, {})
    place.pop(last, None)
    return tree


def resolves(tree: object, path: str) -> bool:
    for part in path.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def cut(facts: StudyFacts, what: str) -> StudyFacts:
    """Return facts without one piece: ``table x``, ``figure x``, ``file x`` or a dotted path."""
    kind, _, name = what.partition(" ")
    if kind == "table":
        return replace(facts, tables={k: v for k, v in facts.tables.items() if k != name})
    if kind == "figure":
        return replace(facts, figures={f for f in facts.figures if not f.startswith(name)})
    if kind == "file":
        return replace(facts, files={f for f in facts.files if not f.startswith(name)})
    return replace(facts, **{kind: without(getattr(facts, kind), name)})


# the single piece of evidence without which an item is no longer met
ESSENTIAL = [
    ("clear", "9", "table sample_size"),
    ("clear", "15", "file split.json"),
    ("clear", "15", "table audit"),
    ("clear", "21", "config radiomics.preset"),
    ("clear", "22", "config radiomics.preset"),
    ("clear", "23", "config radiomics.preset"),
    ("clear", "24", "table feature_counts"),
    ("clear", "25", "environment packages.pyradiomics-bhklab"),
    ("clear", "26", "table feature_counts"),
    ("clear", "27", "table feature_counts"),
    ("clear", "28", "config radiomics.preset"),
    ("clear", "29", "table baseline"),
    ("clear", "30", "results cohort.n_positive"),
    ("clear", "31", "table agreement"),
    ("clear", "32", "config selection.method"),
    ("clear", "33", "config selection"),
    ("clear", "34", "environment packages"),
    ("clear", "35", "config evaluation.n_inner_folds"),
    ("clear", "36", "table subgroups"),
    ("clear", "37", "table audit"),
    ("clear", "37", "config evaluation.n_inner_folds"),
    ("clear", "38", "results arms.combined.roles"),
    ("clear", "40", "results arms.combined.roles.external.calibration_slope"),
    ("clear", "41", "table comparisons"),
    ("clear", "42", "results arms.clinical"),
    ("clear", "42", "table decision_curve"),
    ("clear", "44", "table baseline_outcome"),
    ("clear", "45", "figure flow"),
    ("clear", "46", "table selected_features"),
    ("clear", "47", "results arms.combined.roles.out_of_fold"),
    ("clear", "48", "table comparisons"),
    ("clear", "48", "results arms.combined.roles.external.tp"),
    ("metrics", "12", "environment packages"),
    ("metrics", "13", "table feature_counts"),
    ("metrics", "14", "table selection_steps"),
    ("metrics", "15", "table selection_steps"),
    ("metrics", "16", "table sample_size"),
    ("metrics", "18", "table audit"),
    ("metrics", "19", "table subgroups"),
    ("metrics", "20", "results arms.combined.roles.external.fn"),
    ("metrics", "21", "results arms.combined.roles.external.auc_low"),
    ("metrics", "22", "results arms.combined.roles.external.calibration_slope"),
    ("metrics", "23", "results cohort.n_lesions"),
    ("metrics", "24", "table comparisons"),
    ("metrics", "25", "table against_chance"),
    ("metrics", "26", "results arms.combined.roles.test"),
    ("metrics", "27", "results arms.combined.roles.external"),
    ("tripod_ai", "10", "table sample_size"),
    ("tripod_ai", "11", "table baseline"),
    ("tripod_ai", "12a", "file split.json"),
    ("tripod_ai", "12b", "config selection.method"),
    ("tripod_ai", "12c", "config evaluation.n_inner_folds"),
    ("tripod_ai", "12d", "table subgroups"),
    ("tripod_ai", "12g", "file model"),
    ("tripod_ai", "15", "results arms.combined.roles.external.threshold"),
    ("tripod_ai", "20a", "figure flow"),
    ("tripod_ai", "20c", "table baseline"),
    ("tripod_ai", "21", "results arms.combined.roles.test.n_positive"),
    ("tripod_ai", "23a", "results arms.combined.roles.external.auc_high"),
    ("tripod_ai", "23a", "table subgroups"),
    ("tripod_ai", "23b", "table subgroups"),
]
# several pieces of evidence would do
ALTERNATIVES = {("clear", "43")}
# what a complete run leaves to the author or to no one
NOT_MET_WITH_EVERYTHING = {
    ("clear", "39"): "needs author",
    ("clear", "52"): "needs author",
    ("metrics", "9"): "not applicable",
    ("metrics", "11"): "needs author",
    ("metrics", "17"): "not applicable",
    ("tripod_ai", "7"): "needs author",
    ("tripod_ai", "9a"): "needs author",
    ("tripod_ai", "12e"): "needs author",
    ("tripod_ai", "12f"): "not applicable",
    ("tripod_ai", "13"): "not applicable",
    ("tripod_ai", "14"): "needs author",
    ("tripod_ai", "20b"): "needs author",
    ("tripod_ai", "22"): "needs author",
    ("tripod_ai", "24"): "not applicable",
    ("tripod_ai", "26"): "needs author",
    ("tripod_ai", "27c"): "needs author",
}
RULED = [(name, i.number) for name in SOURCES for i in checklist_items(name) if i.rule]


def test_shape_and_words(facts):
    tables = fill_checklists(facts)
    assert {name: len(table) for name, table in tables.items()} == {
        "clear": 58, "metrics": 30, "tripod_ai": 52,
    }  # fmt: skip
    for table in tables.values():
        assert list(table.columns) == ["number", "section", "item", "answer", "proof"]
        assert set(table["answer"]) <= set(STATUSES)
        assert table["proof"].str.len().gt(0).all()
        assert all(isinstance(cell, str) for cell in table.to_numpy().ravel())


def test_nothing_is_met_without_evidence():
    for table in fill_checklists(StudyFacts()).values():
        assert not table["answer"].eq("met").any()
    assert metrics_score(fill_checklists(StudyFacts())["metrics"]).score == 0


@pytest.mark.parametrize(("name", "number"), RULED)
def test_every_rule_has_a_known_answer_when_everything_is_there(facts, name, number):
    expected = NOT_MET_WITH_EVERYTHING.get((name, number), "met")
    assert answers(facts, name)[number] == expected


@pytest.mark.parametrize(("name", "number", "what"), ESSENTIAL)
def test_an_item_falls_without_its_evidence(facts, name, number, what):
    assert answers(facts, name)[number] == "met"
    assert answers(cut(facts, what), name)[number] != "met"


def test_every_item_that_can_be_met_has_a_test_of_its_evidence():
    tested = {(name, number) for name, number, _ in ESSENTIAL} | ALTERNATIVES
    assert tested == set(RULED) - set(NOT_MET_WITH_EVERYTHING)


def test_explanations_fall_with_the_last_figure(facts):
    only = replace(facts, figures={"nomogram"})
    assert answers(only, "clear")["43"] == "met"
    assert answers(cut(only, "figure nomogram"), "clear")["43"] == "not met"


def test_items_without_a_rule_are_the_authors(facts):
    for name in SOURCES:
        for number, answer in answers(facts, name).items():
            assert (name, number) in RULED or answer == "needs author", (name, number)


@pytest.mark.parametrize("which", ["facts", "simulated", "fine_tuned"])
def test_every_place_that_a_proof_names_exists(which, request):
    facts = request.getfixturevalue(which)
    trees = {
        "results.json": facts.results, "config.yaml": facts.config,
        "environment.json": facts.environment, "cohort.json": {"flow": facts.flow},
    }  # fmt: skip
    n_places = 0
    for table in fill_checklists(facts).values():
        met = table[table["answer"].eq("met")]
        for text in table["proof"]:
            for document, path in DOCUMENT.findall(text):
                assert resolves(trees[document], path), text
                n_places += 1
        for text in met["proof"]:
            assert all(name in facts.tables for name in TABLE.findall(text)), text
            assert all(name in facts.figures for name in FIGURE.findall(text)), text
            assert all(facts.has_file(name) for name in FILE.findall(text)), text
    assert n_places > 20


def test_a_proof_quotes_the_number_and_its_place(facts):
    assert proof(facts, "metrics", "22") == (
        "slope 0.874 (results.json: arms.combined.roles.external.calibration_slope); "
        "intercept -0.113 (results.json: arms.combined.roles.external.calibration_intercept); "
        "Brier score 0.178 (results.json: arms.combined.roles.external.brier); "
        "ICI 0.050 (results.json: arms.combined.roles.external.ici)"
    )
    assert "clinical minus combined, external: -0.030, p = .040, Holm-adjusted p = .080" in proof(
        facts, "metrics", "24"
    )
    assert "1625 to 1200 (ICC(2,1) >= .75" in proof(facts, "metrics", "14")


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_null_is_no_evidence(facts, missing):
    results = copy.deepcopy(dict(facts.results))
    results["arms"]["combined"]["roles"]["external"]["calibration_slope"] = missing
    assert answers(replace(facts, results=results), "metrics")["22"] == "not met"


def with_table(facts: StudyFacts, name: str, **columns: object) -> StudyFacts:
    return replace(facts, tables={**facts.tables, name: facts.tables[name].assign(**columns)})


def test_too_few_patients_are_reported_but_not_enough(facts):
    few = with_table(facts, "sample_size", n_required=[900.0, 90.0], supported=[False, True])
    assert answers(few, "clear")["9"] == "met"
    assert answers(few, "tripod_ai")["10"] == "not met"
    assert answers(few, "metrics")["16"] == "not met"
    assert "1 of 2 criteria are not supported: shrinkage needs 900, 140 supplied" in proof(
        few, "tripod_ai", "10"
    )


def test_a_failed_check_of_the_audit_speaks_against_the_split(facts):
    leaking = with_table(facts, "audit", passed=[True, False, True])
    assert answers(leaking, "metrics")["18"] == "not met"
    assert "poisoned test rows" in proof(leaking, "metrics", "18")
    assert answers(leaking, "clear")["37"] == "needs author"


def test_an_audit_that_looked_for_no_leak_proves_nothing(facts):
    audit = facts.tables["audit"].iloc[2:]
    other = replace(facts, tables={**facts.tables, "audit": audit})
    assert answers(other, "metrics")["18"] == "needs author"


def test_readers_without_a_common_lesion_are_no_agreement(facts):
    assert answers(with_table(facts, "agreement", n=[0]), "clear")["31"] == "not met"


def test_without_readers_the_author_says_who_drew_the_masks(facts):
    assert answers(cut(facts, "table agreement"), "metrics")["9"] == "needs author"


def test_no_filter_on_readers_leaves_features_unchecked(facts):
    steps = facts.tables["selection_steps"].iloc[1:]
    other = replace(facts, tables={**facts.tables, "selection_steps": steps})
    assert answers(other, "metrics")["14"] == "not met"
    assert answers(other, "metrics")["15"] == "met"


def test_unadjusted_comparisons_do_not_count(facts):
    other = with_table(facts, "comparisons", p_holm=[None, None])
    assert answers(other, "clear")["41"] == "not met"


def test_a_comparison_elsewhere_is_not_one_of_the_final_model(facts):
    other = with_table(facts, "comparisons", role=["train", "test"])
    assert answers(other, "metrics")["24"] == "not met"


def test_subgroups_of_people_leave_confounders_to_the_author(facts):
    other = with_table(facts, "subgroups", variable=["age"] * 4)
    assert answers(other, "metrics")["19"] == "needs author"
    assert answers(other, "tripod_ai")["23b"] == "needs author"


def test_one_centre_is_no_cluster(facts):
    other = with_table(facts, "subgroups", level=["GE", "Philips", "A", "A"])
    assert answers(other, "tripod_ai")["12d"] == "needs author"


def test_balanced_classes_ask_for_a_reason(facts):
    grid = {"lr": {"fixed": {"class_weight": "balanced"}, "grid": {}}}
    other = replace(facts, config={**facts.config, "classifier": grid})
    assert answers(other, "tripod_ai")["13"] == "needs author"
    assert "class_weight" in proof(other, "tripod_ai", "13")
    assert answers(other, "clear")["30"] == "needs author"


@pytest.mark.parametrize(("method", "said"), [("smote", "SMOTE"), ("weights", "weighted")])
def test_balancing_of_the_grid_is_told_with_its_recalibration(facts, method, said):
    grid = {"imbalance": method, "lr": {"fixed": {}, "grid": {}}}
    other = replace(facts, config={**facts.config, "classifier": grid})
    assert answers(other, "tripod_ai")["13"] == "needs author"
    assert answers(other, "clear")["30"] == "met"
    for checklist, item in (("tripod_ai", "13"), ("clear", "30")):
        assert said in proof(other, checklist, item)
        assert "prevalence (config.yaml: classifier.imbalance)" in proof(other, checklist, item)


def test_a_grid_that_leaves_imbalance_alone_balances_nothing(facts):
    grid = {"imbalance": "none", "lr": {"fixed": {}, "grid": {}}}
    other = replace(facts, config={**facts.config, "classifier": grid})
    assert answers(other, "tripod_ai")["13"] == "not applicable"


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ({"method": "mrmr", "n_features": 20}, "features 20"),
        ({"method": "boruta", "alpha": 0.05, "n_rounds": 40}, "forests 40"),
        ({"method": "stability", "threshold": 0.6}, "share of half samples 0.6"),
    ],
)
def test_the_cut_offs_of_every_selection_are_told(facts, selection, said):
    other = replace(facts, config={**facts.config, "selection": selection})
    assert answers(other, "clear")["33"] == "met"
    assert said in proof(other, "clear", "33")


def test_no_external_patients_is_no_external_test(facts):
    other = cut(facts, "results arms.combined.roles.external")
    assert answers(other, "metrics")["27"] == "not met"
    assert answers(other, "metrics")["26"] == "met"
    assert "roles.test.calibration_slope" in proof(other, "metrics", "22")


def test_no_selection_is_not_applicable(facts):
    other = replace(facts, config={**facts.config, "selection": {"method": "none"}})
    assert answers(other, "clear")["33"] == "not applicable"


def test_features_from_elsewhere_are_the_authors_to_describe(facts):
    config = {**facts.config, "cohort": {**facts.config["cohort"], "features": "mine.csv"}}
    other = replace(facts, config=without(config, "radiomics"))
    found = answers(other, "clear")
    assert {found[number] for number in ("21", "22", "23", "25", "28")} == {"needs author"}
    assert answers(other, "metrics")["12"] == "needs author"
    assert "mine.csv" not in proof(other, "clear", "21")


def test_an_unknown_preset_is_the_authors_to_describe(facts):
    config = {**facts.config, "radiomics": {"preset": "own"}}
    assert answers(replace(facts, config=config), "clear")["23"] == "needs author"


def test_simulated_patients_meet_nothing_about_patients(simulated):
    for name, table in fill_checklists(simulated).items():
        found = dict(zip(table["number"], table["answer"], strict=True))
        texts = dict(zip(table["number"], table["proof"], strict=True))
        items = checklist_items(name)
        assert sum(item.about_patients for item in items) >= 12
        for item in items:
            if item.about_patients:
                assert found[item.number] in ("not applicable", "needs author")
                assert "simulated" in texts[item.number]
            elif found[item.number] == "met":
                assert texts[item.number].endswith("of simulated patients")


def test_the_simulating_reader_betrays_simulated_patients(facts):
    config = {**facts.config, "cohort": {"reader": "phantom"}}
    other = replace(cut(facts, "results cohort.simulated"), config=config)
    assert answers(other, "clear")["44"] == "not applicable"
    assert "config.yaml: cohort.reader" in proof(other, "clear", "44")


def test_real_patients_are_not_called_simulated(facts):
    for table in fill_checklists(facts).values():
        assert not table["proof"].str.contains("simulated").any()


@pytest.mark.parametrize("which", ["facts", "simulated", "fine_tuned"])
def test_only_conditional_metrics_items_leave_the_score(which, request):
    table = fill_checklists(request.getfixturevalue(which))["metrics"]
    conditional = {item.number for item in checklist_items("metrics") if item.condition}
    assert set(table.loc[table["answer"].eq("not applicable"), "number"]) <= conditional
    assert 0 < metrics_score(table).score < 100


def test_a_network_from_image_to_outcome_has_other_conditions(fine_tuned):
    found = answers(fine_tuned, "metrics")
    assert {found[number] for number in ("12", "14", "15", "16")} == {"not applicable"}
    assert found["17"] == "not met"
    assert found["20"] == "not met"
    with_losses = replace(fine_tuned, figures={*fine_tuned.figures, "training"})
    assert answers(with_losses, "metrics")["20"] == "met"


def test_a_run_without_images_has_no_image_items(facts):
    results = copy.deepcopy(dict(facts.results))
    results["arms"] = {"clinical": results["arms"]["clinical"]}
    config = {k: v for k, v in facts.config.items() if k not in ("radiomics", "backbone")}
    clinical = replace(facts, results=results, config=config)
    assert answers(clinical, "clear")["23"] == "not applicable"
    assert answers(clinical, "metrics")["12"] == "not applicable"
    assert answers(clinical, "metrics")["13"] == "not met"
    assert answers(clinical, "metrics")["23"] == "not met"


def test_filling_changes_nothing(facts):
    before = copy.deepcopy(facts)
    fill_checklists(facts)
    assert facts.results == before.results
    assert facts.config == before.config
    for name, table in facts.tables.items():
        pd.testing.assert_frame_equal(table, before.tables[name])


def test_the_bin_width_is_the_presets_own(facts):
    from her2.radiomics.parameters import PRESETS

    width = PRESETS["paper_1561"]().parameters["setting"]["binWidth"]
    assert f"fixed bin width {width}," in proof(facts, "clear", "23")
