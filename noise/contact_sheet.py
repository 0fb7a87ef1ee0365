"""Examples of what a corruption did, as one picture: clean image above given image, label under both."""

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
"""Longest side of an example in pixels; smaller images are enlarged by a whole number, so nothing is blurred."""

GAP, MARGIN, HEADING, TITLE, CAPTION = 6, 40, 26, 22, 18
"""Space between tiles, left of them, above all, above a block's tiles and under them, in pixels."""

BLACK, GREY, RED = (20, 20, 20), (120, 120, 120), (180, 0, 0)

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


@dataclass(frozen=True, eq=False)
class Block:
    """One row of examples.

    Attributes:
        title: what was done to them.
        positions: [n] int64, the samples that are shown.
    """

    title: str
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Where things lie on the sheet, in pixels from its top left corner.

    Attributes:
        blocks: number of blocks.
        examples: examples of a block.
        tile: (height, width) of an example.
    """

    blocks: int
    examples: int
    tile: tuple[int, int]

    @property
    def columns(self) -> int:
        """Blocks side by side: more of them for a long list, so that the sheet stays a page and no ribbon."""
        return 1 if self.blocks <= 4 else 2 if self.blocks <= 12 else 3

    @property
    def rows(self) -> int:
        """Blocks one above the other."""
        return -(-self.blocks // self.columns)

    @property
    def block(self) -> tuple[int, int]:
        """(height, width) of a block with the space around it."""
        height, width = self.tile
        return TITLE + 2 * (height + GAP) + CAPTION + GAP, MARGIN + self.examples * (width + GAP) + 2 * GAP

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the sheet."""
        height, width = self.block
        return HEADING + self.rows * height + GAP, self.columns * width + GAP

    def corner(self, block: int) -> tuple[int, int]:
        """(y, x) of a block; they are read column by column."""
        height, width = self.block
        return HEADING + GAP + block % self.rows * height, GAP + block // self.rows * width

    def place(self, block: int, example: int, row: int) -> tuple[int, int]:
        """(y, x) of a tile: ``row`` 0 is the clean image, 1 the given one."""
        y, x = self.corner(block)
        height, width = self.tile
        return y + TITLE + row * (height + GAP), x + MARGIN + example * (width + GAP)


def contact_sheet(clean: NDArray[np.uint8], corrupted: Corrupted, examples: int = 8) -> bytes:
    """A PNG with examples of each operation and of the samples that none has touched.

    The samples come in a hash order of their own: those first whose label or image the operation really
    changed, and among them those that no other operation touched.

    Args:
        clean: [N, H, W, C] uint8, the images before the corruption.
        corrupted: what it made of them.
        examples: how many of each operation, at most.

    Returns:
        The file's bytes; the same ones for the same input and the same Pillow.
    """
    blocks = chosen_blocks(clean, corrupted, examples)
    layout = Layout(len(blocks), examples, tile_size(*clean.shape[1:3]))
    height, width = layout.size
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    header = corrupted.manifest.header
    heading = f"{header.dataset}, {_samples(header.count)}, noise seed {header.seed}"
    pen.text((GAP, GAP), _plain(heading), GREY, ImageFont.load_default(13))
    for number, block in enumerate(blocks):
        _draw(sheet, pen, layout, number, block, clean, corrupted)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def chosen_blocks(clean: NDArray[np.uint8], corrupted: Corrupted, examples: int) -> list[Block]:
    """A block for each operation in its order, and one for what is untouched; see :func:`contact_sheet`."""
    manifest = corrupted.manifest
    header = manifest.header
    order = hash_order(manifest.sample_id, header.dataset, header.seed, "contact sheet")

    def shown(on_label: NDArray[np.bool_], on_image: NDArray[np.bool_]) -> NDArray[np.int64]:
        touched = order[(on_label | on_image)[order]]
        twice = (manifest.label_op > 0) & (manifest.image_op > 0) & (on_label != on_image)
        changed: list[int] = []
        same: list[int] = []
        # Samples that another operation touched too come last: they show that one as well.
        for position in touched[np.argsort(twice[touched], kind="stable")].tolist():
            relabelled = on_label[position] and manifest.label_corrupted[position]
            redrawn = on_image[position] and (clean[position] != corrupted.images[position]).any()
            (changed if relabelled or redrawn else same).append(position)
            if len(changed) == examples:
                break
        return np.array([*changed, *same][:examples], dtype=np.int64)

    blocks = [
        Block(
            f"{operation.short} ({operation.convention}), {_samples(operation.selected)}",
            shown(manifest.label_op == operation.code, manifest.image_op == operation.code),
        )
        for operation in header.operations
    ]
    untouched = (manifest.label_op == 0) & (manifest.image_op == 0)
    return [*blocks, Block(f"untouched, {_samples(int(untouched.sum()))}", shown(untouched, untouched))]


def tile_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) at which an image is shown: enlarged by a whole number, or made to fit :data:`TILE`."""
    side = max(height, width)
    if side > TILE:
        return max(1, height * TILE // side), max(1, width * TILE // side)
    return height * (TILE // side), width * (TILE // side)


def tile(image: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    """An image [H, W, C] uint8 in colour at ``size`` (height, width); of other than three channels, one is shown."""
    height, width = size
    pixels = image if image.shape[2] == 3 else np.repeat(image[:, :, :1], 3, axis=2)
    smaller = height < image.shape[0] or width < image.shape[1]
    resample = Image.Resampling.BOX if smaller else Image.Resampling.NEAREST
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), resample)


def cut(names: list[str], fits: Callable[[str], bool]) -> str:
    """The names with ``->`` between them, the longest one cut letter by letter until the text ``fits``."""
    return next((text for text in map(" -> ".join, _shortened(names)) if fits(text)), "")


def _shortened(names: list[str]) -> Iterator[list[str]]:
    """The names, and then the same with the longest one shortened by a letter at a time."""
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
    block: Block,
    clean: NDArray[np.uint8],
    corrupted: Corrupted,
) -> None:
    """Put one block on the sheet."""
    large, small = ImageFont.load_default(13), ImageFont.load_default(11)
    manifest = corrupted.manifest
    y, x = layout.corner(number)
    height, width = layout.tile
    room = layout.block[1] - 2 * GAP
    pen.text((x, y + 2), cut([_plain(block.title)], _fitting(large, room)), BLACK, large)
    for row, word in enumerate(("clean", "given")):
        pen.text((x, layout.place(number, 0, row)[0] + height // 2 - 7), word, GREY, small)
    for example, position in enumerate(block.positions.tolist()):
        for row, images in enumerate((clean, corrupted.images)):
            top, left = layout.place(number, example, row)
            sheet.paste(tile(images[position], layout.tile), (left, top))
        labels = [manifest.clean_label[position], manifest.given_label[position]]
        names = [_plain(manifest.header.class_names[label]) for label in dict.fromkeys(labels)]
        top, left = layout.place(number, example, 1)
        colour = BLACK if len(names) == 1 else RED
        pen.text((left, top + height + 2), cut(names, _fitting(small, width)), colour, small)


def _fitting(font: Font, room: int) -> Callable[[str], bool]:
    return lambda text: font.getlength(text) <= room


def _plain(text: str) -> str:
    """The text with the letters that Pillow's own font has: accents are dropped, the rest becomes ``?``."""
    letters = "".join(
        letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter)
    )
    return " ".join(letters.encode("ascii", "replace").decode().split())


def _samples(count: int) -> str:
    return f"{count} sample{'' if count == 1 else 's'}"
