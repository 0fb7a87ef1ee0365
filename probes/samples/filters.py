"""Selection of samples of a split by cause of corruption, route through a gate, and class."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from memgate.errors import require
from noise.manifest.manifest import CORRUPTED_CAUSES

Split = Literal["train", "val", "test", "val_corrupted", "test_corrupted"]
Cause = Literal["all", "clean", "corrupted", "label", "image", "label+image", "open"]
Route = Literal["all", "routed", "skipped"]


@dataclass(frozen=True)
class Filter:
    """Conditions on a sample; a sample is selected if it meets all of them.

    Example:
        >>> import numpy as np
        >>> cause = np.array(["clean", "label", "clean"])
        >>> routed = np.array([True, True, False])
        >>> Filter(cause="clean", route="routed").matching(cause, np.arange(3), routed, np.ones(3, bool)).tolist()
        [True, False, False]
    """

    # The docstrings of the fields are the help texts of the command line.
    cause: Cause = "all"
    """Only samples with this cause of corruption; corrupted: any cause."""
    route: Route = "all"
    """Only samples that a gate routes through its block (g > 0.5), or that skip it."""
    classes: tuple[str | int, ...] = ()
    """Only samples whose clean label is one of these classes, by number or name. Empty: any."""

    def __post_init__(self) -> None:
        for name, kind in (("cause", Cause), ("route", Route)):
            value, known = getattr(self, name), get_args(kind)
            require(value in known, f"{name} {value!r} is none of {', '.join(known)}: choose one of these.")
        require(
            not isinstance(self.classes, str),
            f"classes is the text {self.classes!r} and must be a tuple: ({self.classes!r},).",
        )

    def matching(
        self,
        cause: NDArray[np.str_],
        clean_label: NDArray[np.integer],
        routed: NDArray[np.bool_],
        seen: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Whether each sample meets the conditions, bool [N]; classes must be numbers, see :meth:`numbered`.

        Args:
            cause: [N] cause of corruption.
            clean_label: [N] class number.
            routed: [N] g > 0.5 at the epoch in question.
            seen: [N] whether that epoch has seen the sample; a sample it has not seen was neither routed nor skipped.
        """
        mask = of_cause(cause, self.cause)
        if self.route != "all":
            mask = mask & seen & (routed == (self.route == "routed"))
        if self.classes:
            mask = mask & np.isin(clean_label, [int(number) for number in self.classes])
        return mask

    def numbered(self, class_names: Sequence[str]) -> "Filter":
        """The same filter with every class as its number.

        Args:
            class_names: [K] names of the classes.

        Raises:
            MemgateError: there is no such class.
        """
        return replace(self, classes=class_numbers(self.classes, class_names))


def class_numbers(classes: Sequence[str | int], class_names: Sequence[str]) -> tuple[int, ...]:
    """Numbers of classes that are given by number or name; a name that reads like a number is a name.

    Args:
        classes: numbers, names, or numbers as text.
        class_names: [K] names of the classes.

    Raises:
        MemgateError: there is no such class.
    """
    numbers = []
    for item in classes:
        name = str(item)
        number = int(name) if name.isascii() and name.isdecimal() else -1
        if isinstance(item, str) and name in class_names:
            number = list(class_names).index(name)
        require(
            0 <= number < len(class_names),
            f"--classes {name[:80]}: the classes are 0 to {len(class_names) - 1}, {', '.join(class_names[:20])}"
            + (", ..." if len(class_names) > 20 else "."),
        )
        numbers.append(number)
    return tuple(numbers)


def of_cause(cause: NDArray[np.str_], wanted: str) -> NDArray[np.bool_]:
    """Whether each sample has a cause, bool [N]; ``all`` and ``corrupted`` pool several causes."""
    if wanted == "all":
        return np.ones(len(cause), bool)
    return cause != "clean" if wanted == "corrupted" else cause == wanted


def causes_to_ask(cause: NDArray[np.str_]) -> list[str]:
    """The causes that select different samples of these [N], ``all`` first."""
    present = [name for name in CORRUPTED_CAUSES if (cause == name).any()]
    if not present:
        return ["all"]
    pooled = ["corrupted"] if len(present) > 1 else []
    clean = ["clean"] if (cause == "clean").any() else []
    return ["all", *clean, *pooled, *present]
