"""The numbers of a report with their places in tables; the same tables show one run and several."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from probes.external.correlation import Joined
from probes.gates.analysis_table import alone, within
from probes.gates.neighbour_results import Neighbours
from probes.report import document
from probes.report.patterns import PatternFigures
from probes.report.record import ReportFigures
from probes.samples.groups import CostedGroup, Group
from probes.scores.catalogue import SCORES, harder
from probes.scores.separation import ScoreSeparation
from probes.stats.estimate import Estimate, decimal, percent

NumberForm = Literal["count", "percent", "decimal", "epoch"]
"""How a number is written."""


@dataclass(frozen=True)
class Figure:
    """One number of a report and its place in a table."""

    path: str
    """Identifies the number across the reports of several runs: ``groups/clean/fits_given``."""
    row: tuple[str, ...]
    """Texts at the beginning of its row."""
    column: str
    """Header of its column."""
    value: Estimate
    form: NumberForm
    exact: bool = False
    """Known without measurement, so that no spread is shown where all runs agree."""


@dataclass(frozen=True)
class FigureTable:
    """Numbers under a heading."""

    title: str
    heads: tuple[str, ...]
    """Headers of the columns that hold the texts of a row."""
    figures: tuple[Figure, ...]

    def laid_out(self, cell: Callable[[Figure], str]) -> document.Table:
        """The table with cells as text, one row for each row named by a number, in the order of first appearance.

        Args:
            cell: writes a number.
        """
        rows: dict[tuple[str, ...], dict[str, str]] = {}
        for figure in self.figures:
            cells = rows.setdefault(figure.row, dict(zip(self.heads, figure.row, strict=True)))
            cells[figure.column] = cell(figure)
        return document.table_of(self.title, list(rows.values()))


def shown(figure: Figure) -> str:
    """A number as text, with its 95 % interval where it has one; ``-`` where it is undefined."""
    estimate = figure.value
    if estimate.value is None:
        return "-"
    if figure.form == "decimal":
        return decimal(estimate)
    if figure.form == "percent" and estimate.low is not None:
        return percent(estimate)
    return number(estimate.value, figure.form)


def number(value: float, form: NumberForm) -> str:
    """A number as text in its form."""
    formats = {"count": "{:.0f}", "epoch": "{:.0f}", "percent": "{:.2%}", "decimal": "{:.3f}"}
    return formats[form].format(value)


def facts(report: ReportFigures) -> list[Figure]:
    """The numbers of the whole run, accuracies and realised rates of noise, each with the text before it."""
    figures = []
    for name, accuracy in (("Test", report.test_accuracy), ("Validation", report.val_accuracy)):
        if accuracy:
            path = f"{name.lower()}_accuracy"
            figures.append(Figure(path, (f"{name} accuracy: ",), "", accuracy, "percent"))
    for noise in report.noise:
        requested = "by the file" if noise.requested is None else f"{noise.requested:.2%}"
        text = f"Noise {noise.text}: requested {requested}, realised "
        realised = Estimate(noise.realised, None, None, report.groups[0].n)
        figures.append(Figure(f"noise/{noise.text}/realised", (text,), "", realised, "percent", exact=True))
    return figures


def tables(report: ReportFigures, brief: bool = False) -> list[FigureTable]:
    """The tables of a report in order; empty ones are left out, and details if ``brief``."""
    result = [
        FigureTable(
            "Training samples at the last epoch, by what was done to them:",
            ("samples",),
            tuple(_groups(report.groups, "groups")),
        )
    ]
    for copy in report.copies:
        title = f"Samples of {copy.split}, which it was not trained on:"
        result.append(FigureTable(title, ("samples",), tuple(_groups(copy.groups, copy.split))))
    result += list(_score_tables(report))[: 1 if brief else None]
    if report.over_epochs:
        title = "AUROC over the epochs, of what is logged at each:"
        result.append(FigureTable(title, ("quantity", "suspicious", "against"), tuple(_curves(report))))
    for joined in report.joins:
        title = f"Spearman's rank correlation with {joined.what} ({joined.title}), samples of {joined.split}:"
        result.append(FigureTable(title, ("score",), tuple(_joined(joined))))
    return result if report.patterns is None or brief else [*result, *_pattern_tables(report.patterns)]


def title_of(score: str, gate: str | None) -> str:
    """Title of a score in tables, with its gate."""
    title = SCORES[score].title
    return title if gate is None else f"{title} ({gate})"


def usual_prevalence(rows: Sequence[ScoreSeparation]) -> float | None:
    """Share of corrupted samples among those with a score, of the score that most corrupted samples have."""
    return max(rows, key=lambda row: row.auroc.n_positive).prevalence if rows else None


def _score_tables(report: ReportFigures) -> Iterator[FigureTable]:
    """How well scores detect the corruption: AUROC of all targets side by side, then all metrics of each target."""
    heads = ("score", "suspicious")
    repeated = _repeated(report.groups)
    rows = [row for row in report.scores if row.against not in repeated]
    targets = list(dict.fromkeys(row.against for row in rows))
    if len(targets) > 1:
        title = "How well a score tells corrupted from clean training samples (AUROC):"
        yield FigureTable(title, heads, tuple(_areas(rows)))
    for target in targets:
        what = "all that is corrupted" if target == "corrupted" else f"{target} corruption among the clean"
        title = f"How well a score finds {what} (positive: {target}):"
        yield FigureTable(title, heads, tuple(_detection([row for row in rows if row.against == target])))


def _repeated(rows: Sequence[Group]) -> set[str]:
    """Causes and kinds of all corrupted samples: their numbers are those of ``corrupted``."""
    sizes = {group.name: group.n for group in rows}
    pooled = ("all", "clean", "corrupted")
    return {name for name, n in sizes.items() if name not in pooled and n == sizes.get("corrupted")}


def _groups(rows: Sequence[Group], part: str) -> Iterator[Figure]:
    repeated = _repeated(rows)
    for group in rows:
        if group.name in repeated:
            continue
        path, row = f"{part}/{group.name}", (group.name,)
        yield Figure(f"{path}/n", row, "n", Estimate(group.n, None, None, group.n), "count")
        yield Figure(f"{path}/fits_given", row, "fit given label", group.fits_given, "percent")
        yield Figure(f"{path}/fits_clean", row, "fit clean label", group.fits_clean, "percent")
        for use in group.gates:
            yield Figure(f"{path}/{use.gate}/mean", row, f"mean g ({use.gate})", use.mean, "decimal")
            column = f"routed to {use.gate.upper()}"
            yield Figure(f"{path}/{use.gate}/routed", row, column, use.routed, "percent")
        if isinstance(group, CostedGroup):
            yield Figure(f"{path}/macs", row, "MACs (millions)", group.millions_of_macs, "decimal")


def _path(row: ScoreSeparation) -> str:
    return "/".join(("scores", row.score, *((row.gate,) if row.gate else ()), row.against))


def _areas(rows: Sequence[ScoreSeparation]) -> Iterator[Figure]:
    """AUROC: one row per score and gate, one column per cause of corruption."""
    for row in rows:
        area = row.auroc
        value = Estimate(area.value, area.low, area.high, area.n_positive + area.n_negative)
        name = title_of(row.score, row.gate), SCORES[row.score].suspicious
        yield Figure(f"{_path(row)}/auroc", name, row.against, value, "decimal")


def _detection(rows: Sequence[ScoreSeparation]) -> Iterator[Figure]:
    """All metrics of one target: one row per score and gate, one column per metric, and a row of chance levels."""
    for row, area in zip(rows, _areas(rows), strict=True):
        yield Figure(area.path, area.row, "AUROC", area.value, "decimal")
        yield Figure(f"{_path(row)}/average_precision", area.row, "AP", row.average_precision, "decimal")
        yield Figure(f"{_path(row)}/precision_at_k", area.row, "P@k", row.precision_at_k, "decimal")
        yield Figure(f"{_path(row)}/fpr95", area.row, "FPR95", row.fpr95, "decimal")
    prevalence = usual_prevalence(rows)
    for column, chance in (("AUROC", 0.5), ("AP", prevalence), ("P@k", prevalence), ("FPR95", 0.95)):
        value = Estimate(chance, None, None, 0)
        path = f"chance/{rows[0].against}/{column}"
        yield Figure(path, ("(chance)", ""), column, value, "decimal", exact=True)


def _curves(report: ReportFigures) -> Iterator[Figure]:
    for curve in report.over_epochs:
        title = curve.title if curve.gate is None else f"{curve.title} ({curve.gate})"
        row = title, harder(curve.direction), curve.against
        parts = ("epochs", curve.quantity, *((curve.gate,) if curve.gate else ()), curve.against)
        path = "/".join(parts)
        yield Figure(f"{path}/last", row, "last epoch", curve.last, "decimal")
        yield Figure(f"{path}/mean", row, "mean over epochs", curve.mean, "decimal")
        epoch = Estimate(curve.oracle_epoch, None, None, curve.oracle.n)
        yield Figure(f"{path}/oracle_epoch", row, "best epoch (oracle)", epoch, "epoch")
        yield Figure(f"{path}/oracle", row, "AUROC there (oracle)", curve.oracle, "decimal")


def _joined(joined: Joined) -> Iterator[Figure]:
    for row in joined.correlations:
        path = "/".join(("joins", joined.name, row.score, *((row.gate,) if row.gate else ()), row.over))
        yield Figure(path, (title_of(row.score, row.gate),), row.over, row.rho, "decimal")


def _pattern_tables(patterns: PatternFigures) -> Iterator[FigureTable]:
    """What the patterns of gates tell of class, label, corruption and hardness, and whose neighbours are alike."""
    title = f"What a linear probe tells of training samples at epoch {patterns.epoch} (mean share right over classes):"
    yield FigureTable(title, ("of", "target"), tuple(_linear(patterns)))
    if patterns.causes:
        title = "Whether a linear probe of the corruption tells a cause from clean samples:"
        yield FigureTable(title, ("of", "cause"), tuple(_causes(patterns)))
    if patterns.hardness:
        title = "Rank correlation of hardness with what a linear probe predicts:"
        yield FigureTable(title, ("score",), tuple(_predicted_hardness(patterns)))
    if patterns.neighbours is not None:
        title = f"What the nearest {patterns.neighbours.k} neighbours of a sample have in common with it:"
        yield FigureTable(title, ("neighbours of", "same"), tuple(_neighbours(patterns.neighbours)))


def _linear(patterns: PatternFigures) -> Iterator[Figure]:
    for row in patterns.linear:
        path, name = f"patterns/{row.vectors}/{row.target}", (row.vectors, row.target)
        yield Figure(f"{path}/n", name, "n", Estimate(row.n, None, None, row.n), "count")
        yield Figure(f"{path}/accuracy", name, "accuracy", row.accuracy, "percent")
        yield Figure(f"{path}/chance", name, "chance", Estimate(row.chance, None, None, row.n), "percent")
    for row in patterns.wrong_labels:
        name = row.vectors, "given label, where it is wrong"
        path = f"patterns/{row.vectors}/wrong label"
        yield Figure(f"{path}/n", name, "n", Estimate(row.given.n, None, None, row.given.n), "count")
        yield Figure(f"{path}/accuracy", name, "accuracy", row.given, "percent")
        yield Figure(
            f"{path}/chance", name, "chance", Estimate(row.chance, None, None, row.given.n), "percent"
        )


def _causes(patterns: PatternFigures) -> Iterator[Figure]:
    for row in patterns.causes:
        path, name = f"patterns/{row.vectors}/{row.cause}", (row.vectors, row.cause)
        yield Figure(f"{path}/n", name, "n", Estimate(row.corrupted.n, None, None, row.corrupted.n), "count")
        yield Figure(f"{path}/corrupted", name, "predicted as corrupted", row.corrupted, "percent")
        yield Figure(f"{path}/clean", name, "of the clean", row.clean, "percent")


def _predicted_hardness(patterns: PatternFigures) -> Iterator[Figure]:
    for row in patterns.hardness:
        path, name = f"patterns/{row.vectors}/{row.correlation.column}", (row.correlation.title,)
        yield Figure(path, name, row.vectors, row.correlation.plain, "decimal")
        yield Figure(f"{path}/within", name, f"{row.vectors}, {within(row)}", alone(row), "decimal")


def _neighbours(near: Neighbours) -> Iterator[Figure]:
    for row in near.shares:
        path, name = f"patterns/neighbours/{row.of}/{row.same}", (row.of, row.same)
        yield Figure(f"{path}/gates", name, "by gates", row.gates, "percent")
        yield Figure(f"{path}/features", name, "by features", row.features, "percent")
        yield Figure(f"{path}/chance", name, "chance", Estimate(row.chance, None, None, row.n), "percent")
    name = "all", "neighbours in the other space"
    yield Figure("patterns/neighbours/overlap", name, "by gates", near.overlap, "percent")
    chance = Estimate(near.overlap_chance, None, None, near.n)
    yield Figure("patterns/neighbours/overlap chance", name, "chance", chance, "percent")
