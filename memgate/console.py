"""Progress bars, epoch lines and messages: the only place that prints."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeVar

from tqdm import tqdm

Form = Literal["terminal", "markdown", "json"]
"""How a report is written: plain text, GitHub's Markdown, or JSON."""

GATES_IN_A_LINE = 4
"""Of more gates than these an epoch's line tells the means."""

T = TypeVar("T")


def line(text: str = "") -> None:
    """One result line, on standard output."""
    print(text, flush=True)


def note(text: str) -> None:
    """A line of a training that goes on although nobody reads it any more (a closed pipe or terminal)."""
    with contextlib.suppress(OSError):
        line(text)


def warn(text: str) -> None:
    """One sentence the user should know, on standard error."""
    with contextlib.suppress(OSError):
        print(f"memgate: {text}", file=sys.stderr, flush=True)


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The items, with a bar while they are consumed on a terminal, and nothing elsewhere."""
    return iter(tqdm(items, total=total, desc=label, leave=False, disable=None, dynamic_ncols=True))


@contextlib.contextmanager
def counter(total: int, label: str) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal, for work that does not come one by one: call what it gives with what is newly done."""
    with tqdm(total=total, desc=label, leave=False, disable=None, dynamic_ncols=True) as bar:
        yield bar.update


def epoch_line(row: Mapping[str, float], epochs: int, gates: Iterable[str]) -> str:
    """One epoch in one line: accuracies, mean gate and share routed on the training split, seconds."""
    parts = [f"epoch {int(row['epoch']):{len(str(epochs))}d}/{epochs}", f"lr {row['lr']:.4g}"]
    for split in ("train", "val", "test"):
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
        means = [sum(column) / len(values) for column in zip(*values.values(), strict=True)]
        values = {f"{len(values)} gates": (means[0], means[1])}
    parts += [f"{gate}: g {g:.3f}, routed {routed:4.0%}" for gate, (g, routed) in values.items()]
    return "  ".join([*parts, f"{row['seconds']:.1f} s"])
