"""Files of pictures: which files of a folder are pictures, and their pixels. Imports no torch."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError

FORMATS: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
"""Pillow's name of each format that is read, and its usual endings. Pillow knows others (EPS starts Ghostscript)."""

ENDINGS = frozenset(ending for endings in FORMATS.values() for ending in endings)

READ = "JPEG, PNG, WebP, BMP, TIFF, GIF or PPM"
"""The formats in a sentence."""

BACKGROUND = "white"
"""Colour behind transparent pixels."""

HIDDEN, IRREGULAR, REPEATED = "Hidden", "No regular file", "Folder that is linked twice"
NO_PICTURE, OUTSIDE = f"No {READ}", "In no class folder"
"""Reasons why an entry of a folder is left out."""

NAMED = 3
"""Entries that are named for each reason."""

BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
"""Numbers of TIFF tags, and a value of the second."""


@dataclass(frozen=True)
class PictureFiles:
    """The pictures of a folder, and what else lies in it."""

    folder: Path
    paths: tuple[Path, ...]
    """In the order of :func:`picture_files`."""
    left_out: Mapping[str, tuple[Path, ...]]
    """Reason to the entries that were left out for it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence about the entries that were left out, by reason; none where every entry is a picture."""
        if not self.left_out:
            return ()
        reasons = "; ".join(
            f"{reason}: {len(paths)} ({_names(paths, self.folder)})"
            for reason, paths in self.left_out.items()
        )
        total = sum(map(len, self.left_out.values()))
        return (f"{self.folder}: pictures read: {len(self.paths)}, left out: {total}. {reasons}.",)


def _names(paths: tuple[Path, ...], folder: Path) -> str:
    """The first names, relative to the folder."""
    names = [ascii(str(path.relative_to(folder)))[1:-1][:80] for path in paths[:NAMED]]
    return ", ".join(names + ["…"] * (len(paths) > NAMED))


def picture_files(folder: Path, classes: bool = False) -> PictureFiles:
    """The pictures in a folder and in all folders below it, by content and not by name.

    A file whose name ends like a picture counts as one without being opened, so that a damaged picture is refused when
    it is read, and not left out. Every other regular file is opened: it is a picture if it begins like one. Links are
    followed, and a folder that is reached twice is read once.

    Args:
        folder: where to look.
        classes: whether the folders in it are classes, so that files directly in it are left out.

    Returns:
        The files of a folder by name, then those of its folders by name, and so on; hidden entries, FIFOs, devices and
        files without a picture are left out.

    Raises:
        MemgateError: a folder cannot be read.
    """
    paths: list[Path] = []
    left_out: dict[str, list[Path]] = {}
    for path, reason in _entries(folder):
        reason = OUTSIDE if classes and not reason and path.parent == folder else reason
        if reason:
            left_out.setdefault(reason, []).append(path)
        else:
            paths.append(path)
    return PictureFiles(
        folder, tuple(paths), {reason: tuple(entries) for reason, entries in left_out.items()}
    )


