"""Critical sample ratios by group, as a table. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.result import ProbeResult
from probes.samples.notes import not_shown, routes_unknown, unbound
from probes.samples.probe_groups import heading, probed_members
from probes.stats.estimate import Estimate, percent, share

UNITS = (
    "CSR(r): share of samples with another prediction within r grey levels (1/255) in every pixel, a lower bound "
    "where it is searched; in brackets Wilson's 95 % interval over samples. rho: estimated distance to the "
    "boundary in grey levels, low is near."
)


@dataclass(frozen=True)
class CriticalGroup:
    """Critical sample ratios and median radius of one group."""

    name: str
    """As in :func:`probes.samples.probe_groups.probed_members`."""
    n: int
    ratios: tuple[Estimate, ...]
    """CSR in [0, 1] at each of the result's radii."""
    median: float
    """Median critical radius in grey levels."""


def critical_groups(
    run: Run, log: SampleLog, result: ProbeResult, gates: Sequence[str] | None = None
) -> tuple[CriticalGroup, ...]:
    """CSR of each group that is not empty.

    Args:
        run: the run that was probed.
        log: its log, for the corruption of the samples and their routes.
        result: of this probe.
        gates: names of the gates by whose routes samples are grouped, see
            :func:`probes.samples.probe_groups.probed_members`.

    Returns:
        The groups of :func:`probes.samples.probe_groups.probed_members`.
    """
    groups = probed_members(run, log, result, gates)
    return tuple(_group(name, mask, result) for name, mask in groups.items())


def _group(name: str, mask: NDArray[np.bool_], result: ProbeResult) -> CriticalGroup:
    ratios = tuple(share(row[mask]) for row in result.values["critical"])
    return CriticalGroup(
        name, int(mask.sum()), ratios, float(np.median(result.values["critical_radius"][mask]))
    )


def to_terminal(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """One result as text: a heading, a row for each group, and notes on missing values."""
    radii = result.config["radii"]
    rows = []
    for group in critical_groups(run, log, result):
        row = {"samples": group.name, "n": str(group.n)}
        row |= {f"CSR({r:g})": percent(ratio) for r, ratio in zip(radii, group.ratios, strict=True)}
        if result.variant == "first-order":
            row["median rho"] = f"{group.median:.3f}"
        rows.append(row)
    table = tabulate(rows, headers="keys", disable_numparse=True)
    notes = (*not_shown(log), *routes_unknown(log, result), *unbound(result))
    return "\n".join([heading(run, log, result), "", table, *notes])
