"""Results of the gates probe as tables: filters over depth, MACs by group and hardness, forced routes. No torch."""

from collections.abc import Iterable, Mapping, Sequence

from tabulate import tabulate

from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.gates import analysis_table
from probes.gates.analysis_table import analysis_parts
from probes.gates.config import LEARNED, RARE_CLOSED, part_name
from probes.gates.cost import CostCorrelation, GroupCost, Hardness, by_side
from probes.gates.donors import NONE
from probes.gates.losses import RouteLoss
from probes.gates.summary import GatesSummary, Layer, RareFilter, Sample, summary_of
from probes.result import ProbeResult
from probes.samples.notes import TRUTH_UNKNOWN, unbound
from probes.samples.probe_groups import heading
from probes.stats.estimate import Estimate, percent, points, with_interval
from probes.stats.rank_correlation import SPEARMAN_PAIRS, STRATUM_PAIRS
from probes.stats.stratified import FREEDOM

MOST_GATES = 12
"""Up to this number of gates each has a row; of more each block."""

MOST_RARE = 5
"""Rare filters that are listed."""

MOST_CLASSES = 4
"""Classes that are listed for each of them."""

MAIN_GROUPS = ("all", "clean", "corrupted")
"""Groups with rows in the table of routes; --json has all."""

SHOWN = (
    "loss_mean", "aum", "confidence", "variability", "el2n_early", "forgetfulness", "first_learned_epoch",
    "stable_learned_epoch", "critical_radius", "input_gradient_norm", "grand_last_layer", "prediction_depth",
)  # fmt: skip
"""Scores with a row in the printed table; --json has all."""

UNITS = f"""\
Filters (units, where each gate is of a whole unit). always on (off): on (off) for more than the given share of the
samples; conditional: all others; rare: on for some samples, but few. frequency: share of the samples for which a
filter is on, mean (10th, 50th and 90th percentile) over filters. information: mutual information of a filter's state
and the label in nats, mean over filters, less its exact mean over shuffled labels: about 0 where filters know nothing
of the class.
MACs: multiply-accumulates of a sample, those of the gates included. minus clean: difference of the means. within
classes: minus the clean samples of the same classes (of the images, so clean labels), and Spearman's correlations
within classes, averaged by class size: what is left if some classes cost more than others. Correlations above 0:
harder samples cost more.
Routes. The open filters of a sample are those of the route, whatever its gates say. all open: all; same class, other
class: those of another sample, with the same given label or another one; rare closed: its own but for the rare ones.
fit: predicted as the given label; lost: learned minus the route, paired by sample, in percentage points (margin: in
logits); over clean: by how much corrupted samples lose more. Of all, a group that fits more samples can lose more; of
the fitted leaves that out, but where few samples fit, they are those near a boundary, which any change takes first. So
only what both measures say counts as resolved.
In brackets 95 % intervals over samples: Wilson's for shares and for means in a known range, Student's for differences
within classes (from {FREEDOM} samples more than classes on) and margins, Fisher's z for correlations (from
{SPEARMAN_PAIRS} samples on; within classes, those with {STRATUM_PAIRS} or more), Bonett and Price's for paired
differences, Newcombe's for differences of groups. Not resolved: the interval includes 0, or there are too few samples
for one.
{analysis_table.UNITS}"""


def to_terminal(run: Run, log: SampleLog, result: ProbeResult, hardness: Sequence[Hardness] = ()) -> str:
    """One result as text.

    Args:
        run: the run that was probed.
        log: its log.
        result: of this probe.
        hardness: scores of its samples in their order, for the correlations.
    """
    summary = summary_of(run, log, result, hardness)
    parts = [
        heading(run, log, result),
        *_filters(result, summary),
        *_rare(summary, part_name(result.config["gates"])),
        *_cost(summary),
        *([] if log.truth_known else [TRUTH_UNKNOWN]),
        *_correlations(summary),
        *_routes(result, summary),
        *analysis_parts(result.config, summary),
        *unbound(result),
    ]
    return "\n\n".join(parts)


def _table(rows: list[dict[str, str]]) -> str:
    return tabulate(rows, headers="keys", disable_numparse=True)


def _filters(result: ProbeResult, summary: GatesSummary) -> list[str]:
    layers = summary.blocks if len(summary.layers) > MOST_GATES else (*summary.layers, summary.blocks[-1])
    config, part = result.config, part_name(result.config["gates"])
    kept = len(result.values["pattern"]) * len(result.sample_id)
    return [
        f"{part.title()}s over depth (always on, off: for more than {config['always']:.4g} of the samples; rare: for "
        f"at most {config['rare']:.4g}; patterns stored in {kept:,} bytes):",
        _table([_layer_row(layer, part) for layer in layers]),
    ]


