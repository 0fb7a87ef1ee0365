"""The command that prints the results of a run, or of several: report."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from memgate import console
from memgate.errors import require
from memgate.runs.run import Run, command, open_run


@dataclass(frozen=True)
class ReportRuns:
    """Print accuracies, gate values and how well each score detects the corruption, with intervals.

    For several runs that differ only in their seeds: mean and standard deviation.
    """

    names: Positional[tuple[str, ...]]
    """The runs' folders, or their names under runs/. With --against: a group's name, or its file NAME.sweep.json."""
    format: console.Form = "terminal"
    """Format of the output."""
    over_epochs: bool = False
    """Also the AUROC of the logged quantities over the epochs: last, mean and best (oracle); all epochs in JSON."""
    join: tuple[str, ...] = ()
    """Compare every score with other people's hardness: cscores=FILE memorisation=FILE cifar10n=FILE cifar10h=FILE, or
    NAME=FILE:COLUMN of a CSV, Parquet or npz file with sample_id (and label, to check the order); add :low if low
    values are harder."""
    bootstrap: int | None = None
    """Bootstrap resamples behind the intervals of average precision, P@k and FPR95; 0 for no intervals. None: 200. For
    several runs only with --format json, which has the intervals of each run."""

    against: Literal["memorisation"] | None = None
    """memorisation: how well each score ranks the samples as the memorisation scores do that 'memgate probe
    memorisation' has estimated of a group of subset runs; NAME is the group."""
    scores_of: str | None = None
    """With --against: the run whose scores are compared, such as one trained on all samples. None: models of the
    group, each with the samples that it was trained on."""
    control: str | None = None
    """With --against: an ungated group on the same subsets, by name or file; then it is reported whether B3 holds what
    the gated group NAME memorises, from what 'memgate probe memorisation NAME --control' has stored."""
    out: Path | None = None
    """With --against: HTML page to write the plot to. None: no plot."""

    def run(self) -> None:
        """Print the report."""
        require(len(self.names) > 0, "memgate report needs a run: give its folder, or its name under runs/.")
        if self.against is not None:
            self._check_group()
            if self.control is None:
                self._print_league()
            else:
                self._print_verdict(self.control)
            return
        flags = {"--scores-of": self.scores_of, "--control": self.control, "--out": self.out}
        for flag, value in flags.items():
            require(
                value is None,
                f"{flag} {value} belongs to --against memorisation: add it, or leave {flag} out.",
            )
        runs = [open_run(name) for name in self.names]
        print_report(runs, self.format, self.bootstrap, self.over_epochs, self.join)

    def _check_group(self) -> None:
        """Check the flags of a report about a group."""
        require(
            len(self.names) == 1,
            f"--against {self.against} is about one group, and {len(self.names)} names were given: give one.",
        )
        require(
            not self.join and self.bootstrap is None,
            f"--join and --bootstrap have no meaning with --against {self.against}: leave them out.",
        )
        require(
            self.out is None or self.out.suffix == ".html",
            f"--out {self.out} is no HTML page: give a name that ends in .html.",
        )

    def _print_verdict(self, control: str) -> None:
        """Print whether B3 holds what a group memorises."""
        from probes.report.verdict_sources import open_pair, verdict

        require(
            self.scores_of is None and self.out is None and not self.over_epochs,
            "--scores-of, --over-epochs and --out are about the league of scores, and have no meaning with --control: "
            "leave them out.",
        )
        console.line(verdict(open_pair(self.names[0], control)).text(self.format))

    def _print_league(self) -> None:
        """Print the league of proxies of a group, and write its plot."""
        from probes.report.curves import write_html
        from probes.report.league_plot import figure
        from probes.report.league_sources import group_league

        run = None if self.scores_of is None else open_run(self.scores_of)
        league = group_league(self.names[0], run, self.over_epochs)
        console.line(league.text(self.format))
        if self.out is not None:
            path = write_html(figure(league), self.out.expanduser())
            if self.format != "json":
                console.line(f"\nPlot:  {path}")


def print_report(
    runs: Sequence[Run],
    form: console.Form,
    bootstrap: int | None = None,
    over_epochs: bool = False,
    joins: Sequence[str] = (),
) -> None:
    """Print the report of a run, or of several runs as mean and standard deviation.

    Args:
        runs: at least one.
        form: format of the output.
        bootstrap: resamples; None for the default number.
        over_epochs: also the AUROC of the logged quantities over the epochs.
        joins: other people's hardness, see :func:`probes.external.load.load_external`.

    Raises:
        MemgateError: a run has no finished epoch, runs are not of one setting, a joined file does not fit, or
            ``bootstrap`` is out of range or would not be shown.
    """
    from probes.external.load import load_externals
    from probes.report.report import report
    from probes.report.several_runs import several
    from probes.stats.bootstrap import RESAMPLES

    require(
        not bootstrap or len(runs) == 1 or form == "json",
        f"--bootstrap {bootstrap} is about the intervals of single runs, which the report of several runs does not "
        "show: leave it out, or add --format json.",
    )
    # The means over runs have no intervals over samples, so these are not computed.
    default = RESAMPLES if len(runs) == 1 or form == "json" else 0
    resamples = default if bootstrap is None else bootstrap
    require(0 <= resamples <= 10_000, f"--bootstrap {resamples} is out of range: from 0 (none) to 10000.")
    externals = load_externals(joins)

    report_of = partial(report, resamples=resamples, over_epochs=over_epochs, externals=externals)
    result = report_of(runs[0]) if len(runs) == 1 else several(runs, report_of)
    console.line(result.text(form))


def print_summary(run: Run) -> None:
    """Print the brief report of a run that has just ended."""
    from probes.report.report import report

    console.line(report(run, resamples=0).text(brief=True))
    console.line(f"\nAll metrics of all scores:    {command('report', run.path)}")
