"""Pictures as the browser gets them: uint8 arrays in, PNG out. No Streamlit."""

import base64
import html
import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from memgate.runs.pictures import SplitPictures

Look = Literal["given", "clean", "difference"]
"""A picture as the network was given it, as it is on disk, or how far the two are apart in each pixel."""

BRIGHTER = 3
"""How many times the difference of two pictures is shown."""

SPRITE_COLUMNS = 10
LARGEST = 96
"""Pixels of a tile's longer side in a sprite: larger pictures are made smaller."""


def png(pixels: NDArray[np.uint8]) -> str:
    """A picture uint8 [H, W, 3] as the text of a data URL."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def looks(pictures: SplitPictures, ids: NDArray[np.integer], look: Look) -> NDArray[np.uint8]:
    """The pictures [n, H, W, 3] of samples, in the order of ``ids``; those that the split has not are left out.

    Where the clean picture is not known, the given one stands for it, and the difference is black.
    """
    rows = pictures.rows(ids)
    given = pictures.given[rows]
    if look == "given" or pictures.clean is None:
        return given if look != "difference" else np.zeros_like(given)
    clean = pictures.clean[rows]
    return clean if look == "clean" else difference(given, clean)


def difference(given: NDArray[np.uint8], clean: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How far two pictures are apart in each pixel, :data:`BRIGHTER` times as bright, for noise is dark."""
    apart = np.abs(given.astype(np.int16) - clean)
    return np.minimum(BRIGHTER * apart, 255).astype(np.uint8)


def sprite(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures [n, H, W, 3] as one, :data:`SPRITE_COLUMNS` to a row; black where none is."""
    small = [_within(picture) for picture in pictures]
    height, width = small[0].shape[:2] if small else (1, 1)
    rows = max(1, -(-len(small) // SPRITE_COLUMNS))
    sheet = np.zeros((rows * height, SPRITE_COLUMNS * width, 3), np.uint8)
    for place, picture in enumerate(small):
        top, left = place // SPRITE_COLUMNS * height, place % SPRITE_COLUMNS * width
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _within(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture no larger than :data:`LARGEST`, always the same size for the same input size."""
    longer = max(picture.shape[:2])
    if longer <= LARGEST:
        return picture
    size = [max(1, round(length * LARGEST / longer)) for length in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def enlarged(pixels: NDArray[np.uint8], side: int, caption: str) -> str:
    """A small picture uint8 [H, W, 3] as HTML, enlarged without a blur to about ``side`` pixels.

    It carries its own bytes: a picture that Streamlit serves is a lossy JPEG, and is gone (404) when the page
    is drawn again before the browser has asked for it.
    """
    height, width = (max(1, side // max(pixels.shape[:2])) * length for length in pixels.shape[:2])
    text = html.escape(caption)
    return (
        f'<figure style="margin:0"><img src="{png(pixels)}" alt="{text}" width="{width}" height="{height}" '
        f'style="image-rendering:pixelated;border-radius:6px">'
        f'<figcaption style="opacity:.7;font-size:.875rem;text-align:center">{text}</figcaption></figure>'
    )
