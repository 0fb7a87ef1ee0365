"""Which samples of a split are meant: by what was done to them, where a gate sends them, and their class."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noise.manifest.manifest import CORRUPTED_CAUSES

Route = Literal["all", "routed", "skipped"]


@dataclass(frozen=True)
class Filter:
    """Conditions that a sample has to meet, all of them."""

    cause: str = "all"
    """``all``, ``clean``, ``corrupted`` (any cause) or one cause."""
    route: Route = "all"
    """Where one gate sends it at one epoch."""
    classes: tuple[int, ...] = ()
    """Its clean label is one of these; empty for any."""

    def matching(
        self,
        cause: NDArray[np.str_],
        clean_label: NDArray[np.integer],
        routed: NDArray[np.bool_],
        seen: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Which samples meet it: bool [N].

        Args:
            cause: [N].
            clean_label: [N].
            routed: [N] g > 0.5 at the epoch in question.
            seen: [N] whether that epoch has seen the sample; one that it has not seen took neither route.
        """
        found = of_cause(cause, self.cause)
        if self.route != "all":
            found = found & seen & (routed == (self.route == "routed"))
        if self.classes:
            found = found & np.isin(clean_label, self.classes)
        return found


def of_cause(cause: NDArray[np.str_], wanted: str) -> NDArray[np.bool_]:
    """Which samples [N] have a cause; ``all`` and ``corrupted`` pool several."""
    if wanted == "all":
        return np.ones(len(cause), bool)
    return cause != "clean" if wanted == "corrupted" else cause == wanted


def causes_to_ask(cause: NDArray[np.str_]) -> list[str]:
    """The causes that make a difference for these samples, ``all`` first."""
    present = [name for name in CORRUPTED_CAUSES if (cause == name).any()]
    if not present:
        return ["all"]
    pooled = ["corrupted"] if len(present) > 1 else []
    clean = ["clean"] if (cause == "clean").any() else []
    return ["all", *clean, *pooled, *present]
