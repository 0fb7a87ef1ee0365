"""Prints progress bars, epoch lines and messages; nothing else in memgate prints."""

import contextlib
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeVar

from tqdm import tqdm

Form = Literal["terminal", "markdown", "json"]
"""Format of a report: plain text, GitHub's Markdown, or JSON."""

GATES_IN_A_LINE = 4
"""With more gates than this, an epoch's line shows means over the gates."""

_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that change the direction of writing."""

T = TypeVar("T")


def line(text: str = "") -> None:
    """Print a line of results on standard output."""
    print(printable(text), flush=True)


def note(text: str) -> None:
    """Print a line on standard output; a closed pipe or terminal is ignored, so that training continues."""
    with contextlib.suppress(OSError):
        line(text)


def warn(*texts: str) -> None:
    """Print each sentence as a line on standard error, after ``memgate:``; of a word without end, the beginning."""
    with contextlib.suppress(OSError):
        for text in texts:
            shortened = re.sub(r"(\S{200})\S{200,}", r"\1…", text)
            print(printable(f"memgate: {shortened}"), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """The text with control characters, which a terminal would obey, as Python's escapes.

    Names of classes, gates and files may come from somebody else. Line breaks and tabs stay; characters that change
    the direction of writing are replaced too.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character in "\n\t" or not (unicodedata.category(character) == "Cc" or character in _DIRECTIONS)
        else character.encode("unicode_escape").decode()
        for character in text
    )


def size_text(count: int) -> str:
    """A size in bytes as text with a unit.

    Example:
        >>> size_text(2_345_678)
        '2.3 MB'
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count} B"


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The same items, with a progress bar if standard error is a terminal."""
    return iter(
        tqdm(items, total=total, desc=printable(label), leave=False, disable=_no_bar(), dynamic_ncols=True)
    )


@contextlib.contextmanager
def counter(total: int, label: str) -> Iterator[Callable[[int], object]]:
    """A progress bar for work in steps of any size; yields a function to call with the amount of each step."""
    with tqdm(total=total, desc=printable(label), leave=False, disable=_no_bar(), dynamic_ncols=True) as bar:
        yield bar.update


def _no_bar() -> bool | None:
    """Whether no progress bar is drawn; None, which is tqdm's word for: unless standard error is a terminal."""
    return True if sys.stderr is None else None


def epoch_line(row: Mapping[str, float], epochs: int, gates: Iterable[str]) -> str:
    """One epoch as a line: learning rate, accuracies, per gate the mean g and the share routed, MACs, seconds.

    Of many gates it has the means, and how many are closed for all training samples (mean g of exactly 0).
    """
    parts = [f"epoch {int(row['epoch']):{len(str(epochs))}d}/{epochs}", f"lr {row['lr']:.4g}"]
    for split in ("train", "excluded", "val", "test"):
        accuracy = row.get(f"{split}_accuracy")
        if accuracy is not None and accuracy == accuracy:
            parts.append(f"{split} {accuracy:6.1%}")
    columns = {gate: (row.get(f"train_gate_{gate}"), row.get(f"train_routed_{gate}")) for gate in gates}
    values = {
        gate: (g, routed)
        for gate, (g, routed) in columns.items()
        if g is not None and routed is not None and g == g
    }
    if len(values) > GATES_IN_A_LINE:
        closed = sum(g == 0 for g, _ in values.values())
        means = [sum(column) / len(values) for column in zip(*values.values(), strict=True)]
        values = {f"{len(values)} gates{f' ({closed} closed for all)' * (closed > 0)}": (means[0], means[1])}
    parts += [f"{gate}: g {g:.3f}, routed {routed:4.0%}" for gate, (g, routed) in values.items()]
    macs = row.get("train_macs")
    if macs is not None and macs == macs:
        parts.append(f"{macs / 1e6:.1f} M MACs")
    return "  ".join([*parts, f"{row['seconds']:.1f} s"])
