"""A report as tables of figures: which number stands where. The same tables serve one run and several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from probes.external.correlation import Joined
from probes.report.report import Report, title_of, usual_prevalence
from probes.samples.groups import Group
from probes.scores.catalogue import SCORES, harder
from probes.scores.separation import ScoreSeparation
from probes.stats.estimate import Estimate

Form = Literal["count", "percent", "decimal", "epoch"]
"""How a figure is written."""


@dataclass(frozen=True)
class Figure:
    """One number of a report and its place."""

    path: str
    """What it is, the same in the reports of several runs: ``groups/clean/fits_given``."""
    row: tuple[str, ...]
    """Texts that stand in front."""
    column: str
    value: Estimate
    form: Form
    exact: bool = False
    """Known without measuring, so that runs which agree in it have no spread to show."""


@dataclass(frozen=True)
class Table:
    """Figures under a heading."""

    title: str
    heads: tuple[str, ...]
    """Heads of the columns that hold the row's own texts."""
    figures: tuple[Figure, ...]


def facts(report: Report) -> list[Figure]:
    """The numbers of the whole run: accuracies and realised rates of noise, each with the text before it."""
    found = []
    for name, accuracy in (("Test", report.test_accuracy), ("Validation", report.val_accuracy)):
        if accuracy:
            found.append(Figure(f"{name.lower()}_accuracy", (f"{name} accuracy: ",), "", accuracy, "percent"))
    for noise in report.noise:
        requested = "by the file" if noise.requested is None else f"{noise.requested:.2%}"
        text = f"Noise {noise.text}: requested {requested}, realised "
        realised = Estimate(noise.realised, None, None, report.groups[0].n)
        found.append(Figure(f"noise/{noise.text}/realised", (text,), "", realised, "percent", exact=True))
    return found


def tables(report: Report, brief: bool = False) -> list[Table]:
    """Every table of a report, in order; those that would be empty, and of a ``brief`` one details, are left out."""
    found = [
        Table(
            "Training samples at the last epoch, by what was done to them:",
            ("samples",),
            tuple(_groups(report.groups, "groups")),
        )
    ]
    for copy in report.copies:
        title = f"Samples of {copy.split}, which it was not trained on:"
        found.append(Table(title, ("samples",), tuple(_groups(copy.groups, copy.split))))
    found += list(_score_tables(report))[: 1 if brief else None]
    if report.over_epochs:
        title = "AUROC over the epochs, of what is logged at each:"
        found.append(Table(title, ("quantity", "suspicious", "against"), tuple(_curves(report))))
    for joined in report.joins:
        title = f"Spearman's rank correlation with {joined.what} ({joined.name}), samples of {joined.split}:"
        found.append(Table(title, ("score",), tuple(_joined(joined))))
    return found


def _score_tables(report: Report) -> Iterator[Table]:
    """How well scores find the corruption: AUROCs of all targets side by side, then every figure of each target."""
    heads = ("score", "suspicious")
    repeated = _repeated(report.groups)
    rows = [row for row in report.scores if row.against not in repeated]
    targets = list(dict.fromkeys(row.against for row in rows))
    if len(targets) > 1:
        title = "How well a score tells corrupted from clean training samples (AUROC):"
        yield Table(title, heads, tuple(_areas(rows)))
    for target in targets:
        what = "all that is corrupted" if target == "corrupted" else f"{target} corruption among the clean"
        title = f"How well a score finds {what} (positive: {target}):"
        yield Table(title, heads, tuple(_detection([row for row in rows if row.against == target])))


def _repeated(rows: Sequence[Group]) -> set[str]:
    """The causes and kinds that are all of the corruption: what they have is said of ``corrupted`` already."""
    sizes = {group.name: group.n for group in rows}
    own = ("all", "clean", "corrupted")
    return {name for name, n in sizes.items() if name not in own and n == sizes.get("corrupted")}


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


def _path(row: ScoreSeparation) -> str:
    return "/".join(("scores", row.score, *((row.gate,) if row.gate else ()), row.against))


def _areas(rows: Sequence[ScoreSeparation]) -> Iterator[Figure]:
    """A row per score and gate, a column per kind of corruption."""
    for row in rows:
        area = row.auroc
        value = Estimate(area.value, area.low, area.high, area.n_positive + area.n_negative)
        name = title_of(row.score, row.gate), SCORES[row.score].suspicious
        yield Figure(f"{_path(row)}/auroc", name, row.against, value, "decimal")


def _detection(rows: Sequence[ScoreSeparation]) -> Iterator[Figure]:
    """Of one target a row per score and gate, a column per figure, and what chance gives."""
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


def _curves(report: Report) -> Iterator[Figure]:
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
