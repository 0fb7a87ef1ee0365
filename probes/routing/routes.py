"""Names of routes, and what cutting a network at o1 takes away: from clean samples, from corrupted ones. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memgate.config.run import ModelConfig
from memgate.errors import require
from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.result import ProbeResult
from probes.stats.bootstrap import paired_shares
from probes.stats.estimate import Estimate, average, difference, estimate, share
from probes.stats.intervals import welch_interval

PROBE = "routing"
"""Name of the probe and of its file."""

VARIANT = "intervention"

LEARNED, SKIP, THROUGH, HARD = "learned", "skip", "through", "hard"

READOUT_O1, READOUT_END = "read-out o1", "read-out end"
"""Not routes through the network: what a linear read-out (:mod:`probes.routing.readout`) at B3's o1 answers, and
one where the head reads."""

OF_ALL, OF_FITTED, P_GIVEN = "fit, of all", "fit, of the fitted", "p(given)"
"""What a cut takes: the fit of how many samples, of how many of those that fit, or how much probability."""


def route_of(kind: str, gate: str, gates: Sequence[str]) -> str:
    """The route that treats one gate alone: ``skip`` of the only gate, ``skip_b3`` of one of several."""
    return kind if len(gates) == 1 else f"{kind}_{gate}"


def blocks_of(model: ModelConfig) -> tuple[str, ...]:
    """Blocks that are cut after their first unit: the gated ones, or the last; none where that is its only unit."""
    last = list(model.units)[-1]
    return model.gate_names or ((last,) if model.units[last] > 1 else ())


def check_blocks(name: str, model: ModelConfig) -> None:
    """Refuse a run, of this name, whose gates are not over blocks.

    Raises:
        MemgateError: they are in every unit.
    """
    require(
        not model.layer_gated,
        f"{name} has gates in every unit ({model.name}), and probe routing forces gates over whole blocks: there is "
        "none to skip. Ask it by 'memgate probe csr', 'difficulty' or 'ood'.",
    )


def cut_point(model: ModelConfig) -> str:
    """Where the deepest of these cuts is, as a point of ``network.features``: ``b3.1``, whose output is B3's o1."""
    return f"{(blocks_of(model) or tuple(model.units))[-1]}.1"


@dataclass(frozen=True)
class Cut:
    """Something a network can do without.

    *Memorised* is a sample that fits its given label with it and not without it. *Recovered* is one with a wrong given
    label that fits it with it, and is predicted as its clean label without it.
    """

    whole: str
    """Route with it."""
    part: str
    """Route without it."""
    memorised: str
    """Column of who is memorised."""
    recovered: str
    """Column of who is recovered."""

    @property
    def name(self) -> str:
        """As a difference."""
        return f"{self.whole} - {self.part}"


def cuts_of(blocks: Sequence[str]) -> tuple[Cut, ...]:
    """Every cut of a network; () for one that has nothing beyond B3's o1.

    Args:
        blocks: of :func:`blocks_of`.
    """
    routes = {block: route_of(SKIP, block, blocks) for block in blocks}
    skips = [
        Cut(LEARNED, route, f"memorised_by_{block}", f"recovered_by_{route}")
        for block, route in routes.items()
    ]
    read = Cut(READOUT_END, READOUT_O1, "memorised_beyond_o1", "recovered_at_o1")
    return (*skips, read) if skips else ()


def row_of(result: ProbeResult, route: str, name: str = "fits_given") -> NDArray:
    """A column of one route [n]; by default who fits its given label."""
    return result.values[name][list(result.config["routes"]).index(route)]


def fit_lost(result: ProbeResult, whole: str, part: str) -> NDArray[np.int8]:
    """What one route has from another [n]: 1 the fit of the given label is lost, -1 gained, 0 neither."""
    return row_of(result, whole).astype(np.int8) - row_of(result, part)


def p_lost(result: ProbeResult, whole: str, part: str) -> NDArray[np.float64]:
    """The probability of the given label that is lost from one route to another [n], in [-1, 1]."""
    return row_of(result, whole, "p_given").astype(np.float64) - row_of(result, part, "p_given")


@dataclass(frozen=True)
class Contrast:
    """Whether a cut takes more from corrupted samples than from clean ones."""

    cut: str
    """The difference of two routes; of two networks, how much larger it is in the first."""
    measure: str
    """Of what: :data:`OF_ALL`, :data:`OF_FITTED` or :data:`P_GIVEN`."""
    group: str
    """``corrupted``, or one cause where there are several."""
    clean: Estimate
    """What clean samples lose."""
    corrupted: Estimate
    """What the group loses."""
    difference: Estimate
    """Of the group minus of the clean ones; above 0 the cut takes more from the group."""


