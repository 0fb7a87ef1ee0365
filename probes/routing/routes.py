"""Names of routes, cuts of a network at o1, and what they take from clean and from corrupted samples. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memgate.config.run import ModelConfig
from memgate.errors import require
from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.result import ProbeResult
from probes.stats.differences import Shares, paired_shares
from probes.stats.estimate import Estimate, difference, estimate, excess, points, share

PROBE = "routing"
"""Name of the probe and of its file."""

VARIANT = "intervention"
"""Variant under which results are stored."""

LEARNED, SKIP, THROUGH, HARD = "learned", "skip", "through", "hard"

READOUT_O1, READOUT_END = "read-out o1", "read-out end"
"""Predictions of a linear read-out (:mod:`probes.routing.readout`) at B3's o1, and of one at the head's input; no
routes through the network."""

OF_ALL, OF_FITTED, P_GIVEN = "fit, of all", "fit, of the fitted", "p(given)"
"""Measures of a cut: the share of all samples that lose their fit (less those that gain it), the share of the fitted
samples that lose it, and the mean loss of the given label's probability."""


def route_of(kind: str, gate: str, gates: Sequence[str]) -> str:
    """Name of the route that sets one gate alone: ``skip`` of the only gate, ``skip_b3`` of one of several."""
    return kind if len(gates) == 1 else f"{kind}_{gate}"


def blocks_of(model: ModelConfig) -> tuple[str, ...]:
    """Blocks that are cut after their first unit: the gated ones, or the last one; () where that has no o1."""
    last = list(model.units)[-1]
    return model.gate_names or ((last,) if model.has_o1(last) else ())


def check_blocks(name: str, model: ModelConfig) -> None:
    """Refuse a network with gates in every unit instead of over blocks.

    Args:
        name: of the run, for the message.
        model: its configuration.

    Raises:
        MemgateError: the gates are in every unit.
    """
    require(
        model.block_gated or not model.gate_names,
        f"{name} has gates in every unit ({model.name}), and probe routing forces gates over whole blocks: there is "
        "none to skip. Ask it by 'memgate probe csr', 'difficulty' or 'ood'.",
    )


def cut_point(model: ModelConfig) -> str:
    """Layer of the deepest cut, such as ``b3.1``, whose output is B3's o1 (:func:`probes.network.layers.points`)."""
    return f"{(blocks_of(model) or tuple(model.units))[-1]}.1"


@dataclass(frozen=True)
class Cut:
    """A part of the network that can be left out: two routes, with it and without it.

    A sample is *memorised* by the part if it fits its given label with it and not without it. A sample with a wrong
    given label is *recovered* if it fits that label with the part and is predicted as its clean label without it.
    """

    whole: str
    """Route with the part."""
    part: str
    """Route without the part."""
    memorised: str
    """Name of the result's column of memorised samples."""
    recovered: str
    """Name of the result's column of recovered samples."""

    @property
    def name(self) -> str:
        """``whole - part``."""
        return f"{self.whole} - {self.part}"


def cuts_of(blocks: Sequence[str]) -> tuple[Cut, ...]:
    """Every cut of a network; () for a network that has no unit beyond B3's o1.

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
    """One route's row of a column [n]; by default whether each sample fits its given label."""
    return result.values[name][list(result.config["routes"]).index(route)]


def fit_lost(result: ProbeResult, whole: str, part: str) -> NDArray[np.int8]:
    """Change of the fit from one route to another [n]: 1 the fit of the given label is lost, -1 gained, 0 neither."""
    return row_of(result, whole).astype(np.int8) - row_of(result, part)


def p_lost(result: ProbeResult, whole: str, part: str) -> NDArray[np.float64]:
    """Loss of the given label's probability from one route to another [n], in [-1, 1]."""
    return row_of(result, whole, "p_given").astype(np.float64) - row_of(result, part, "p_given")


def with_difference(change: Estimate) -> str:
    """A difference in percentage points with its interval, or the value alone where it has none."""
    if change.value is not None and change.low is None:
        return f"{100 * change.value:+.1f}"
    return points(change)