def _entries(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder with the reason why it is left out, empty for a picture."""
    seen: set[tuple[int, int]] = set()
    waiting = [folder]  # a stack and no recursion: folders may be nested deeper than Python calls
    while waiting:
        current = waiting.pop()
        folders = []
        identity, entries = listing(current)
        if identity in seen:
            yield current, REPEATED
            continue
        seen.add(identity)
        for path in entries:
            if path.name.startswith("."):
                yield path, HIDDEN
            elif path.is_dir():
                folders.append(path)
            else:
                yield path, _reason(path)
        waiting += reversed(folders)


def listing(folder: Path) -> tuple[tuple[int, int], list[Path]]:
    """Device and inode of a folder, and its entries by name.

    Raises:
        MemgateError: it cannot be read.
    """
    try:
        facts = folder.stat()
        return (facts.st_dev, facts.st_ino), sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise MemgateError(
            f"{folder} cannot be read ({error.strerror}): change its permissions, or remove it."
        ) from error


def _reason(path: Path) -> str:
    """Reason why a file is left out; empty for a picture."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for ever
            return IRREGULAR
    except OSError:  # a link to nothing
        return IRREGULAR
    if path.suffix.lower() in ENDINGS:
        return ""
    from PIL import Image

    try:
        with Image.open(path, formats=tuple(FORMATS)):
            return ""
    except Exception:  # Pillow's readers raise errors of many kinds on bytes that are not theirs
        return NO_PICTURE


def read_pictures(paths: Sequence[Path], side: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The pictures of n >= 1 files, uint8 [n,side,side,3] as :func:`read_picture` gives them, and their sizes.

    Returns:
        The pictures, and int64 [n,2]: height and width in pixels before they were resized.

    Raises:
        MemgateError: as :func:`read_picture` does.
    """
    images = np.empty((len(paths), side, side, 3), np.uint8)
    sizes = np.empty((len(paths), 2), np.int64)
    for row, path in enumerate(paths):
        images[row], sizes[row] = _read(path, side)
    return images, sizes


def size_notes(folder: Path, sizes: NDArray[np.int64], side: int) -> tuple[str, ...]:
    """A sentence about pictures [n] of height and width ``sizes`` [n,2] that a square of ``side`` pixels distorts."""
    oblong = int((sizes[:, 0] != sizes[:, 1]).sum())
    if oblong == 0:
        return ()
    (low, narrow), (high, wide) = sizes.min(0), sizes.max(0)
    return (
        f"{folder}: pictures of {low} to {high} pixels in height and {narrow} to {wide} in width are resized to "
        f"{side} x {side}; {oblong} of the {len(sizes)} are no squares and are squashed, not cut.",
    )


def read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """The picture of a file, see :func:`as_rgb`, resized bilinearly, uint8 [side,side,3].

    Of a file with several pictures, the first is taken.

    Raises:
        MemgateError: the file holds no picture of one of the formats, is damaged, or its pixels have no known range.
    """
    return _read(path, side)[0]


def _read(path: Path, side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The picture of a file, and its height and width."""
    from PIL import Image

    try:
        # Of a path, Pillow maps the file into memory and then mixes up the pixels of a TIFF that has to be turned.
        with path.open("rb") as stream, Image.open(stream, formats=tuple(FORMATS)) as picture:
            upright = as_rgb(picture)
            return squared(upright, side), (upright.height, upright.width)
    except Image.UnidentifiedImageError as error:
        raise MemgateError(
            f"{path} cannot be read as an image (it is no {READ}): save it again as PNG, or remove it."
        ) from error
    except Exception as error:  # as above, now on a damaged picture
        raise MemgateError(
            f"{path} cannot be read as an image ({error}): save it again as PNG, or remove it."
        ) from error


def as_rgb(picture: Any) -> Any:
    """A Pillow image with 8 bits of red, green and blue, upright and without transparency.

    The EXIF orientation is applied (unreadable EXIF data is ignored, as viewers do), transparent pixels are laid over
    white, 16-bit pixels are scaled to 8 bits, and palettes, grey and CMYK are converted.

    Raises:
        ValueError: the pixels are floating-point numbers or 32-bit integers, whose range is not known.
        Exception: as Pillow raises it for a damaged picture.
    """
    from PIL import Image

    upright = _upright(picture)
    if upright.mode.startswith(("I", "F")):
        upright = _eight_bits(upright, picture.format, getattr(picture, "tag_v2", {}))
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, BACKGROUND), upright)
    return upright.convert("RGB")


def _upright(picture: Any) -> Any:
    """The image as its EXIF orientation says."""
    from PIL import ImageOps

    picture.load()
    try:
        picture.getexif()
    except Exception:  # EXIF data may be any bytes at all
        return picture
    return ImageOps.exif_transpose(picture)


def _eight_bits(picture: Any, form: str, tags: Mapping[int, Any]) -> Any:
    """A grey image of 8 bits from one of 16, which Pillow itself would cut at 255 instead of scaling.

    Args:
        picture: with pixels of more than 8 bits.
        form: the format of its file. PNG and PPM have 16 bits at most, whatever Pillow's mode.
        tags: of a TIFF file, which may have 12 bits, and may count from white.
    """
    from PIL import Image

    if not picture.mode.startswith("I;16") and form not in ("PNG", "PPM"):
        raise ValueError(f"its pixels, of the type {picture.mode}, have no known range")
    largest = 2 ** int(np.ravel(tags.get(BITS_PER_SAMPLE, 16))[0]) - 1
    values = np.asarray(picture).astype(np.int64)
    grey = (values * 255 + largest // 2) // largest
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    if "transparency" in picture.info:
        grey[values == picture.info["transparency"]] = 255
    return Image.fromarray(grey.astype(np.uint8))


def squared(picture: Any, side: int) -> NDArray[np.uint8]:
    """A Pillow image, resized bilinearly, uint8 [side,side,3]; grey images get three equal channels."""
    from PIL import Image

    return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
