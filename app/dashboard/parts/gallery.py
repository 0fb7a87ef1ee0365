"""The gallery's presets: which samples, in which order. Pure functions and records."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from probes.samples.filters import Filter, Route


@dataclass(frozen=True)
class Preset:
    """A question to which an order of samples is the answer."""

    name: str
    """In the URL."""
    title: str
    meaning: str
    """One sentence: who is shown, and who comes first."""
    column: str = ""
    """The score that decides; empty where none does."""
    form: str = ""
    """How a tile says its score."""
    largest: bool = True
    """Whether the largest value comes first."""
    cause: Literal["all", "clean", "corrupted"] = "all"
    route: Route = "all"
    """Where the gate sends the sample at the cursor's epoch."""
    above: float = -np.inf
    """Only samples with a larger value."""

    def members(
        self,
        cause: NDArray[np.str_],
        routed: NDArray[np.bool_],
        seen: NDArray[np.bool_],
        values: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Who is meant: bool [N]; who has no value is not.

        Args:
            cause: [N].
            routed: [N] at the cursor's epoch.
            seen: [N] likewise.
            values: [N] of the column.
        """
        labels = np.zeros(len(cause), np.int64)  # of whatever class
        return Filter(self.cause, self.route).matching(cause, labels, routed, seen) & (values > self.above)


GATED = (
    Preset("clean-routed", "Clean but routed", "Clean samples that the gate routes through its block at this epoch, "
           "the highest g first.", "gate_last", "g {:.3f}", cause="clean", route="routed"),
    Preset("corrupted-skipped", "Corrupted but skipped", "Corrupted samples that the gate sends past its block at "
           "this epoch, the lowest g first.", "gate_last", "g {:.3f}", largest=False, cause="corrupted",
           route="skipped"),
    Preset("flips", "Most route flips", "Samples whose route changed most often between the logged epochs.",
           "route_flips", "{:.0f} flips", above=0),
    Preset("longest", "Longest routed", "Samples routed through the block in most epochs.", "routed_epochs",
           "{:.0f} epochs", above=0),
)  # fmt: skip
"""Of a network with a gate."""

MEMORISED = Preset(
    "memorised", "Memorised by the block", "Corrupted samples that the network fits with the block and no longer "
    "where it is skipped, by the routing probe; first whose given label loses most probability.", "memorised",
    "p {:+.2f}", largest=False, cause="corrupted",
)  # fmt: skip
LEARNING = (
    Preset("clean-hard", "Clean, highest loss", "Clean samples, the highest mean loss first: atypical ones, or labels "
           "that were wrong before anything was done.", "loss_mean", "loss {:.2f}", cause="clean"),
    Preset("corrupted-easy", "Corrupted, lowest loss", "Corrupted samples, the lowest mean loss first: memorised at "
           "once, or not wrong at all.", "loss_mean", "loss {:.2f}", largest=False, cause="corrupted"),
    Preset("forgotten", "Most forgotten", "Samples that went from right to wrong most often.", "forgetfulness",
           "{:.0f} times", above=0),
)  # fmt: skip
"""Of any network."""

CRITICAL = Preset(
    "critical", "Critical samples", "Probed samples, the smallest estimated distance to the decision boundary first "
    "(in grey levels).", "critical_radius", "r {:.3f}", largest=False,
)  # fmt: skip
HARDEST = Preset("hardest", "Hardest by a score", "The hardest first by the score that is chosen.")
SELECTION = Preset("selection", "The selection", "The selected samples that pass the filter, by their id.")
RANDOM = Preset(
    "random", "Random", "A draw from all that pass the filter: the same for the same run and seed."
)


NAMES = tuple(one.name for one in (*GATED, MEMORISED, *LEARNING, CRITICAL, HARDEST, SELECTION, RANDOM))
"""Of all presets, in the URL."""


def presets(
    gated: bool, cause: NDArray[np.str_], critical: bool, selected: bool, network: bool = True
) -> dict[str, Preset]:
    """The presets that make sense for a split, by name.

    Args:
        gated: whether there is a gate.
        cause: [N] of all samples.
        critical: whether there are critical radii, or a network that can be asked for them.
        selected: whether samples are selected.
        network: whether there is a network that can be asked what it says without a block.
    """
    clean = cause == "clean"
    there = {"all": True, "clean": bool(clean.any()), "corrupted": not clean.all()}
    held = (MEMORISED,) if gated and network else ()
    offered = [*(GATED if gated else ()), *held, *LEARNING, *((CRITICAL,) if critical else ()), HARDEST]
    offered += [*((SELECTION,) if selected else ()), RANDOM]
    return {one.name: one for one in offered if there[one.cause]}


def ordered(
    ids: NDArray[np.integer], members: NDArray[np.bool_], values: NDArray[np.float64], largest: bool
) -> NDArray[np.int64]:
    """Ids of some samples by a score, ties by rising id.

    Args:
        ids: [N].
        members: [N] who is meant; who has no value (NaN) is left out.
        values: [N].
        largest: whether the largest comes first.
    """
    kept = np.flatnonzero(members & ~np.isnan(values))
    order = np.lexsort((ids[kept], -values[kept] if largest else values[kept]))
    return ids[kept[order]].astype(np.int64)


def drawn(ids: NDArray[np.integer], run: str, split: str, seed: int) -> NDArray[np.int64]:
    """Ids in a random order that depends on the run's name, the split and the seed alone, not on the order given."""
    digest = hashlib.sha256(f"{run}\n{split}\n{seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    return rng.permutation(np.sort(ids)).astype(np.int64)


def pages(count: int, size: int) -> int:
    """How many pages so many samples fill; one for none."""
    return max(1, -(-count // size))


def number(form: str, value: float) -> str:
    """A value under a tile; ``never`` for what has not happened (an infinite hardness)."""
    if np.isnan(value):
        return "–"
    return "never" if np.isinf(value) else form.format(value)
