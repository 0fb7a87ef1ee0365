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

NAME, NUMBER = "name=", "number="
"""Beginnings of a text that says whether a class is given by name or by number."""


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
    """Only samples whose clean label is one of these classes, by number or name; name=TEXT or number=N where a text is
    the name of one class and the number of another. Empty: any."""

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
        known: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Whether each sample meets the conditions, bool [N]; classes must be numbers, see :meth:`numbered`.

        Args:
            cause: [N] cause of corruption.
            clean_label: [N] class number.
            routed: [N] g > 0.5 at the epoch in question.
            known: [N] whether the route at that epoch is known; a sample that it has not seen, or whose g is NaN, is
                neither routed nor skipped.
        """
        mask = of_cause(cause, self.cause)
        if self.route != "all":
            mask = mask & known & (routed == (self.route == "routed"))
        if self.classes:
            mask = mask & np.isin(clean_label, [int(number) for number in self.classes])
        return mask

    def numbered(self, class_names: Sequence[str]) -> "Filter":
        """The same filter with every class as its number.

        Args:
            class_names: [K] names of the classes.

        Raises:
            MemgateError: there is no such class, or a text can mean several.
        """
        return replace(self, classes=class_numbers(self.classes, class_names))

    def recorded(self, class_names: Sequence[str]) -> "Filter":
        """The same filter with every class as :func:`class_texts` writes it, for a record or a command line.

        Args:
            class_names: [K] names of the classes.

        Raises:
            MemgateError: as :meth:`numbered` does.
        """
        return replace(self, classes=class_texts(self.numbered(class_names).classes, class_names))  # pyright: ignore[reportArgumentType]


def class_numbers(classes: Sequence[str | int], class_names: Sequence[str]) -> tuple[int, ...]:
    """Numbers of classes; the one reading of classes for every flag and argument that takes them.

    Args:
        classes: integers are numbers. A text is the name of a class, or a number in digits; where it is the name of
            one class and the number of another, it is refused, and ``name=TEXT`` or ``number=TEXT`` says which is
            meant.
        class_names: [K] names of the classes.

    Raises:
        MemgateError: there is no such class, or a text can mean several.
    """
    return tuple(_class_number(item, class_names) for item in classes)


def class_texts(numbers: Sequence[int], class_names: Sequence[str]) -> tuple[str | int, ...]:
    """Classes for a record or a command line, which :func:`class_numbers` reads as the same ``numbers`` [n].

    Returns:
        The number itself, or ``number=N`` where N alone could be taken for the name of another class.
    """
    return tuple(
        number if _readings(str(number), class_names) == [number] else f"{NUMBER}{number}"
        for number in numbers
    )


def _class_number(item: str | int, names: Sequence[str]) -> int:
    """The number of one class; raises MemgateError."""
    text = str(item)
    readings = _readings(text, names) if isinstance(item, str) else _by_number(text, names)
    require(
        bool(readings),
        f"--classes {text[:80]}: the classes are 0 to {len(names) - 1}, {', '.join(names[:20])}"
        + (", ..." if len(names) > 20 else "."),
    )
    meanings = " or ".join(f"class {number} (named {names[number][:80]!r})" for number in readings[:3])
    remedies = " or ".join(f"{NUMBER}{number}" for number in readings[:3])
    require(len(readings) == 1, f"--classes {text[:80]} can mean {meanings}: give {remedies}.")
    return readings[0]


def _readings(text: str, names: Sequence[str]) -> list[int]:
    """Numbers of the classes that a text can mean, each once."""
    readings = [*_by_name(text, names), *_by_number(text, names)]
    if text.startswith(NUMBER):
        readings += _by_number(text.removeprefix(NUMBER), names)
    if text.startswith(NAME):
        readings += _by_name(text.removeprefix(NAME), names)
    return list(dict.fromkeys(readings))


def _by_name(text: str, names: Sequence[str]) -> list[int]:
    """Numbers of the classes of a name; several only in runs that were made before names had to be distinct."""
    return [number for number, name in enumerate(names) if name == text]


def _by_number(text: str, names: Sequence[str]) -> list[int]:
    """The number in a text of digits as a list, empty unless there is a class of that number."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= 10
    return [int(text)] if is_number and int(text) < len(names) else []


def of_cause(cause: NDArray[np.str_], wanted: str) -> NDArray[np.bool_]:
    """Whether each sample has a cause, bool [N]; ``all`` and ``corrupted`` pool several causes."""
    if wanted == "all":
        return np.ones(len(cause), bool)
    return np.isin(cause, CORRUPTED_CAUSES) if wanted == "corrupted" else cause == wanted


def causes_to_ask(cause: NDArray[np.str_]) -> list[str]:
    """The causes that select different samples of these [N], ``all`` first."""
    present = [name for name in CORRUPTED_CAUSES if (cause == name).any()]
    if not present:
        return ["all"]
    pooled = ["corrupted"] if len(present) > 1 else []
    clean = ["clean"] if (cause == "clean").any() else []
    return ["all", *clean, *pooled, *present]
