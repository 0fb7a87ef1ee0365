"""Critical sample ratios by group, as a table to read. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.result import ProbeResult
from probes.samples.notes import not_shown, routes_unknown
from probes.samples.probe_groups import heading, probed_members
from probes.stats.estimate import Estimate, percent, share

UNITS = (
    "CSR(r): share of samples with another prediction within r grey levels (1/255) in every pixel, a lower bound "
    "where it is searched; in brackets Wilson's 95 % interval over samples. rho: estimated distance to the "
    "boundary in grey levels, low is near."
)


@dataclass(frozen=True)
class CriticalGroup:
    """The critical samples of one group."""

    name: str
    """As in :func:`probes.samples.probe_groups.probed_members`."""
    n: int
    ratios: tuple[Estimate, ...]
    """CSR at each of the radii."""
    median: float
    """Median critical radius in grey levels."""


def critical_groups(
    run: Run, log: SampleLog, result: ProbeResult, gates: Sequence[str] | None = None
) -> tuple[CriticalGroup, ...]:
    """CSR of each group that is not empty.

    Args:
        run: whose.
        log: its log, for what was done to the samples and where the gates sent them.
        result: of this probe.
        gates: whose routes are groups, see :func:`probes.samples.probe_groups.probed_members`.

    Returns:
        The groups of :func:`probes.samples.probe_groups.probed_members`.
    """
    inside = probed_members(run, log, result, gates)
    return tuple(_group(name, who, result) for name, who in inside.items())


def _group(name: str, who: NDArray[np.bool_], result: ProbeResult) -> CriticalGroup:
    ratios = tuple(share(row[who]) for row in result.values["critical"])
    return CriticalGroup(
        name, int(who.sum()), ratios, float(np.median(result.values["critical_radius"][who]))
    )


def to_terminal(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """One result as text: a heading, a row for each group, and what is missing."""
    radii = result.config["radii"]
    rows = []
    for group in critical_groups(run, log, result):
        row = {"samples": group.name, "n": str(group.n)}
        row |= {f"CSR({r:g})": percent(ratio) for r, ratio in zip(radii, group.ratios, strict=True)}
        if result.variant == "first-order":
            row["median rho"] = f"{group.median:.3f}"
        rows.append(row)
    table = tabulate(rows, headers="keys", disable_numparse=True)
    return "\n".join([heading(run, log, result), "", table, *not_shown(log), *routes_unknown(log, result)])
