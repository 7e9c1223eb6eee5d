"""What the checklists say of other centres is what the run has."""

from dataclasses import replace

from her2.report.checklists import StudyFacts, fill_checklists

OF_CENTRES = {"clear": ["38", "52"], "metrics": ["27"], "tripod_ai": ["12d", "23b", "26", "27c"]}


def with_centres(facts: StudyFacts, *centres: str) -> StudyFacts:
    """The facts with these centres in place of the role `external`, and none in a subgroup."""
    arms = {}
    for arm, content in facts.results["arms"].items():
        roles = dict(content["roles"])
        external = roles.pop("external")
        arms[arm] = {**content, "roles": roles | dict.fromkeys(centres, external)}
    subgroups = facts.table("subgroups")
    people = subgroups[~subgroups["variable"].eq("centre")]
    return replace(
        facts,
        results={**facts.results, "arms": arms},
        tables={**facts.tables, "subgroups": people},
    )


def proofs(facts: StudyFacts) -> dict[tuple[str, str], str]:
    tables = fill_checklists(facts)
    return {
        (name, number): tables[name].set_index("number").loc[number, "proof"]
        for name, numbers in OF_CENTRES.items()
        for number in numbers
    }


def test_a_study_with_centres_is_not_told_that_they_are_missing(facts):
    found = proofs(with_centres(facts, "Lyon", "Kyoto"))
    for text in found.values():
        assert "Lyon" in text and "Kyoto" in text
        assert "no patients of another centre" not in text and "single centre" not in text


def test_a_study_of_one_centre_is_told_what_is_missing(facts):
    found = proofs(with_centres(facts))
    assert "no patients of another centre" in found["clear", "52"]
    assert "no external patients were judged" in found["metrics", "27"]
    assert found["tripod_ai", "27c"].startswith("plan the next evaluation: patients of another")
