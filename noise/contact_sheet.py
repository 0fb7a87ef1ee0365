"""A picture with examples of each operation: clean image above given image, label below both."""

import io
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from noise.apply import Corrupted
from noise.choose import hash_order

TILE = 96
"""Longest side of an example in pixels; smaller images are enlarged by an integer factor, without blur."""

GAP, MARGIN, HEADING, TITLE, CAPTION = 6, 40, 26, 22, 18
"""Pixels between tiles, left of tiles, for the heading, for the title of a section and for its captions."""

BLACK, GREY, RED = (20, 20, 20), (120, 120, 120), (180, 0, 0)

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


@dataclass(frozen=True, eq=False)
class Section:
    """One row of examples.

    Attributes:
        title: the operation.
        positions: [n] int64, positions of the samples shown.
    """

    title: str
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Positions on the sheet, in pixels from its top left corner.

    Attributes:
        sections: number of sections.
        examples: number of examples of a section.
        tile: (height, width) of an example.
    """

    sections: int
    examples: int
    tile: tuple[int, int]

    @property
    def columns(self) -> int:
        """Number of sections side by side; it grows with their number, to keep the sheet near a page's shape."""
        return 1 if self.sections <= 4 else 2 if self.sections <= 12 else 3

    @property
    def rows(self) -> int:
        """Number of sections one above the other."""
        return -(-self.sections // self.columns)

    @property
    def section(self) -> tuple[int, int]:
        """(height, width) of a section including its margins."""
        height, width = self.tile
        return TITLE + 2 * (height + GAP) + CAPTION + GAP, MARGIN + self.examples * (width + GAP) + 2 * GAP

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the sheet."""
        height, width = self.section
        return HEADING + self.rows * height + GAP, self.columns * width + GAP

    def corner(self, section: int) -> tuple[int, int]:
        """(y, x) of a section; sections are arranged column by column."""
        height, width = self.section
        return HEADING + GAP + section % self.rows * height, GAP + section // self.rows * width

    def place(self, section: int, example: int, row: int) -> tuple[int, int]:
        """(y, x) of a tile; ``row`` is 0 for the clean image and 1 for the given one."""
        y, x = self.corner(section)
        height, width = self.tile
        return y + TITLE + row * (height + GAP), x + MARGIN + example * (width + GAP)


def contact_sheet(clean: NDArray[np.uint8], corrupted: Corrupted, examples: int = 8) -> bytes:
    """PNG file with examples of each operation and of untouched samples.

    Samples are taken in a hash order: first those whose label or image the operation changed, and among these first
    the ones that no other operation touched.

    Args:
        clean: [N, H, W, C] uint8, the images before the corruption.
        corrupted: the data after the corruption.
        examples: largest number of examples of an operation.

    Returns:
        The bytes of the file; equal for equal input and the same version of Pillow.
    """
    sections = chosen_sections(clean, corrupted, examples)
    layout = Layout(len(sections), examples, tile_size(*clean.shape[1:3]))
    height, width = layout.size
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    header = corrupted.manifest.header
    heading = f"{header.dataset}, {_samples(header.count)}, noise seed {header.seed}"
    pen.text((GAP, GAP), _plain(heading), GREY, ImageFont.load_default(13))
    for number, section in enumerate(sections):
        _draw(sheet, pen, layout, number, section, clean, corrupted)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def chosen_sections(clean: NDArray[np.uint8], corrupted: Corrupted, examples: int) -> list[Section]:
    """A section for each operation, in order, and one for untouched samples; see :func:`contact_sheet`."""
    manifest = corrupted.manifest
    header = manifest.header
    order = hash_order(manifest.sample_id, header.dataset, header.seed, "contact sheet")

    def shown(on_label: NDArray[np.bool_], on_image: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Positions of the examples of an operation, from masks [N] of the labels and images that it touched."""
        touched = order[(on_label | on_image)[order]]
        twice = (manifest.label_op > 0) & (manifest.image_op > 0) & (on_label != on_image)
        changed: list[int] = []
        same: list[int] = []
        # Samples that another operation touched too are last, since they show both operations.
        for position in touched[np.argsort(twice[touched], kind="stable")].tolist():
            relabelled = on_label[position] and manifest.label_corrupted[position]
            redrawn = on_image[position] and (clean[position] != corrupted.images[position]).any()
            (changed if relabelled or redrawn else same).append(position)
            if len(changed) == examples:
                break
        return np.array([*changed, *same][:examples], dtype=np.int64)

    sections = [
        Section(
            f"{operation.short} ({operation.convention}), {_samples(operation.selected)}",
            shown(manifest.label_op == operation.code, manifest.image_op == operation.code),
        )
        for operation in header.operations
    ]
    untouched = (manifest.label_op == 0) & (manifest.image_op == 0)
    return [*sections, Section(f"untouched, {_samples(int(untouched.sum()))}", shown(untouched, untouched))]


def tile_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of an example: enlarged by an integer factor, or reduced to fit :data:`TILE`."""
    side = max(height, width)
    if side > TILE:
        return max(1, height * TILE // side), max(1, width * TILE // side)
    return height * (TILE // side), width * (TILE // side)


def tile(image: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    """An image [H, W, C] uint8 in colour at ``size`` (height, width); unless C is 3, only channel 0 is shown."""
    height, width = size
    pixels = image if image.shape[2] == 3 else np.repeat(image[:, :, :1], 3, axis=2)
    smaller = height < image.shape[0] or width < image.shape[1]
    resample = Image.Resampling.BOX if smaller else Image.Resampling.NEAREST
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), resample)


def cut(names: list[str], fits: Callable[[str], bool]) -> str:
    """The names joined by ``->``; the longest name is shortened letter by letter until the text ``fits``."""
    return next((text for text in map(" -> ".join, _shortened(names)) if fits(text)), "")


def _shortened(names: list[str]) -> Iterator[list[str]]:
    """The names, then the names with the longest one shortened by one more letter each time."""
    yield names
    lengths = [len(name) for name in names]
    while max(lengths) > 1:
        lengths[lengths.index(max(lengths))] -= 1
        yield [
            name if length == len(name) else f"{name[:length]}…"
            for name, length in zip(names, lengths, strict=True)
        ]


def _draw(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    layout: Layout,
    number: int,
    section: Section,
    clean: NDArray[np.uint8],
    corrupted: Corrupted,
) -> None:
    """Draw one section on the sheet."""
    large, small = ImageFont.load_default(13), ImageFont.load_default(11)
    manifest = corrupted.manifest
    y, x = layout.corner(number)
    height, width = layout.tile
    room = layout.section[1] - 2 * GAP
    pen.text((x, y + 2), cut([_plain(section.title)], _fitting(large, room)), BLACK, large)
    for row, word in enumerate(("clean", "given")):
        pen.text((x, layout.place(number, 0, row)[0] + height // 2 - 7), word, GREY, small)
    for example, position in enumerate(section.positions.tolist()):
        for row, images in enumerate((clean, corrupted.images)):
            top, left = layout.place(number, example, row)
            sheet.paste(tile(images[position], layout.tile), (left, top))
        labels = [manifest.clean_label[position], manifest.given_label[position]]
        names = [_plain(manifest.header.class_names[label]) for label in dict.fromkeys(labels)]
        top, left = layout.place(number, example, 1)
        colour = BLACK if len(names) == 1 else RED
        pen.text((left, top + height + 2), cut(names, _fitting(small, width)), colour, small)


def _fitting(font: Font, room: int) -> Callable[[str], bool]:
    """A function that tells whether a text is at most ``room`` pixels wide in a font."""
    return lambda text: font.getlength(text) <= room


def _plain(text: str) -> str:
    """The text in ASCII, as Pillow's default font needs: accents are dropped, other characters become ``?``."""
    letters = "".join(
        letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter)
    )
    return " ".join(letters.encode("ascii", "replace").decode().split())


def _samples(count: int) -> str:
    """The count as text: ``1 sample``, ``2 samples``."""
    return f"{count} sample{'' if count == 1 else 's'}"
