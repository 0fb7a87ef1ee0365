"""Grey data stays grey: "has any colour" tells no corrupted image from a clean one."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from noise.apply import corrupt
from noise.errors import NoiseError
from noise.kinds import KINDS
from noise.manifest.header import Header
from noise.pixels import in_colour, in_layout, is_grey, luminance
from noise.restoration import restore
from noise.verify import verify
from tests.helpers.noise_kinds import NAMES, every_kind, labels_of, pictures, write_files

COUNT, SIDE = 64, 16
LABELS, IDS = labels_of(np.arange(COUNT)), np.arange(COUNT)
ONE = pictures(COUNT, SIDE, 1)
GREY = np.repeat(ONE, 3, axis=-1)
IMAGE_KINDS = sorted(kind for kind, row in KINDS.items() if row.target == "image" and kind != "saturate")
VARIANTS = {
    "values permuted": "random-pixels:0.4:scope=values",
    "values permuted alike": "shuffled-pixels:0.4:scope=values",
    "square of noise": "occlusion:0.4:size=2:fill=noise",
}


@pytest.fixture(scope="session")
def paths(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("grey"), COUNT)


def spec_of(paths, kind):
    return VARIANTS.get(kind) or every_kind(paths)[kind]


def corrupted(images, text, **more):
    return corrupt(images, LABELS, [text], seed=1, dataset="pictures", class_names=NAMES, **more)


def digest(images):
    return hashlib.sha256(images.tobytes()).hexdigest()[:16]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*IMAGE_KINDS, *VARIANTS])
def test_no_kind_colours_grey_images(paths, kind, tmp_path):
    text = spec_of(paths, kind)
    result = corrupted(GREY, text)
    touched = result.manifest.image_corrupted
    assert touched.any()
    assert int((result.images.max(axis=-1) - result.images.min(axis=-1)).max()) == 0
    assert (result.images[touched] != GREY[touched]).any()
    # The same from a file, and one image at a time as the dashboard takes them.
    path = tmp_path / "manifest.npz"
    result.manifest.save(path)
    manifest = type(result.manifest).load(path)
    assert manifest.header.grey
    np.testing.assert_array_equal(restore(manifest, GREY, LABELS, IDS).images, result.images)
    assert verify(manifest, GREY, LABELS) == []


@pytest.mark.parametrize("kind", sorted({*IMAGE_KINDS, *VARIANTS} - {"open", "open-list", "jpeg"}))
def test_grey_images_are_what_one_channel_always_gave(paths, kind):
    """Digests of version 0.1.0 on images of one channel; they never change."""
    result = corrupted(ONE, spec_of(paths, kind))
    assert result.images.shape == ONE.shape
    assert digest(result.images) == ONE_CHANNEL[kind]
    np.testing.assert_array_equal(result.images, corrupted(GREY, spec_of(paths, kind)).images[..., :1])


@pytest.mark.parametrize(
    "kind", ["randx", "gaussian", "open", "saturate", "values permuted", "square of noise"]
)
def test_a_manifest_from_before_the_rule_gives_the_same_bytes(paths, kind):
    text = "saturate:0.4:severity=5" if kind == "saturate" else spec_of(paths, kind)
    before = corrupted(GREY, text, grey=False)
    assert digest(before.images) == APART[kind]
    assert '"grey"' not in before.manifest.header.to_json()
    manifest = replace(before.manifest, header=Header.from_json(before.manifest.header.to_json()))
    for images in (GREY, ONE[..., 0]):
        np.testing.assert_array_equal(restore(manifest, images, LABELS, IDS).images, before.images)
        assert verify(manifest, images, LABELS) == []


def test_a_manifest_of_one_channel_from_before_the_rule_is_restored():
    before = corrupted(ONE, "gaussian:0.4", grey=False)
    assert before.manifest.header.image_shape == (SIDE, SIDE, 1)
    np.testing.assert_array_equal(restore(before.manifest, ONE, LABELS, IDS).images, before.images)
    assert verify(before.manifest, ONE, LABELS) == []


@pytest.mark.parametrize("layout", [(COUNT, SIDE, SIDE), (COUNT, SIDE, SIDE, 1), (COUNT, 1, SIDE, SIDE)])
def test_grey_layouts_give_one_manifest_and_come_back_as_they_were(layout):
    texts = ["gaussian:0.3", "instance:0.4", "randx:0.2"]
    images = ONE.reshape(layout)
    result = corrupt(images, LABELS, texts, seed=1, dataset="pictures", class_names=NAMES)
    coloured = corrupt(GREY, LABELS, texts, seed=1, dataset="pictures", class_names=NAMES)
    assert result.images.shape == layout
    np.testing.assert_array_equal(in_colour(result.images), coloured.images)
    assert result.manifest.header == coloured.manifest.header
    again = restore(result.manifest, images, LABELS.tolist(), IDS.tolist())
    assert again.images.shape == layout
    np.testing.assert_array_equal(again.images, result.images)
    assert verify(result.manifest, images, LABELS) == []


def test_colour_data_may_have_grey_images():
    images = pictures(COUNT, SIDE)
    images[:40] = GREY[:40]
    result = corrupt(images, LABELS, ["gaussian:0.4"], seed=1, dataset="pictures", class_names=NAMES)
    assert not result.manifest.header.grey
    # A part of it that happens to be grey, with the rule of the whole.
    part = corrupt(
        images[:40], LABELS[:40], ["gaussian:1"], seed=1, dataset="pictures", class_names=NAMES, grey=False
    )
    both = np.flatnonzero(result.manifest.image_corrupted[:40])
    np.testing.assert_array_equal(part.images[both], result.images[both])
    assert not is_grey(part.images)
    with pytest.raises(NoiseError, match="grey=True, and the images have colours"):
        corrupted(images, "gaussian:0.4", grey=True)
    with pytest.raises(NoiseError, match="grey=False, and images are .* which is grey"):
        corrupted(ONE[..., 0], "gaussian:0.4", grey=False)


def test_another_source_is_named_also_where_it_has_colours():
    manifest = corrupted(GREY, "gaussian:0.4").manifest
    assert any("source is another one" in text for text in verify(manifest, pictures(COUNT, SIDE), LABELS))
    with pytest.raises(NoiseError, match="made from other images"):
        restore(manifest, pictures(COUNT, SIDE), LABELS, IDS)
    turned = replace(manifest, header=replace(manifest.header, grey=False))
    with pytest.raises(NoiseError, match="differ from those that it records"):
        restore(turned, GREY, LABELS, IDS)


def test_saturation_of_grey_images_is_refused():
    with pytest.raises(NoiseError, match="saturate changes colours, and these images are grey"):
        corrupted(GREY, "saturate:0.4:severity=5")


def test_mixed_and_foreign_shapes_are_refused_in_a_sentence():
    for images, message in (
        ([ONE[0], ONE[1, :8]], "cannot be converted to an array .* images of one size"),
        (pictures(COUNT, SIDE).transpose(0, 3, 1, 2), "the channels must be the last axis"),
        (GREY / 255, r"images are float64\[64, 16, 16, 3\] and must be uint8"),
        (ONE[:, 0, :, 0], "must be uint8"),
    ):
        with pytest.raises(NoiseError, match=message):
            corrupted(images, "gaussian:0.4")
        with pytest.raises(NoiseError, match=message):
            restore(corrupted(GREY, "gaussian:0.4").manifest, images, LABELS, IDS)


def test_layouts_and_luminance():
    rng = np.random.default_rng(0)
    for shape in ((3, 8, 9), (3, 8, 9, 1), (3, 1, 8, 9)):
        images = rng.integers(0, 256, shape, np.uint8)
        coloured = in_colour(images)
        assert coloured.shape == (3, 8, 9, 3)
        assert is_grey(coloured)
        np.testing.assert_array_equal(in_layout(coloured, shape), images)
    narrow = rng.integers(0, 256, (3, 1, 8, 3), np.uint8)  # one row of pixels in colour
    assert in_colour(narrow) is narrow
    from PIL import Image

    expected = np.asarray(Image.fromarray(narrow[0]).convert("L"))
    np.testing.assert_array_equal(luminance(narrow)[0, ..., 0], expected)
    np.testing.assert_array_equal(luminance(GREY), ONE)


ONE_CHANNEL = {
    "randx": "0cfb56a4e2d49763",
    "random-pixels": "d94fc5bfc5daa255",
    "shuffled-pixels": "d61f89ff35f19f83",
    "gaussian": "42db764d18fe66df",
    "shot": "0f9c3f6f47da6041",
    "impulse": "7038e4709285bc14",
    "speckle": "b3162e9796559d41",
    "gaussian-blur": "f3c9f90af9ea8dbc",
    "defocus-blur": "6e4fb107fb33d108",
    "glass-blur": "b4f30cd06af6aee8",
    "motion-blur": "29f410e8ac7fe7c7",
    "zoom-blur": "0a4026a71426834d",
    "brightness": "c3d21f443c0fa1c0",
    "contrast": "68be7fe697b6fd37",
    "pixelate": "3464401320486d1d",
    "elastic": "717842ef4514fb76",
    "occlusion": "226f7a71830cf2c2",
    "values permuted": "d94fc5bfc5daa255",
    "values permuted alike": "d61f89ff35f19f83",
    "square of noise": "1f1f958e2069f70a",
}

APART = {
    "randx": "f364ffb0611edad8",
    "gaussian": "8632164f8c90955c",
    "open": "20f1524f9b2b268c",
    "saturate": "62082f43551bf9d9",
    "values permuted": "2d228879d40c3022",
    "square of noise": "2b25de995f539e53",
}
"""Digests of version 0.1.0 on grey images of three channels, each of which was drawn apart."""