@dataclass(frozen=True)
class Contrast:
    """How much a cut takes from corrupted and from clean samples, by one measure."""

    cut: str
    """The difference of two routes; of two networks, how much larger it is in the first."""
    measure: str
    """One of :data:`OF_ALL`, :data:`OF_FITTED`, :data:`P_GIVEN`."""
    group: str
    """``corrupted``, or one cause where there are several."""
    clean: Estimate
    """Loss of the clean samples."""
    corrupted: Estimate
    """Loss of the group."""
    difference: Estimate
    """Loss of the group minus loss of the clean samples; above 0 the cut takes more from the group."""


def contrasts(result: ProbeResult, groups: Mapping[str, NDArray[np.bool_]]) -> tuple[Contrast, ...]:
    """Every cut's contrasts of corrupted and clean samples; () where one of the two groups is missing.

    Args:
        result: of this probe.
        groups: its groups, see :func:`probes.samples.probe_groups.probed_members`.
    """
    if "clean" not in groups or "corrupted" not in groups:
        return ()
    causes = [name for name in CORRUPTED_CAUSES if name in groups]
    return tuple(
        contrast
        for cut in cuts_of(result.config["blocks"])
        for group in ("corrupted", *(causes if len(causes) > 1 else ()))
        for contrast in _contrasts(result, cut, group, groups["clean"], groups[group])
    )


def _contrasts(
    result: ProbeResult, cut: Cut, group: str, clean: NDArray[np.bool_], corrupted: NDArray[np.bool_]
) -> tuple[Contrast, ...]:
    lost, fitted = fit_lost(result, cut.whole, cut.part), row_of(result, cut.whole)
    gone = [lost[mask & fitted] > 0 for mask in (clean, corrupted)]
    p = p_lost(result, cut.whole, cut.part)
    return (
        Contrast(cut.name, OF_ALL, group, *_beside(difference(lost[clean]), difference(lost[corrupted]))),
        Contrast(cut.name, OF_FITTED, group, *_beside(share(gone[0]), share(gone[1]))),
        Contrast(cut.name, P_GIVEN, group, *_beside(difference(p[clean]), difference(p[corrupted]))),
    )


def _beside(clean: Estimate, corrupted: Estimate) -> tuple[Estimate, Estimate, Estimate]:
    """The loss of the clean samples, that of the corrupted ones, and by how much the second exceeds the first."""
    return clean, corrupted, excess(corrupted, clean)


def against_control(
    result: ProbeResult, control: ProbeResult, groups: Mapping[str, NDArray[np.bool_]]
) -> tuple[Contrast, ...]:
    """Losses by each cut of a gated network minus losses by the same cut of its control, paired by sample.

    A cut of B3 is compared with the same kind of cut of the control's B3: skip with skip, read-outs with read-outs. A
    cut of B2 has no counterpart. Above 0 in :attr:`Contrast.difference`, more of what the gated network holds behind
    the cut is of corrupted samples than in the ungated one.

    Args:
        result: of the gated network.
        control: of an ungated one, on the same samples.
        groups: groups of the samples.
    """
    if "clean" not in groups or "corrupted" not in groups:
        return ()
    assert np.array_equal(result.sample_id, control.sample_id), "the samples are the same"
    clean, corrupted = groups["clean"], groups["corrupted"]
    control_cuts = {cut.memorised: cut for cut in cuts_of(control.config["blocks"])}
    rows = []
    for cut in cuts_of(result.config["blocks"]):
        if (other := control_cuts.get(cut.memorised)) is None:
            continue
        pair = (result, cut.whole, cut.part), (control, other.whole, other.part)
        lost = np.array([fit_lost(*routes) for routes in pair])
        p = np.array([p_lost(*routes) for routes in pair])
        gone, fitted = lost > 0, np.array([row_of(*routes[:2]) for routes in pair])
        of_fitted = (_share_change((gone[:, mask], fitted[:, mask])) for mask in (clean, corrupted))
        # A sample may lose its fit in one network and gain it in the other.
        more, p_more = (
            [difference(x[mask], 2) for mask in (clean, corrupted)] for x in (lost[0] - lost[1], p[0] - p[1])
        )
        rows += [
            Contrast(cut.name, OF_ALL, "corrupted", *_beside(*more)),
            Contrast(cut.name, OF_FITTED, "corrupted", *_beside(*of_fitted)),
            Contrast(cut.name, P_GIVEN, "corrupted", *_beside(*p_more)),
        ]
    return tuple(rows)


def _share_change(group: Shares) -> Estimate:
    """Difference of the shares of two networks, paired by sample."""
    return estimate(*paired_shares(group), group[0].shape[1])