def contrasts(result: ProbeResult, inside: Mapping[str, NDArray[np.bool_]]) -> tuple[Contrast, ...]:
    """Every cut's contrasts of corrupted and clean samples; () where the split has not both.

    Args:
        result: of this probe.
        inside: its groups, see :func:`probes.samples.probe_groups.probed_members`.
    """
    if "clean" not in inside or "corrupted" not in inside:
        return ()
    causes = [name for name in CORRUPTED_CAUSES if name in inside]
    return tuple(
        one
        for cut in cuts_of(result.config["blocks"])
        for group in ("corrupted", *(causes if len(causes) > 1 else ()))
        for one in _contrasts(result, cut, group, inside["clean"], inside[group])
    )


def _contrasts(
    result: ProbeResult, cut: Cut, group: str, clean: NDArray[np.bool_], corrupted: NDArray[np.bool_]
) -> tuple[Contrast, ...]:
    lost, fitted = fit_lost(result, cut.whole, cut.part), row_of(result, cut.whole)
    gone = [lost[who & fitted] > 0 for who in (clean, corrupted)]
    of_fitted = share(gone[0]), share(gone[1]), difference(gone[1], gone[0])
    return (
        Contrast(cut.name, OF_ALL, group, *_fit(lost, clean, corrupted)),
        Contrast(cut.name, OF_FITTED, group, *of_fitted),
        Contrast(cut.name, P_GIVEN, group, *_mean(p_lost(result, cut.whole, cut.part), clean, corrupted)),
    )


def _fit(
    lost: NDArray, clean: NDArray[np.bool_], corrupted: NDArray[np.bool_]
) -> tuple[Estimate, Estimate, Estimate]:
    return difference(lost[clean]), difference(lost[corrupted]), difference(lost[corrupted], lost[clean])


def _mean(
    lost: NDArray, clean: NDArray[np.bool_], corrupted: NDArray[np.bool_]
) -> tuple[Estimate, Estimate, Estimate]:
    """By Student's and Welch's intervals: the bootstrap would be slow for values that are all different."""
    apart = estimate(*welch_interval(lost[corrupted], lost[clean]), int((clean | corrupted).sum()))
    return average(lost[clean]), average(lost[corrupted]), apart


def against_control(
    result: ProbeResult, control: ProbeResult, inside: Mapping[str, NDArray[np.bool_]]
) -> tuple[Contrast, ...]:
    """What each cut takes in a gated network minus what the same cut takes in a control, sample by sample.

    A cut of B3 is set beside the same kind of cut of the control's B3: skip beside skip, read-outs beside read-outs. A
    cut of B2 has none. Above 0 in :attr:`Contrast.difference` the gated network holds more of the corrupted samples
    behind the cut, of what it holds there at all, than the ungated one does.

    Args:
        result: of the gated network.
        control: of an ungated one, on the same samples.
        inside: groups of the samples.
    """
    if "clean" not in inside or "corrupted" not in inside:
        return ()
    assert np.array_equal(result.sample_id, control.sample_id), "the samples are the same"
    clean, corrupted = inside["clean"], inside["corrupted"]
    same = {cut.memorised: cut for cut in cuts_of(control.config["blocks"])}
    found = []
    for mine in cuts_of(result.config["blocks"]):
        if (theirs := same.get(mine.memorised)) is None:
            continue
        pair = (result, mine.whole, mine.part), (control, theirs.whole, theirs.part)
        lost = np.array([fit_lost(*one) for one in pair])
        p = np.array([p_lost(*one) for one in pair])
        gone, fitted = lost > 0, np.array([row_of(*one[:2]) for one in pair])
        shares = [(gone[:, who], fitted[:, who]) for who in (corrupted, clean)]
        of_fitted = (
            estimate(*paired_shares(*groups), sum(hits.shape[1] for hits, _ in groups))
            for groups in ([shares[1]], [shares[0]], shares)
        )
        found += [
            Contrast(mine.name, OF_ALL, "corrupted", *_fit(lost[0] - lost[1], clean, corrupted)),
            Contrast(mine.name, OF_FITTED, "corrupted", *of_fitted),
            Contrast(mine.name, P_GIVEN, "corrupted", *_mean(p[0] - p[1], clean, corrupted)),
        ]
    return tuple(found)
