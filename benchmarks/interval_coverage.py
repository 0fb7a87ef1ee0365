"""How often each interval of the suite contains the true value, where that is hardest: a table of coverages.

    python benchmarks/interval_coverage.py [--simulations 2000] [--processes 2] [--only AUROC]

A row is an interval in one corner: few samples, a share or an area close to 0 or 1, ties, skewed values. It has
several settings, such as six AUROCs; the row has the lowest coverage of a setting, and the mean over all.
A share's coverage is computed, all others are simulated with a seed, so that the table can be made again. Coverage is
that of the intervals that are shown: with too few samples one is withheld, and the row says in how many draws.

Ends with exit code 1 when an interval contains the true value in less than 91 % of its draws, beyond three times the
simulation's own error.
"""

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor

from intervals.corners import corners
from intervals.measure import Coverage, coverage, worst_share
from intervals.rejected import rejected_corners
from tabulate import tabulate


def _row(number: int, simulations: int) -> Coverage:
    # Corners hold functions, which cannot be sent to another process: each makes its own.
    corner = [*corners(), *rejected_corners()][number]
    return coverage(corner, simulations // (4 if corner.costly else 1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--simulations", type=int, default=2000, help="draws a setting; a quarter with a bootstrap"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="intervals whose name contains this text")
    options = parser.parse_args()
    rows, failed = [], []
    if options.only in "share (Wilson)":
        for n in (1, 2, 3, 5, 10, 14, 58, 300, 1092):
            lowest, mean = worst_share(n)
            rows.append(("share (Wilson)", "every share", n, "95 %", f"{lowest:.3f}", f"{mean:.3f}", "100 %"))
    every = [*corners(), *rejected_corners()]
    wanted = [number for number, corner in enumerate(every) if options.only in corner.interval]
    with ProcessPoolExecutor(options.processes) as pool:
        results = pool.map(_row, wanted, [options.simulations] * len(wanted))
        for corner, result in zip((every[number] for number in wanted), results, strict=True):
            shown = f"{result.shown:.0%}".replace("%", " %")
            cells = "withheld", ""
            if not math.isnan(result.lowest):
                cells = f"{result.lowest:.3f} ± {result.error:.3f}", f"{result.mean:.3f}"
            rows.append((corner.interval, corner.corner, corner.n, "95 %", *cells, shown))
            print(*rows[-1], sep="; ", file=sys.stderr, flush=True)
            if cells[1] and not corner.interval.startswith("(") and not result.holds:
                failed.append(f"{corner.interval}, {corner.corner}, {corner.n}")
    head = ("interval", "corner", "n", "nominal", "lowest coverage", "mean", "shown")
    print(tabulate(rows, head, tablefmt="github", disable_numparse=True))
    if failed:
        sys.exit("\nDo not hold:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
