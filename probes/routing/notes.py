"""Sentences below the tables of the routing probe: unfitted groups, the shuffled read-out, cost. No torch."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.result import ProbeResult
from probes.routing.routes import HARD, LEARNED, fit_lost, row_of, with_difference
from probes.stats.estimate import average, difference, percent, share


def few_fitted(result: ProbeResult, groups: Mapping[str, NDArray[np.bool_]]) -> list[str]:
    """A sentence for each kind of corruption that training has fitted less often than chance.

    Args:
        result: of this probe.
        groups: see :func:`probes.routing.table.rows_of`.
    """
    chance, sentences = 1 / result.config["classes"], []
    names = [name for name in groups if name in CORRUPTED_CAUSES or name.startswith("corrupted (")]
    for name in names if result.split == "train" else ():
        fitted = share(row_of(result, LEARNED)[groups[name]])
        if fitted.value is not None and fitted.value < chance:
            sentences.append(
                f"{name}: {percent(fitted)} fit their given label, fewer than by guessing ({chance:.1%}): hardly any "
                "is memorised, so there is little to locate."
            )
    return sentences


def shuffled_readout(result: ProbeResult) -> str:
    """A sentence with the share of shuffled labels that a read-out at o1 fits."""
    shuffled = result.config["shuffled"]
    hits = percent(share(np.arange(shuffled["samples"]) < shuffled["hits"]))
    chance = shuffled["most_frequent"] / shuffled["samples"]
    return f"A read-out at o1 of shuffled labels fits {hits} of them; naming the most frequent label, {chance:.1%}."


def cost(result: ProbeResult, truth_known: bool = True) -> list[str]:
    """Sentences with the MACs of one forward pass, and with what hard routing saves of them on these samples."""
    macs, gates, blocks = (result.config[name] for name in ("macs", "gates", "blocks"))
    after = ", ".join(f"{_millions(macs['after_o1'][name])} after {name}'s o1" for name in blocks)
    own = f" ({sum(macs['gates'].values()):,} in the gates)" if gates else ""
    total = f"MACs of one image: {_millions(macs['total'])} in all{own}{', ' if after else ''}{after}."
    if not gates:
        return [total]
    if result.config["tap"] == "o2":
        return [
            total,
            "The gate reads o2, so the block is computed before g is known: hard routing saves nothing.",
        ]
    skipped = ~result.values["hard_routed"]
    shares = ", ".join(f"{percent(share(row))} skip {name}" for name, row in zip(gates, skipped, strict=True))
    saved = np.array([macs["saved"][name] for name in gates]) @ skipped / macs["total"]
    mean = _millions(macs["total"] * (1 - saved.mean()))
    right = truth_known and not result.values["wrong_label"].any()
    fit = "accuracy" if right else "fit of the given label"
    price = with_difference(difference(fit_lost(result, LEARNED, HARD)))
    return [
        total,
        f"Under hard routing {shares}: {mean} on average, {percent(average(saved, (0, 1)))} of the MACs saved, at "
        f"{fit} {percent(share(row_of(result, HARD)))}; learned - hard {price} points.",
    ]


def _millions(macs: float) -> str:
    return f"{macs / 1e6:.2f} M"