def _layer_row(layer: Layer, part: str) -> dict[str, str]:
    row = {"gate": layer.name, f"{part}s": str(layer.filters)}
    counts = (layer.always_on, layer.conditional, layer.always_off, layer.rare)
    for name, count in zip(("always on", "conditional", "always off", "rare"), counts, strict=True):
        row[name] = f"{count} ({count / layer.filters:.0%})"
    row["frequency"] = f"{layer.frequency:.1%} ({', '.join(f'{share:.0%}' for share in layer.frequencies)})"
    row["information, given label"] = f"{layer.information_given:.4f}"
    if layer.information_clean is not None:
        row["clean label"] = f"{layer.information_clean:.4f}"
    return row


def _rare(summary: GatesSummary, part: str) -> list[str]:
    if not summary.rare:
        return [f"No {part} is rare."]
    rows = [
        {
            f"rare {part}": row.gate if part == "unit" else f"{row.gate}/{row.filter}",
            "on for": f"{row.opened} samples",
            "of the classes": _classes(row),
        }
        for row in summary.rare[:MOST_RARE]
    ]
    more = len(summary.rare) - len(rows)
    others = f" ({more} more in --json)" if more else ""
    title = f"Classes that turn on the rare {part}s, those that say most about the class first{others}:"
    return [title, _table(rows)]


def _classes(row: RareFilter) -> str:
    """The most frequent classes of the samples that open a rare filter, with their shares."""
    shown = [f"{name} ({count / row.opened:.0%})" for name, count in row.classes.items()][:MOST_CLASSES]
    more = len(row.classes) - len(shown)
    return ", ".join(shown) + (f", {more} more" if more else "")


def _cost(summary: GatesSummary) -> list[str]:
    form = cost_form(summary.unit, summary.largest)
    if summary.constant:
        return [f"{summary.unit} of a sample: the same for all, so there is nothing to compare."]
    whole = next(group for group in summary.groups if group.name == "all").mean
    share = f" ({(whole.value or 0) / summary.largest:.1%} of everything open)"
    listed = (f"{name}: {_samples(samples, form)}" for name, samples in (
        ("Fewest", summary.cheapest), ("Most", summary.dearest),
    ))  # fmt: skip
    parts = [
        f"{summary.unit} of a sample: {scaled(whole, form)}{form[1] and ' ' + form[1]} on average{share}.\n"
        + "\n".join(listed)
    ]
    compared = [group for group in summary.groups if group.within_class is not None]
    if compared:
        parts += [
            _table([group_row(group, form) for group in summary.groups]),
            cost_verdict(compared, summary.unit),
        ]
    return parts


def cost_form(unit: str, largest: float) -> tuple[float, str]:
    """Divisor and unit of the costs in a table.

    Args:
        unit: of the cost, ``MACs`` or another one.
        largest: cost with everything open.
    """
    if unit != "MACs":
        return 1.0, ""
    return (1e6, "M") if largest < 1e9 else (1e9, "G")


def _in_unit(number: Estimate, form: tuple[float, str]) -> Estimate:
    ends = (None if end is None else end / form[0] for end in (number.value, number.low, number.high))
    return Estimate(*ends, n=number.n)


def scaled(number: Estimate | None, form: tuple[float, str], sign: str = "") -> str:
    """A cost with its interval, divided by the form's divisor; empty for None."""
    return "" if number is None else with_interval(_in_unit(number, form), f"{{:{sign}.4g}}")


def _samples(samples: Iterable[Sample], form: tuple[float, str]) -> str:
    return ", ".join(
        f"{sample.sample_id} ({sample.label}{'' if sample.cause in ('clean', 'unknown') else ', ' + sample.cause}; "
        f"{sample.cost / form[0]:.4g}{' ' + form[1] if form[1] else ''})"
        for sample in samples
    )


def group_row(group: GroupCost, form: tuple[float, str]) -> dict[str, str]:
    """Cost of a group as a row; ``form`` is that of :func:`cost_form`."""
    return {
        "samples": group.name,
        "n": str(group.n),
        f"mean ({form[1]})" if form[1] else "mean": scaled(group.mean, form),
        "minus clean": scaled(group.over_clean, form, "+"),
        "within classes": scaled(group.within_class, form, "+"),
    }


def cost_verdict(compared: Sequence[GroupCost], unit: str) -> str:
    """Sentences that say which groups differ from clean samples of the same classes."""
    sides = by_side([(group.name, group.within_class) for group in compared])
    sentences = [
        f"{', '.join(names)}: {text} {unit} than clean samples of the same classes."
        for names, text in ((sides.above, "more"), (sides.below, "fewer"))
        if names
    ]
    if sides.unresolved:
        sentences.append(f"Not resolved within classes: {', '.join(sides.unresolved)}.")
    return " ".join(sentences)


