"""What samples lose along forced routes, by group. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.gates.config import LEARNED, OTHER_CLASS, SAME_CLASS
from probes.gates.stored import GatesResult
from probes.samples.probe_groups import Members
from probes.stats.estimate import Estimate, average, difference, excess, share


@dataclass(frozen=True)
class RouteLoss:
    """What one group loses when its samples take one route instead of another; paired by sample."""

    whole: str
    """The route that is compared with, mostly ``learned``."""
    part: str
    """The route that is taken instead."""
    group: str
    n: int
    """Samples with an answer along both routes."""
    macs: float | None
    """Mean MACs along ``part``; None for no sample."""
    fits: Estimate
    """Share that is predicted as the given label along ``part``."""
    fit_lost: Estimate
    """Share that fits the given label along ``whole``, minus that along ``part``."""
    fitted_lost: Estimate
    """Of the samples that fit the given label along ``whole``, the share that does not along ``part``. ``fit_lost`` is
    larger for a group that fits more samples; this leaves that out."""
    clean_lost: Estimate | None
    """As ``fit_lost``, of the clean label; None where clean labels are not known."""
    p_lost: Estimate
    """Mean loss of the given label's probability."""
    margin_lost: Estimate
    """Mean loss of the given label's margin, in logits."""
    fit_over_clean: Estimate | None
    """``fit_lost`` of the group minus that of the clean samples; None for groups that hold some of them."""
    fitted_over_clean: Estimate | None
    """Likewise of ``fitted_lost``."""
    p_over_clean: Estimate | None
    """Likewise of ``p_lost``."""


def route_losses(view: GatesResult, groups: Members) -> tuple[RouteLoss, ...]:
    """Losses of every group along every forced route; () where no route was forced.

    Args:
        view: a result.
        groups: of :func:`probes.samples.probe_groups.probed_members`.
    """
    return tuple(row for whole, part in _pairs(view.routes) for row in _losses(view, groups, whole, part))


def _pairs(routes: list[str]) -> Iterator[tuple[str, str]]:
    yield from ((LEARNED, route) for route in routes if route != LEARNED)
    if SAME_CLASS in routes and OTHER_CLASS in routes:
        yield SAME_CLASS, OTHER_CLASS


def _losses(view: GatesResult, groups: Members, whole: str, part: str) -> Iterator[RouteLoss]:
    given, clean = view.samples.given_label, view.samples.clean_label
    answered = ~np.isnan(view.row("p_given", whole)) & ~np.isnan(view.row("p_given", part))

    def lost(column: str) -> NDArray[np.float64]:
        return view.row(column, whole).astype(np.float64) - view.row(column, part)

    def fit(labels: NDArray, route: str) -> NDArray[np.int8]:
        return (view.row("prediction", route) == labels).astype(np.int8)

    fits, p, margin, macs = fit(given, part), lost("p_given"), lost("margin"), view.row("macs", part)
    fitted = fit(given, whole) > 0
    fit_lost = fitted - fits
    clean_lost = fit(clean, whole) - fit(clean, part) if view.samples.truth_known else None
    reference = groups["clean"] & answered if "clean" in groups else None
    for name, members in groups.items():
        mask = members & answered
        beside = reference if reference is not None and not (mask & reference).any() else None
        yield RouteLoss(
            whole=whole,
            part=part,
            group=name,
            n=int(mask.sum()),
            macs=float(macs[mask].mean()) if mask.any() else None,
            fits=share(fits[mask] > 0),
            fit_lost=difference(fit_lost[mask]),
            fitted_lost=share(fit_lost[mask & fitted] > 0),
            clean_lost=None if clean_lost is None else difference(clean_lost[mask]),
            p_lost=difference(p[mask]),
            margin_lost=average(margin[mask]),
            fit_over_clean=None if beside is None else _over(fit_lost, mask, beside),
            fitted_over_clean=None
            if beside is None
            else _over_share(fit_lost > 0, mask & fitted, beside & fitted),
            p_over_clean=None if beside is None else _over(p, mask, beside),
        )


def _over(lost: NDArray, group: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Estimate:
    """Mean loss of a group minus that of the reference."""
    return excess(difference(lost[group]), difference(lost[reference]))


def _over_share(lost: NDArray, group: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Estimate:
    """Share of a group that loses its fit minus that of the reference."""
    return excess(share(lost[group]), share(lost[reference]))
