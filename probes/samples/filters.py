"""Select samples of a split by cause of corruption, route and class."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noise.manifest.manifest import CORRUPTED_CAUSES

Route = Literal["all", "routed", "skipped"]


@dataclass(frozen=True)
class Filter:
    """Conditions on a sample, all of which must hold.

    Example:
        >>> import numpy as np, probes
        >>> cause = np.array(["clean", "label", "image"])
        >>> labels, seen, routed = np.array([0, 0, 1]), np.ones(3, bool), np.array([False, True, True])
        >>> probes.Filter(cause="corrupted", route="routed", classes=(0,)).matching(cause, labels, routed, seen)
        array([False,  True, False])
    """

    cause: str = "all"
    """``all``, ``clean``, ``corrupted`` (any cause) or one cause."""
    route: Route = "all"
    """Route of the sample at one gate and epoch."""
    classes: tuple[int, ...] = ()
    """Allowed clean labels; empty for all."""

    def matching(
        self,
        cause: NDArray[np.str_],
        clean_label: NDArray[np.integer],
        routed: NDArray[np.bool_],
        seen: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """The samples that meet the conditions, bool [N].

        Args:
            cause: [N] one of :data:`noise.manifest.manifest.CAUSES` for each sample.
            clean_label: [N].
            routed: [N] g > 0.5 at the epoch considered.
            seen: [N] whether the sample was seen in that epoch; an unseen sample took neither route.
        """
        matches = of_cause(cause, self.cause)
        if self.route != "all":
            matches = matches & seen & (routed == (self.route == "routed"))
        if self.classes:
            matches = matches & np.isin(clean_label, self.classes)
        return matches


def of_cause(cause: NDArray[np.str_], wanted: str) -> NDArray[np.bool_]:
    """The samples with a cause, bool [N]; ``all`` and ``corrupted`` stand for several causes."""
    if wanted == "all":
        return np.ones(len(cause), bool)
    return cause != "clean" if wanted == "corrupted" else cause == wanted


def causes_to_ask(cause: NDArray[np.str_]) -> list[str]:
    """The values of :attr:`Filter.cause` that select different samples here, ``all`` first."""
    present = [name for name in CORRUPTED_CAUSES if (cause == name).any()]
    if not present:
        return ["all"]
    pooled = ["corrupted"] if len(present) > 1 else []
    clean = ["clean"] if (cause == "clean").any() else []
    return ["all", *clean, *pooled, *present]