def _correlations(summary: GatesSummary) -> list[str]:
    rows = [row for row in summary.correlations if row.column in SHOWN]
    if not rows or summary.constant:
        return []
    parts = [
        f"Do harder samples cost more ({summary.unit})? Spearman's correlations (above 0: yes):",
        _table([correlation_row(row) for row in rows]),
    ]
    sides = by_side([(row.title, row.within_class) for row in rows])
    return (
        [*parts, f"Not resolved within classes: {', '.join(sides.unresolved)}."]
        if sides.unresolved
        else parts
    )


def correlation_row(row: CostCorrelation) -> dict[str, str]:
    """Correlations of a cost and one score as a row."""
    cells = {
        "score": row.title,
        "n": str(row.n),
        "all": _rho(row.plain),
        "within classes": _rho(row.within_class),
    }
    if row.clean_within_class is not None:
        cells["clean samples, within classes"] = _rho(row.clean_within_class)
    return cells


def _rho(number: Estimate) -> str:
    return with_interval(number, "{:+.2f}")


def _routes(result: ProbeResult, summary: GatesSummary) -> list[str]:
    if result.config["macs"] is None:
        return ["No routes are forced: the gates mix branch and shortcut, and have nothing to open or close."]
    losses = [loss for loss in summary.routes if loss.group in MAIN_GROUPS]
    if not summary.rare:
        losses = [loss for loss in losses if loss.part != RARE_CLOSED]
    if not losses:
        return []
    parts = [
        "What samples lose with another pattern:",
        _table(route_rows(losses, cost_form(summary.unit, summary.largest))),
    ]
    if contrasted := [loss for loss in losses if loss.fit_over_clean is not None]:
        rows = contrast_rows(contrasted, {(loss.whole, loss.part, loss.group): loss for loss in losses})
        parts += ["Do corrupted samples lose more of their fit than clean ones?", _table(rows)]
        parts.append(route_verdict(contrasted))
    if missing := int((result.values["donor"] == NONE).sum()):
        parts.append(
            f"In {missing} cases there was no other sample to take a pattern from; they are left out."
        )
    return parts


def contrast_rows(
    losses: Sequence[RouteLoss], all_losses: Mapping[tuple[str, str, str], RouteLoss]
) -> list[dict[str, str]]:
    """A row for each route, with the losses of all and of the fitted samples beyond those of clean ones.

    Args:
        losses: of one group, each with a comparison with the clean samples.
        all_losses: route compared with, route taken and group to its losses, those of the clean samples among them.
    """
    return [
        {
            "route": _pair(loss),
            "of all, over clean": _points(loss.fit_over_clean),
            "of the fitted: clean": percent(all_losses[loss.whole, loss.part, "clean"].fitted_lost),
            "corrupted": percent(loss.fitted_lost),
            "of the fitted, over clean": _points(loss.fitted_over_clean),
        }
        for loss in losses
    ]


def _points(change: Estimate | None) -> str:
    return "-" if change is None else points(change)


def route_verdict(losses: Sequence[RouteLoss]) -> str:
    """Sentences that say along which routes corrupted samples lose more of their fit, by both measures."""
    of_all = by_side([(_pair(loss), loss.fit_over_clean) for loss in losses])
    fitted = by_side([(_pair(loss), loss.fitted_over_clean) for loss in losses])
    more = [name for name in of_all.above if name in fitted.above]
    less = [name for name in of_all.below if name in fitted.below]
    sentences = [f"{', '.join(names)}: {text}." for names, text in ((more, "more"), (less, "less")) if names]
    if others := [name for name in map(_pair, losses) if name not in (*more, *less)]:
        sentences.append(f"Not resolved, or the two measures disagree: {', '.join(others)}.")
    return " ".join(sentences)


def _pair(loss: RouteLoss) -> str:
    return loss.part if loss.whole == LEARNED else f"{loss.part} - {loss.whole}"


def route_rows(losses: Sequence[RouteLoss], form: tuple[float, str]) -> list[dict[str, str]]:
    """Losses as rows; ``form`` is that of :func:`cost_form`."""
    return [
        {
            "route": _pair(loss),
            "samples": loss.group,
            "n": str(loss.n),
            f"MACs ({form[1]})": "-" if loss.macs is None else f"{loss.macs / form[0]:.4g}",
            "fit": percent(loss.fits),
            "fit lost": points(loss.fit_lost),
            "p(given) lost": points(loss.p_lost),
            "margin lost": with_interval(loss.margin_lost, "{:+.2f}"),
        }
        for loss in losses
    ]
