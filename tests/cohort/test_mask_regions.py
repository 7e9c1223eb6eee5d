"""Of several regions one is chosen by the settings, or all are listed; none is taken silently."""

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from her2.cohort import load_lesion, read_folder_cohort
from her2.cohort.masks import read_mask
from her2.core.errors import InputProblem
from her2.core.types import MaskChoice

GREEN, BLUE, WHITE, BLACK = (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


@pytest.fixture
def lesion(kit):
    return kit.disc_mask()


@pytest.fixture
def shadow(kit):
    box = np.zeros(kit.shape, bool)
    box[40:60, 20:40] = True
    return box


def painted(path, *parts, background=BLACK):
    """Write regions in colours, the later ones over the earlier."""
    pixels = np.zeros((*parts[0][0].shape, 3), np.uint8) + np.array(background, np.uint8)
    for where, colour in parts:
        pixels[where] = colour
    Image.fromarray(pixels).save(path)
    return path


def seg_nrrd(path, layers, *, names=(), dimension=4):
    """Write a file as 3D Slicer does: names are (name, layer, label)."""
    array = np.stack(layers, axis=-1).astype(np.uint8)
    height, width, n = array.shape
    sizes = f"{n} {width} {height} 1" if dimension == 4 else f"{width} {height} 1"
    directions = ("none " if dimension == 4 else "") + "(1,0,0) (0,1,0) (0,0,1)"
    header = [
        "NRRD0004", "type: unsigned char", f"dimension: {dimension}",
        "space: left-posterior-superior", f"sizes: {sizes}", f"space directions: {directions}",
        "kinds: " + ("list " if dimension == 4 else "") + "domain domain domain",
        "encoding: raw", "space origin: (0,0,0)",
    ]  # fmt: skip
    for i, (name, layer, label) in enumerate(names):
        header += [f"Segment{i}_Name:={name}", f"Segment{i}_Layer:={layer}"]
        header += [f"Segment{i}_LabelValue:={label}"]
    path.write_bytes(("\n".join(header) + "\n\n").encode() + array.tobytes())
    return path


def read(path, **choice):
    return read_mask([path], (64, 60), choice=MaskChoice(**choice))


def refusal(path, **choice):
    with pytest.raises(InputProblem) as caught:
        read(path, **choice)
    return f"{caught.value.code}: {caught.value.what}; {caught.value.fix}"


def test_labels_are_listed_with_their_sizes_and_chosen(lesion, shadow, tmp_path):
    values = (lesion + 6 * (shadow & ~lesion)).astype(np.uint8)
    for name in ("m.nii.gz", "m.nrrd", "m.png"):
        if name == "m.png":
            Image.fromarray(values).save(tmp_path / name)
        else:
            sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / name))
        said = refusal(tmp_path / name)
        assert said.startswith("M25: the mask holds 2 regions, expected one, found label 1 (421 ")
        assert "label 6 (" in said
        assert "cohort.mask_label=N" in said
        mask, notes = read(tmp_path / name, label=1)
        np.testing.assert_array_equal(mask, lesion)
        assert [(n.code, n.level) for n in notes] == [("M25", "normalised")]
        assert "expected the label 3" in refusal(tmp_path / name, label=3)


def test_the_only_label_must_be_the_chosen_one_unless_it_is_255(lesion, kit, tmp_path):
    kit.write_mask(tmp_path / "two.png", lesion, label=2)
    assert "expected the label 1, found label 2 (421 pixels)" in refusal(
        tmp_path / "two.png", label=1
    )
    kit.write_mask(tmp_path / "full.png", lesion, label=255)
    np.testing.assert_array_equal(read(tmp_path / "full.png", label=1)[0], lesion)


@pytest.mark.parametrize(
    ("colour", "background"), [(GREEN, BLACK), (BLUE, WHITE), ((7, 9, 200), BLACK)]
)
def test_one_colour_is_the_lesion_whatever_its_channel(colour, background, lesion, tmp_path):
    path = painted(tmp_path / "m.png", (lesion, colour), background=background)
    mask, notes = read(path)
    np.testing.assert_array_equal(mask, lesion)
    assert [n.code for n in notes] == ["M10"]
    np.testing.assert_array_equal(read(path, colour=colour)[0], lesion)


def test_a_colour_on_transparency_is_the_lesion(lesion, tmp_path):
    pixels = np.full((*lesion.shape, 4), 255, np.uint8)
    pixels[lesion] = (0, 200, 0, 255)
    pixels[~lesion, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read(tmp_path / "m.png")[0], lesion)


def test_several_colours_are_listed_and_chosen(lesion, shadow, tmp_path):
    path = painted(tmp_path / "m.png", (shadow, BLUE), (lesion, GREEN))
    said = refusal(path)
    assert "colour [0, 255, 0] (421 pixels)" in said
    assert "cohort.mask_colour=[R,G,B]" in said
    np.testing.assert_array_equal(read(path, colour=GREEN)[0], lesion)
    assert "expected the colour [1, 2, 3]" in refusal(path, colour=(1, 2, 3))


def test_colours_without_a_background_are_no_choice(lesion, tmp_path):
    path = painted(tmp_path / "m.png", (lesion, GREEN), background=BLUE)
    assert refusal(path).startswith("M25")


