"""Images for the browser: uint8 arrays in, PNG out. No Streamlit."""

import base64
import html
import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from memgate.runs.pictures import SplitPictures

Look = Literal["given", "clean", "difference"]
"""An image as the network was given it, as it was before corruption, or the difference of the two."""

BRIGHTER = 3
"""Factor by which the difference of two images is amplified."""

SPRITE_COLUMNS = 10
LARGEST = 96
"""Pixels of a tile's longer side in a sprite; larger images are reduced."""


def png(pixels: NDArray[np.uint8]) -> str:
    """Text of a data URL with an image uint8 [H, W, 3] as PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def looks(pictures: SplitPictures, ids: NDArray[np.integer], look: Look) -> NDArray[np.uint8]:
    """Images uint8 [n, H, W, 3] of samples in the order of ``ids``; ids that the split does not have are left out.

    Where the clean image is not known, the given one is shown, and the difference is black.
    """
    rows = pictures.rows(ids)
    given = pictures.given[rows]
    if look == "given" or pictures.clean is None:
        return given if look != "difference" else np.zeros_like(given)
    clean = pictures.clean[rows]
    return clean if look == "clean" else difference(given, clean)


def difference(given: NDArray[np.uint8], clean: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Absolute difference of two images, uint8, amplified by :data:`BRIGHTER` so that noise can be seen."""
    change = np.abs(given.astype(np.int16) - clean)
    return np.minimum(BRIGHTER * change, 255).astype(np.uint8)


def sprite(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One image with the images [n, H, W, 3] in rows of :data:`SPRITE_COLUMNS`; black where there is none."""
    small = [_within(picture) for picture in pictures]
    height, width = small[0].shape[:2] if small else (1, 1)
    rows = max(1, -(-len(small) // SPRITE_COLUMNS))
    sheet = np.zeros((rows * height, SPRITE_COLUMNS * width, 3), np.uint8)
    for place, picture in enumerate(small):
        top, left = place // SPRITE_COLUMNS * height, place % SPRITE_COLUMNS * width
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _within(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image reduced to :data:`LARGEST` pixels; always the same size for the same input size."""
    longer = max(picture.shape[:2])
    if longer <= LARGEST:
        return picture
    size = [max(1, round(length * LARGEST / longer)) for length in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def enlarged(pixels: NDArray[np.uint8], side: int, caption: str) -> str:
    """HTML of a small image uint8 [H, W, 3], enlarged without interpolation to about ``side`` pixels.

    The image is embedded: one that Streamlit serves is a lossy JPEG, and is gone (404) when the page is drawn
    again before the browser has requested it.
    """
    height, width = (max(1, side // max(pixels.shape[:2])) * length for length in pixels.shape[:2])
    text = html.escape(caption)
    return (
        f'<figure style="margin:0"><img src="{png(pixels)}" alt="{text}" width="{width}" height="{height}" '
        f'style="image-rendering:pixelated;border-radius:6px">'
        f'<figcaption style="opacity:.7;font-size:.875rem;text-align:center">{text}</figcaption></figure>'
    )
