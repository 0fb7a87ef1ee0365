"""The contact sheet shows the right images under the right titles."""

import io

import numpy as np
import pytest
from PIL import Image

from noise.apply import corrupt
from noise.contact_sheet import TILE, Layout, chosen_sections, contact_sheet, cut, tile_size
from noise.files.npz import write_npz
from noise.spec import parse_specs

NAMES = ("cat", "dög\nspotted", "a very long name of a class", "")
COUNT = 60


def pictures(count=COUNT, side=8, channels=3):
    words = np.arange(count * side * side * channels, dtype=np.uint32) * 2654435761
    return (words >> 24).astype(np.uint8).reshape(count, side, side, channels)


def made(*texts, images=None, **options):
    images = pictures() if images is None else images
    labels = np.arange(len(images)) % len(NAMES)
    return corrupt(images, labels, parse_specs(texts), seed=0, dataset="set", class_names=NAMES, **options)


def decoded(content):
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def enlarged(image, size):
    factors = np.array([size[0] // image.shape[0], size[1] // image.shape[1], 1])
    return np.kron(image, np.ones(factors, dtype=np.uint8))


TEXTS = ("symmetric:0.3", "symmetric-incl:0.2", "randx:0.2", "occlusion:0.2:size=3")


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_are_the_images(channels):
    clean = pictures(channels=channels)
    result = made(*TEXTS, images=clean)
    sheet = decoded(contact_sheet(clean, result, examples=5))
    sections = chosen_sections(clean, result, 5)
    layout = Layout(len(sections), 5, tile_size(8, 8))
    assert sheet.shape[:2] == layout.size
    assert layout.tile == (96, 96)
    assert [len(section.positions) for section in sections] == [5] * 5
    for number, section in enumerate(sections):
        for example, position in enumerate(section.positions):
            for row, images in enumerate((clean, result.images)):
                y, x = layout.place(number, example, row)
                shown = sheet[y : y + 96, x : x + 96]
                colour = np.repeat(images[position], 4 - channels if channels == 1 else 1, axis=2)
                np.testing.assert_array_equal(shown, enlarged(colour, layout.tile))


def test_examples_are_what_the_operation_changed():
    clean = pictures(400)
    result = made(*TEXTS, images=clean)
    sections = chosen_sections(clean, result, 8)
    manifest = result.manifest
    expected = [
        manifest.label_op == 1,
        manifest.label_op == 2,
        manifest.image_op == 3,
        manifest.image_op == 4,
    ]
    assert len(sections) == 5
    for section, touched in zip(sections, expected, strict=False):
        assert len(set(section.positions.tolist())) == 8
        assert touched[section.positions].all()
        assert manifest.corrupted[section.positions].all()
        # There are enough samples that no other operation touched.
        assert not ((manifest.label_op > 0) & (manifest.image_op > 0))[section.positions].any()
    last = sections[-1].positions
    assert not (manifest.label_op[last] | manifest.image_op[last]).any()


def test_the_title_names_the_operation(tmp_path):
    path = tmp_path / "foreign.npz"
    write_npz(path, {"images": pictures(20)})
    result = made("symmetric:0.25", f"open:0.1:source=npz={path}")
    titles = [section.title for section in chosen_sections(pictures(), result, 8)]
    assert titles == [
        "symmetric:0.25 (sym_excl_exact), 15 samples",
        "open:0.1:source=npz=foreign.npz (open_set), 6 samples",
        f"untouched, {(~result.manifest.corrupted).sum()} samples",
    ]
    assert result.manifest.header.operations[1].short == "open:0.1:source=npz=foreign.npz"


def test_the_samples_shown_do_not_depend_on_their_order():
    ids = np.random.default_rng(0).permutation(COUNT)
    clean = pictures()
    labels = np.arange(COUNT) % len(NAMES)
    one, other = (
        corrupt(
            clean[rows], labels[rows], parse_specs(TEXTS), seed=0, dataset="set", class_names=NAMES,
            sample_id=rows,
        )
        for rows in (np.arange(COUNT), ids)
    )  # fmt: skip
    # randx and occlusion take their colours from all images, whose order does not matter.
    assert contact_sheet(clean, one) == contact_sheet(clean[ids], other)


def test_an_empty_section_shows_no_example():
    clean = pictures()
    nothing = made("symmetric:0")
    assert [len(section.positions) for section in chosen_sections(clean, nothing, 8)] == [0, 8]
    assert decoded(contact_sheet(clean, nothing)).shape[2] == 3
    everything = made("randx:1")
    assert [len(section.positions) for section in chosen_sections(clean, everything, 8)] == [8, 0]
    assert decoded(contact_sheet(clean, made())).shape[2] == 3


@pytest.mark.parametrize("sections", [1, 4, 5, 12, 13, 21, 40])
def test_sections_do_not_overlap(sections):
    layout = Layout(sections, 8, (96, 64))
    height, width = layout.size
    taken = np.zeros((height, width), dtype=int)
    for number in range(sections):
        for example in range(8):
            for row in range(2):
                y, x = layout.place(number, example, row)
                assert y + 96 <= height
                assert x + 64 <= width
                taken[y : y + 96, x : x + 64] += 1
    assert taken.max() == 1
    assert taken.sum() == sections * 16 * 96 * 64


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((32, 32), (96, 96)),
        ((8, 8), (96, 96)),
        ((28, 28), (84, 84)),
        ((64, 64), (64, 64)),
        ((64, 32), (64, 32)),
    ],
)
def test_small_images_are_enlarged_by_whole_numbers(size, shown):
    assert tile_size(*size) == shown


def test_large_images_are_reduced():
    assert tile_size(256, 128) == (TILE, TILE // 2)
    clean = pictures(9, side=128)
    assert decoded(contact_sheet(clean, made("randx:0.5", images=clean))).shape[2] == 3


def test_names_are_shortened_to_fit():
    def fits(text):
        return len(text) <= 14

    assert cut(["cat", "dog"], fits) == "cat -> dog"
    assert cut(["automobile", "dog"], fits) == "automo… -> dog"
    assert cut(["automobile", "automobiles"], fits) == "auto… -> auto…"
    assert cut(["an automobile of some kind"], fits) == "an automobile…"
    assert cut(["automobile"], lambda _: False) == ""
