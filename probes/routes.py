"""Names of routes, and what cutting a network at o1 takes away: from clean samples, from corrupted ones. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noise.manifest import CORRUPTED_CAUSES
from probes.groups import Estimate, difference, share
from probes.result import ProbeResult

PROBE = "routing"
"""Name of the probe and of its file."""

VARIANT = "intervention"

LEARNED, SKIP, THROUGH, HARD = "learned", "skip", "through", "hard"

READOUT = "read-out"
"""Not a route through the network: what a linear read-out at B3's o1 answers (:mod:`probes.readout`)."""


def route_of(kind: str, gate: str, gates: Sequence[str]) -> str:
    """The route that treats one gate alone: ``skip`` of the only gate, ``skip_b3`` of one of several."""
    return kind if len(gates) == 1 else f"{kind}_{gate}"


def cuts_of(gates: Sequence[str]) -> dict[str, tuple[str, str]]:
    """What a network can do without: route to its two columns, who is memorised and who is recovered.

    *Memorised* is a sample that fits its given label as learned and not along that route. *Recovered* is a
    memorised one with a wrong given label that is predicted as its clean label along that route.
    """
    found = {}
    for gate in gates:
        route = route_of(SKIP, gate, gates)
        found[route] = (f"memorised_by_{gate}", f"recovered_by_{route}")
    return {**found, READOUT: ("memorised_beyond_o1", "recovered_at_o1")}


def fits(result: ProbeResult, route: str) -> NDArray[np.bool_]:
    """Who fits its given label along a route [n]."""
    return result.values["fits_given"][list(result.config["routes"]).index(route)]


def fit_lost(result: ProbeResult, cut: str) -> NDArray[np.int8]:
    """What the cut takes from each sample [n]: 1 the fit of its given label, -1 gives it, 0 changes nothing."""
    return fits(result, LEARNED).astype(np.int8) - fits(result, cut)


@dataclass(frozen=True)
class Contrast:
    """Whether a cut takes more from corrupted samples than from clean ones."""

    cut: str
    group: str
    """``corrupted``, or one cause where there are several."""
    clean: Estimate
    """Share of the fit that clean samples lose: fit as learned minus fit along the cut."""
    corrupted: Estimate
    """The same of the group."""
    difference: Estimate
    """Of the group minus of the clean ones; above 0 the cut takes more from the group."""
    clean_of_fitted: Estimate
    """Of the clean samples that fit as learned: the share that the cut takes the fit from."""
    corrupted_of_fitted: Estimate
    """The same of the group. A group that is fitted less has less to lose, which this leaves out of account."""
    difference_of_fitted: Estimate
    """The one minus the other."""


def contrasts(
    result: ProbeResult, inside: Mapping[str, NDArray[np.bool_]], cuts: Sequence[str] | None = None
) -> tuple[Contrast, ...]:
    """Every cut's contrast of corrupted and clean samples; () where the split has not both.

    Args:
        result: of this probe.
        inside: its groups, see :func:`probes.probed.probed_members`.
        cuts: routes; None for all of :func:`cuts_of`.
    """
    if "clean" not in inside or "corrupted" not in inside:
        return ()
    causes = [name for name in CORRUPTED_CAUSES if name in inside]
    return tuple(
        _contrast(result, cut, group, inside["clean"], inside[group])
        for cut in cuts or cuts_of(result.config["gates"])
        for group in ("corrupted", *(causes if len(causes) > 1 else ()))
    )


def _contrast(
    result: ProbeResult, cut: str, group: str, clean: NDArray[np.bool_], corrupted: NDArray[np.bool_]
) -> Contrast:
    lost, fitted = fit_lost(result, cut), fits(result, LEARNED)
    gone = lost > 0
    return Contrast(
        cut=cut,
        group=group,
        clean=difference(lost[clean]),
        corrupted=difference(lost[corrupted]),
        difference=difference(lost[corrupted], lost[clean]),
        clean_of_fitted=share(gone[clean & fitted]),
        corrupted_of_fitted=share(gone[corrupted & fitted]),
        difference_of_fitted=difference(gone[corrupted & fitted], gone[clean & fitted]),
    )


@dataclass(frozen=True)
class AgainstControl:
    """How much more a cut takes in one network than in another, from the same samples."""

    cut: str
    """Of the gated network; of the control it is the read-out."""
    clean: Estimate
    """Share of the fit that clean samples lose: in the gated network minus in the control."""
    corrupted: Estimate
    """The same of the corrupted ones."""
    difference: Estimate
    """Corrupted minus clean; above 0 the gated network holds more of the corrupted samples behind the cut than depth
    alone explains."""


def against_control(
    result: ProbeResult, control: ProbeResult, inside: Mapping[str, NDArray[np.bool_]]
) -> tuple[AgainstControl, ...]:
    """Every cut of a gated network minus the read-out of a control, sample by sample.

    Args:
        result: of the gated network.
        control: of an ungated one, on the same samples.
        inside: groups of the samples.
    """
    if "clean" not in inside or "corrupted" not in inside:
        return ()
    assert np.array_equal(result.sample_id, control.sample_id), "the samples are the same"
    clean, corrupted, theirs = inside["clean"], inside["corrupted"], fit_lost(control, READOUT)
    found = []
    for cut in cuts_of(result.config["gates"]):
        more = fit_lost(result, cut) - theirs
        estimates = difference(more[clean]), difference(more[corrupted])
        found.append(AgainstControl(cut, *estimates, difference(more[corrupted], more[clean])))
    return tuple(found)
