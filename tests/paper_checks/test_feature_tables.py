import pytest

from her2.core.errors import BadArgument
from her2.paper_checks import Printed, PrintedStudy, Rule, check
from her2.paper_checks.claims import Definition, FeatureSet, VarianceShares
from her2.paper_checks.feature_tables import image_types

SIZES = {"first-order": 18, "GLCM": 22, "GLRLM": 16, "GLSZM": 16, "NGTDM": 5, "GLDM": 14}
SHAPE = {"shape": 14}


def rules(**claims: object) -> list[Rule]:
    study = PrintedStudy(feature_sets=(FeatureSet("Results", **claims),))
    return [x.rule for x in check(study)]


@pytest.mark.parametrize(("total", "n_types"), [(1561, 17), (1834, 20)])
def test_both_known_sets_come_out_even(total, n_types):
    assert image_types(FeatureSet("a", total, SHAPE, SIZES)) == (n_types, ())
    counts = {name: size * n_types for name, size in SIZES.items()}
    assert rules(total=total, once=SHAPE, per_image=SIZES, claimed={**counts, **SHAPE}) == []


def test_360_belongs_to_the_other_set():
    claims = {"once": SHAPE, "per_image": SIZES, "claimed": {"first-order": 360}}
    assert rules(total=1834, **claims) == []
    assert rules(total=1561, **claims) == [Rule.FEATURE_FAMILY]


def test_total_that_no_family_explains():
    assert rules(total=1562, once=SHAPE, per_image=SIZES) == [Rule.FEATURE_TOTAL]
    # nor is the number of image types known then, so a family must only be a multiple
    claims = {"once": SHAPE, "per_image": SIZES}
    odd, even = {"first-order": 355}, {"first-order": 360}
    assert rules(total=1562, claimed=even, **claims) == [Rule.FEATURE_TOTAL]
    assert rules(total=1562, claimed=odd, **claims) == [Rule.FEATURE_TOTAL, Rule.FEATURE_FAMILY]


def test_stated_image_types():
    claims = {"total": 1561, "once": SHAPE, "per_image": SIZES}
    assert rules(**claims, n_image_types=17) == []
    assert rules(**claims, n_image_types=20) == [Rule.FEATURE_TOTAL]


def test_shape_is_counted_once():
    assert rules(total=1561, once=SHAPE, per_image=SIZES, claimed={"shape": 28}) == [
        Rule.FEATURE_FAMILY
    ]


def shares(rad: str, dl: str) -> list[Rule]:
    printed = {"Rad": Printed.read(rad), "DL": Printed.read(dl)}
    claim = VarianceShares("Methods", printed, {"Rad": 1561, "DL": 64})
    return [x.rule for x in check(PrintedStudy(variance_shares=(claim,)))]


def test_variance_shares():
    assert shares("96%", "4%") == []
    assert shares("96.1%", "3.9%") == []
    assert shares("52%", "48%") == [Rule.VARIANCE_SHARE]
    with pytest.raises(BadArgument, match="same blocks"):
        VarianceShares("Methods", {"Rad": Printed.read("1")}, {"DL": 64})


def test_definitions():
    def named(name: str, *members: str) -> Definition:
        return Definition(f"place of {name}", name, frozenset(members))

    same = (named("combined", "a", "b"), named("combined", "b", "a"), named("DLR", "c"))
    assert check(PrintedStudy(definitions=same)) == []
    (one,) = check(PrintedStudy(definitions=(*same, named("DLR", "c", "d"))))
    assert (one.rule, one.found) == (Rule.DEFINITION, "DLR = c + d")