def test_a_coloured_jpeg_is_never_its_red_channel(tmp_path):
    lesion = np.zeros((64, 64), bool)
    lesion[16:48, 16:48] = True
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[lesion] = GREEN
    Image.fromarray(pixels).save(tmp_path / "m.jpg", quality=95, subsampling=0)
    mask, _ = read_mask([tmp_path / "m.jpg"], lesion.shape)
    np.testing.assert_array_equal(mask, lesion)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_image_itself_is_no_mask(mode, kit, tmp_path):
    Image.fromarray(kit.textured_image(0)).convert(mode).save(tmp_path / "m.png")
    said = refusal(tmp_path / "m.png")
    assert said.startswith("M19: the mask holds")
    assert "export the mask alone" in said


def test_layers_without_names_are_listed_and_chosen_by_number(lesion, shadow, tmp_path):
    path = seg_nrrd(tmp_path / "m.nrrd", [shadow, lesion])
    assert "found layer 1 (400 pixels), layer 2 (421 pixels)" in refusal(path)
    np.testing.assert_array_equal(read(path, segment="Layer 2")[0], lesion)
    np.testing.assert_array_equal(read(seg_nrrd(tmp_path / "o.nrrd", [lesion] * 3))[0], lesion)


@pytest.mark.parametrize("layered", [True, False])
def test_segments_are_chosen_by_name_even_where_they_overlap(layered, lesion, shadow, tmp_path):
    if layered:
        names = [("Shadow", 0, 1), ("Läsion", 1, 1)]
        path = seg_nrrd(tmp_path / "m.seg.nrrd", [shadow, lesion], names=names)
    else:
        shadow = shadow & ~lesion
        names = [("Shadow", 0, 1), ("Läsion", 0, 2)]
        path = seg_nrrd(
            tmp_path / "m.seg.nrrd", [shadow + 2 * lesion], names=names, dimension=3
        )  # fmt: skip
    assert f"found Shadow ({shadow.sum()} pixels), Läsion (421 pixels)" in refusal(path)
    np.testing.assert_array_equal(read(path, segment=" läsion ")[0], lesion)
    np.testing.assert_array_equal(read(path, segment="shadow")[0], shadow)
    assert "expected the segment 'tumour'" in refusal(path, segment="tumour")
    if not layered:
        np.testing.assert_array_equal(read(path, label=2)[0], lesion)


def test_a_segment_that_is_not_drawn_does_not_count(lesion, tmp_path):
    names = [("Shadow", 0, 1), ("Lesion", 1, 1)]
    path = seg_nrrd(tmp_path / "m.seg.nrrd", [lesion & False, lesion], names=names)
    np.testing.assert_array_equal(read(path)[0], lesion)


def test_the_largest_slice_is_that_of_the_chosen_label(make_folder, kit):
    root = make_folder(8)
    labels = np.stack([kit.disc_mask(radius=r) for r in (6, 9, 7)]).astype(np.uint8)
    labels[0, 40:60, 5:50] = 2
    sitk.WriteImage(sitk.GetImageFromArray(labels), str(root / "masks/v.nrrd"))
    images = np.stack([kit.textured_image(50 + i) for i in range(3)])
    sitk.WriteImage(sitk.GetImageFromArray(images), str(root / "images/v.nrrd"))
    kit.edit_table(root, image={0: "images/v.nrrd"}, mask={0: "masks/v.nrrd"})
    refused = read_folder_cohort(root, frame="largest_lesion")
    assert {p.code for p in refused.problems} == {"M25"}
    cohort = read_folder_cohort(root, frame="largest_lesion", masks=MaskChoice(label=1))
    assert [x.frame for x in cohort.lesions].count(2) == 1


def test_a_cohort_of_several_programs_is_read_by_one_choice(make_folder, kit, lesion, shadow):
    root = make_folder(8)
    shadow = shadow & ~lesion
    painted(root / "masks/a.png", (shadow, BLUE), (lesion, GREEN))
    seg_nrrd(root / "masks/b.seg.nrrd", [shadow, lesion],
             names=[("Shadow", 0, 1), ("Lesion", 1, 1)])  # fmt: skip
    Image.fromarray((shadow + 2 * lesion).astype(np.uint8)).save(root / "masks/c.png")
    kit.edit_table(root, mask={0: "masks/a.png", 1: "masks/b.seg.nrrd", 2: "masks/c.png"})
    left_out = read_folder_cohort(root)
    assert [p.code for p in left_out.problems if p.severity == "quarantined"] == ["M25"] * 3
    assert len(left_out.lesions) == 5
    choice = MaskChoice(label=2, segment="lesion", colour=GREEN)
    cohort = read_folder_cohort(root, masks=choice)
    assert len(cohort.lesions) == 8
    for one in cohort.lesions[:3]:
        np.testing.assert_array_equal(load_lesion(one).mask, lesion)


def test_a_smoothed_outline_is_no_choice_of_labels(lesion, tmp_path):
    large = Image.fromarray(lesion.astype(np.uint8) * 255).resize((240, 256))
    large.resize((60, 64), Image.Resampling.BILINEAR).rotate(3, Image.Resampling.BILINEAR).save(
        tmp_path / "m.png"
    )
    assert "M19: the mask's outline is smoothed" in refusal(tmp_path / "m.png")
