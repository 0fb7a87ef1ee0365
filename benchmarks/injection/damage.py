"""Mutations of the bytes of a file. Every one is determined by (seed, name of the file, number of the case)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

ONCE = ("emptied", "folder", "swapped")
"""Mutations without a random draw: made once a file."""
DRAWN = ("truncated", "block zeroed", "byte changed", "bit flipped")
DRAWN_IN_TEXT = (*DRAWN, "digit changed")


def generator(seed: int, name: str, case: int) -> np.random.Generator:
    """The random generator of a case."""
    return np.random.default_rng([seed, case, *name.encode()])


def kind_of(path: Path, case: int) -> str:
    """Name of the mutation of a case of a file: first those that are made once, then the drawn ones in turn."""
    if case < len(ONCE):
        return ONCE[case]
    drawn = DRAWN_IN_TEXT if path.suffix in (".json", ".csv") else DRAWN
    return drawn[(case - len(ONCE)) % len(drawn)]


def damage(path: Path, other: Path, kind: str, draw: np.random.Generator) -> str:
    """Damage a file; returns what was done, in words.

    Args:
        path: of the file.
        other: the same file of another run.
        kind: of :func:`kind_of`.
        draw: of :func:`generator`.
    """
    if kind == "swapped":
        shutil.copyfile(other, path)
        return kind
    if kind == "folder":
        path.unlink()
        path.mkdir()
        return kind
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content, words = CHANGES[kind](content, draw)
    path.write_bytes(content.tobytes())
    return words


def _truncated(content: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, str]:
    size = int(draw.integers(len(content)))
    return content[:size], f"truncated to {size} bytes"


def _block_zeroed(content: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, str]:
    size = int(draw.choice([16, 512, 4096]))
    start = int(draw.integers(max(1, -(-len(content) // size)))) * size
    content[start : start + size] = 0
    return content, f"{size} bytes zeroed at {start}"


def _byte_changed(content: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, str]:
    at = int(draw.integers(len(content)))
    content[at] ^= draw.integers(1, 256, dtype=np.uint8)
    return content, f"byte {at} changed"


def _bit_flipped(content: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, str]:
    at, bit = int(draw.integers(len(content))), int(draw.integers(8))
    content[at] ^= np.uint8(1 << bit)
    return content, f"bit {bit} of byte {at} flipped"


def _digit_changed(content: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, str]:
    digits = np.flatnonzero((content >= ord("0")) & (content <= ord("9")))
    at = int(draw.choice(digits))
    content[at] = ord("0") + (content[at] - ord("0") + draw.integers(1, 10)) % 10
    return content, f"digit at {at} changed to {chr(content[at])}"


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, str]]] = {
    "emptied": lambda content, _: (content[:0], "emptied"),
    "truncated": _truncated,
    "block zeroed": _block_zeroed,
    "byte changed": _byte_changed,
    "bit flipped": _bit_flipped,
    "digit changed": _digit_changed,
}
