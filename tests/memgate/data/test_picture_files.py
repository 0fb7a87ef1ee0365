"""Files of pictures: which are read, what is said of the rest, and the pixels of every kind."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from memgate.config.run import DataConfig
from memgate.data import picture_files as home
from memgate.data.image_set import load_splits
from memgate.data.picture_files import picture_files, read_picture
from memgate.errors import MemgateError
from noise.files.digests import pixels_digest

RNG = np.random.default_rng(8)
PICTURE = Image.fromarray(RNG.integers(0, 256, (12, 10, 3), np.uint8))


def saved(path: Path, picture: Image.Image = PICTURE, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path


def grey_ramp(values: list[int], dtype: Any) -> Image.Image:
    """A picture of 10 x 10 equal pixels for each value, side by side."""
    return Image.fromarray(np.repeat(np.repeat(np.array([values], dtype), 10, axis=0), 10, axis=1))


def red_part(path: Path, side: int = 8) -> int:
    """The value of the red channel, the same in the whole picture."""
    pixels = read_picture(path, side)
    assert (pixels[..., 0] == pixels[0, 0, 0]).all()
    return int(pixels[0, 0, 0])


# Which files


def test_pictures_are_known_by_content_at_any_depth(tmp_path: Path) -> None:
    for name in ("b.webp", "a.bmp", "c.TIF", "d.JPEG", "e.gif", "f.ppm", "z/g.png", "k/l/h.png"):
        saved(tmp_path / name)
    saved(tmp_path / "m", format="PNG")
    saved(tmp_path / "n.dat", format="WEBP")
    files = picture_files(tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in files.paths]
    order = ["a.bmp", "b.webp", "c.TIF", "d.JPEG", "e.gif", "f.ppm", "m", "n.dat", "k/l/h.png", "z/g.png"]
    assert names == order
    assert files.notes == ()
    assert {read_picture(path, 9).shape for path in files.paths} == {(9, 9, 3)}


def test_what_is_left_out_is_counted_by_reason_in_one_line(tmp_path: Path) -> None:
    saved(tmp_path / "cat" / "a.png")
    saved(tmp_path / "b.png")
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    saved(tmp_path / "cat" / "drawing.eps", format="EPS")
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    (tmp_path / ".cache").mkdir()
    files = picture_files(tmp_path, classes=True)
    assert files.paths == (tmp_path / "cat" / "a.png",)
    assert {reason: len(paths) for reason, paths in files.left_out.items()} == {
        home.HIDDEN: 1,
        home.OUTSIDE: 1,
        home.NO_PICTURE: 2,
        home.IRREGULAR: 3,
        home.REPEATED: 1,
    }
    (note,) = files.notes
    assert note.startswith(f"{tmp_path}: pictures read: 1, left out: 8. Hidden: 1 (.cache); ")
    assert "No JPEG, PNG, WebP, BMP, TIFF, GIF or PPM: 2 (cat/drawing.eps, cat/notes.txt)" in note


def test_a_file_named_as_a_picture_without_one_is_refused_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*arguments: object, **options: object) -> None:
        raise AssertionError("Ghostscript")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", started)
    for path in (saved(tmp_path / "a.png", format="EPS"), tmp_path / "b.jpg"):
        if path.suffix == ".jpg":
            path.write_bytes(b"")
        assert path in picture_files(tmp_path).paths
        with pytest.raises(
            MemgateError, match=rf"{path.name} cannot be read as an image \(it is no JPEG, PNG"
        ):
            read_picture(path, 8)
        path.unlink()


def test_a_data_set_of_a_folder_reads_every_picture_of_a_class(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            for file in ("a.webp", "b.tif", "deeper/c.JPEG", "deeper/still/d.png"):
                saved(tmp_path / split / name / file)
    saved(tmp_path / "train" / "stray.png")
    splits = load_splits(DataConfig(name="folder", root=tmp_path, image_size=8))
    assert splits.train.labels.tolist() == [0] * 4 + [1] * 4
    resized = "resized to 8 x 8; 8 of the 8 are no squares and are squashed, not cut."
    size = "pictures of 12 to 12 pixels in height and 10 to 10 in width"
    assert splits.notes == (
        f"{tmp_path / 'train'}: pictures read: 8, left out: 1. In no class folder: 1 (stray.png).",
        f"{tmp_path / 'train'}: {size} are {resized}",
        f"{tmp_path / 'test'}: {size} are {resized}",
    )


def test_folders_with_numbers_as_names_are_no_labels(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("1", "2", "10"):
            saved(tmp_path / split / name / "a.png", PICTURE.resize((8, 8)))
    splits = load_splits(DataConfig(name="folder", root=tmp_path, image_size=8))
    assert splits.train.class_names == ("1", "10", "2")
    assert splits.notes == (
        "The class names are numbers, but not the labels: label 0 is class '1', label 1 is class '10'.",
    )


def test_a_folder_that_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "train" / "ant").mkdir(parents=True)
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(
        MemgateError, match=r"train cannot be read \(Permission denied\): change its permissions"
    ):
        load_splits(DataConfig(name="folder", root=tmp_path))


# Pixels


def test_pictures_read_as_before_have_the_digest_that_they_had(tmp_path: Path) -> None:
    made = np.random.default_rng(4).integers(0, 256, (30, 21, 4), np.uint8)
    colour = Image.fromarray(made[..., :3])
    opaque = made.copy()
    opaque[..., 3] = 255
    saved(tmp_path / "a.png", colour)
    saved(tmp_path / "b.png", colour.convert("L"))
    saved(tmp_path / "c.png", colour.quantize(16))
    saved(tmp_path / "d.png", colour.convert("1"))
    saved(tmp_path / "e.png", Image.fromarray(opaque))
    images = np.stack([read_picture(path, 13) for path in picture_files(tmp_path).paths])
    assert pixels_digest(images) == "f43b60f0fc5b31d6b72063ad5f9b59c0b79b55e14dc011178e5fb5c891f9df92"


def test_the_orientation_of_a_camera_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (16, 8), "black")
    picture.paste("white", (0, 0, 8, 8))  # the left half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left half is then the upper half
    for name in ("a.jpg", "a.png", "a.webp", "a.tif"):
        pixels = read_picture(saved(tmp_path / name, picture, exif=exif), 8)
        assert (pixels[:3] > 200).all(), name
        assert (pixels[5:] < 55).all(), name
    deep = saved(tmp_path / "b.tif", grey_ramp([60_000, 0], np.uint16), exif=exif)
    assert (read_picture(deep, 8)[:3] > 200).all()
    assert (read_picture(deep, 8)[5:] < 55).all()


def test_exif_data_of_any_bytes_is_ignored(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (9, 9), "red"), exif=b"Exif\0\0nonsense")
    assert red_part(path) > 250


def test_transparent_pixels_are_laid_over_white(tmp_path: Path) -> None:
    half = read_picture(saved(tmp_path / "a.png", Image.new("RGBA", (9, 9), (10, 20, 30, 128))), 8)
    assert half[0, 0].tolist() == [132, 137, 142]
    assert red_part(saved(tmp_path / "b.png", Image.new("LA", (9, 9), (0, 0)))) == 255
    palette = Image.new("P", (9, 9), 3)
    palette.putpalette([7] * 768)
    assert red_part(saved(tmp_path / "c.png", palette, transparency=3)) == 255
    assert red_part(saved(tmp_path / "d.gif", palette, transparency=3)) == 255
    assert red_part(saved(tmp_path / "e.gif", palette)) == 7
    assert red_part(saved(tmp_path / "f.webp", Image.new("RGBA", (9, 9), (0, 0, 0, 0)), lossless=True)) == 255
    grey = saved(tmp_path / "g.png", grey_ramp([513], np.uint16), transparency=513)
    assert red_part(grey) == 255


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled_and_not_cut(ending: str, tmp_path: Path) -> None:
    for value, expected in ((0, 0), (257, 1), (32_896, 128), (40_000, 156), (65_535, 255)):
        assert red_part(saved(tmp_path / f"a.{ending}", grey_ramp([value], np.uint16))) == expected


def test_a_tiff_may_count_from_white_and_in_twelve_bits(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", grey_ramp([51 * 257], np.uint16))
    assert red_part(path) == 51
    content = path.read_bytes()
    black_is_zero, white_is_zero = (b"\x06\x01\x03\x00\x01\x00\x00\x00" + bytes([one]) for one in (1, 0))
    assert content.count(black_is_zero) == 1
    path.write_bytes(content.replace(black_is_zero, white_is_zero))
    assert red_part(path) == 204
    # Two samples of 12 bits take three bytes: every pixel is 0x0CC = 204, a twentieth of 4095.
    twelve = content.replace(b"\x02\x01\x03\x00\x01\x00\x00\x00\x10", b"\x02\x01\x03\x00\x01\x00\x00\x00\x0c")
    start = content.index((51 * 257).to_bytes(2, "little") * 100)
    path.write_bytes(twelve[:start] + bytes([0x0C, 0xC0, 0xCC]) * 50 + twelve[start + 150 :])
    assert red_part(path) == 13


def test_cmyk_is_converted(tmp_path: Path) -> None:
    picture = Image.new("RGB", (9, 9), (200, 40, 90)).convert("CMYK")
    pixels = read_picture(saved(tmp_path / "a.jpg", picture, quality=100), 8)
    np.testing.assert_allclose(pixels[4, 4].astype(int), [200, 40, 90], atol=4)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_known_range_are_refused(mode: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.new(mode, (9, 9), 1))
    with pytest.raises(MemgateError, match=rf"its pixels, of the type {mode}, have no known range\): save"):
        read_picture(path, 8)


def test_of_several_pictures_in_a_file_the_first_is_taken(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    for name in ("a.gif", "a.tif", "a.webp"):
        pixels = read_picture(saved(tmp_path / name, first, save_all=True, append_images=[second]), 8)
        assert (pixels[..., 2] < 9).all(), name


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (300, 2)])
def test_a_picture_of_any_shape_is_made_square(size: tuple[int, int], tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", size, (9, 9, 9)))
    assert (read_picture(path, 8) == np.full((8, 8, 3), 9)).all()
