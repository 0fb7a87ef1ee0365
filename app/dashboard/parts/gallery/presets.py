"""Presets of the gallery: which samples, in which order. Pure functions and records."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from probes.samples.filters import Filter, Route, of_cause
from probes.stats.estimate import short


@dataclass(frozen=True)
class Preset:
    """A choice of samples and their order."""

    name: str
    """In the URL."""
    title: str
    meaning: str
    """One sentence: which samples are shown, and which come first."""
    column: str = ""
    """The score that orders the samples; empty for none."""
    form: str = ""
    """Format of the score under a tile."""
    largest: bool = True
    """Whether the largest value comes first."""
    cause: Literal["all", "clean", "corrupted"] = "all"
    route: Route = "all"
    """Route of the samples at the epoch shown."""
    above: float = -np.inf
    """Only samples with a larger value."""

    def members(
        self,
        cause: NDArray[np.str_],
        routed: NDArray[np.bool_],
        known: NDArray[np.bool_],
        values: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Samples of the preset, bool [N]; a sample without a value is left out.

        Args:
            cause: [N].
            routed: [N] at the epoch shown.
            known: [N] whether that route is known.
            values: [N] of the column.
        """
        labels = np.zeros(len(cause), np.int64)  # the filter asks for no class
        return Filter(self.cause, self.route).matching(cause, labels, routed, known) & (values > self.above)


GATED = (
    Preset("clean-routed", "Clean but routed", "Clean samples that are routed through the block at this epoch, "
           "the highest g first.", "gate_last", "g {:.3f}", cause="clean", route="routed"),
    Preset("corrupted-skipped", "Corrupted but skipped", "Corrupted samples that skip the block at this epoch, "
           "the lowest g first.", "gate_last", "g {:.3f}", largest=False, cause="corrupted",
           route="skipped"),
    Preset("flips", "Most route flips", "Samples whose route changes most often between logged epochs.",
           "route_flips", "{:.0f} flips", above=0),
    Preset("longest", "Longest routed", "Samples routed through the block in most epochs.", "routed_epochs",
           "{:.0f} epochs", above=0),
)  # fmt: skip
"""Presets of a network with a gate."""

MEMORISED = Preset(
    "memorised", "Memorised by the block", "Corrupted samples that are fitted with the block and not where it is "
    "skipped, by the routing probe; largest drop in p(given label) first.", "memorised",
    "p {:+.2f}", largest=False, cause="corrupted",
)  # fmt: skip
LEARNING = (
    Preset("clean-hard", "Clean, highest loss", "Clean samples, the highest mean loss first: atypical, or labels that "
           "were wrong before corruption.", "loss_mean", "loss {:.2f}", cause="clean"),
    Preset("corrupted-easy", "Corrupted, lowest loss", "Corrupted samples, the lowest mean loss first: memorised "
           "early, or not wrong at all.", "loss_mean", "loss {:.2f}", largest=False, cause="corrupted"),
    Preset("forgotten", "Most forgotten", "Samples that were forgotten (right, then wrong) most often.",
           "forgetfulness", "{:.0f} times", above=0),
)  # fmt: skip
"""Presets of any network."""

CRITICAL = Preset(
    "critical", "Critical samples", "Probed samples, the smallest estimated distance to the decision boundary first "
    "(in grey levels).", "critical_radius", "r {:.3f}", largest=False,
)  # fmt: skip
HARDEST = Preset("hardest", "Hardest by a score", "The hardest samples first, by the chosen score.")
SELECTION = Preset("selection", "The selection", "The selected samples that pass the filter, by id.")
RANDOM = Preset(
    "random", "Random", "Samples that pass the filter in random order: the same for the same run and seed."
)


NAMES = tuple(one.name for one in (*GATED, MEMORISED, *LEARNING, CRITICAL, HARDEST, SELECTION, RANDOM))
"""Names of all presets, in the URL."""


def presets(
    gated: bool, cause: NDArray[np.str_], critical: bool, selected: bool, network: bool = True
) -> dict[str, Preset]:
    """Presets that apply to a split, by name.

    Args:
        gated: whether there is a gate.
        cause: [N] of all samples.
        critical: whether there are critical radii, or a network that can be probed for them.
        selected: whether samples are selected.
        network: whether there is a network that the routing probe can be run on.
    """
    present = {name: bool(of_cause(cause, name).any()) for name in ("all", "clean", "corrupted")}
    memorised = (MEMORISED,) if gated and network else ()
    offered = [*(GATED if gated else ()), *memorised, *LEARNING, *((CRITICAL,) if critical else ()), HARDEST]
    offered += [*((SELECTION,) if selected else ()), RANDOM]
    return {one.name: one for one in offered if present[one.cause]}


def ordered(
    ids: NDArray[np.integer], members: NDArray[np.bool_], values: NDArray[np.float64], largest: bool
) -> NDArray[np.int64]:
    """Ids of samples in the order of a score, ties by rising id.

    Args:
        ids: [N].
        members: [N] which samples; those without a value (NaN) are left out.
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
    """Number of pages for ``count`` samples; one for none."""
    return max(1, -(-count // size))


def number(form: str, value: float, timed: bool = True) -> str:
    """Text of a value under a tile; ``never`` for an event that has not happened (an infinite hardness).

    Args:
        form: format of a finite value; empty for four significant digits.
        value: the value.
        timed: whether the score times or counts an event; of other scores (a loss), an infinite value is ``∞``.
    """
    if np.isnan(value):
        return "–"
    return (
        ("never" if timed else "∞") if np.isinf(value) else (form.format(value) if form else short(value, 4))
    )
