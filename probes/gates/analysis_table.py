"""What is known of patterns as vectors, as tables and sentences: use, linear probes, nearest neighbours. No torch."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tabulate import tabulate

from probes.gates.analyses import CLASS, CORRUPTION, FEATURES, GATES
from probes.gates.config import part_name
from probes.gates.cost import by_side
from probes.gates.linear import FOLDS, LEAST
from probes.gates.linear_results import CauseProbe, HardnessProbe, ProbeAccuracy, WrongLabels
from probes.gates.neighbour_results import Neighbours, NeighbourShare
from probes.gates.summary import GatesSummary
from probes.gates.usage import FilterUse, Histogram, SampleUse
from probes.stats.estimate import Estimate, percent, points, with_interval

WITHOUT = (
    "This result has no linear probes and no nearest neighbours: it was made with --no-analyses, or by a former "
    "version. Probe again for them."
)

SAME = "Every analysed sample has the same pattern, or there are too few samples: there is nothing to read or compare."

UNITS = f"""\
Linear probes (ridge regression, {FOLDS} folds by hash): samples are predicted by a probe trained on the other folds.
accuracy: mean over the classes of the share of their samples that are predicted right, so that chance is one over the
number of classes; classes with fewer than {LEAST} samples are left out. features: input of the last layer. class
alone: what the class of the image tells of the corruption, since classes may differ in noise. wrong labels: what the
probe of given labels predicts where these are wrong; chance: expected if these labels were shuffled within classes.
corruption: share of a cause's samples, and of the clean ones, that are predicted as corrupted, and their difference
within classes. hardness: rank correlation of a score and its prediction; above 0: the vectors tell of it.
Nearest neighbours: by Hamming distance of patterns, and by direction of features; chance: share among all other
samples. Intervals of probes are widened for the overlap of the folds (Nadeau and Bengio), those of neighbours are the
jackknife's; both are wide rather than narrow."""


def analysis_parts(config: Mapping[str, Any], summary: GatesSummary) -> list[str]:
    """Parts of the text about one result.

    Args:
        config: of the result.
        summary: of the same result.
    """
    parts = [
        filter_sentence(summary.filter_use, summary.sample_use.mean.n, config),
        _table([histogram_row(summary.filter_use.on_counts, "samples", parts_of(config))]),
        sample_sentence(summary.sample_use, config),
        _table([histogram_row(summary.sample_use.histogram, f"{parts_of(config)} on", "samples")]),
    ]
    if "analyses" not in config:
        return [*parts, WITHOUT]
    settings, n = config["analyses"], summary.sample_use.mean.n
    if not settings["linear"]:
        return [*parts, SAME]
    parts.append(
        f"What the pattern tells, beside the features of the same network ({analysed_note(config, n)}):"
    )
    parts.append(_table([accuracy_row(row) for row in summary.linear]))
    parts += left_out(summary.linear)
    if summary.wrong_labels:
        parts.append(_table([wrong_row(row) for row in summary.wrong_labels]))
    if summary.linear_causes:
        parts.append(_table([cause_row(row) for row in summary.linear_causes]))
    if summary.linear_hardness:
        parts.append(_table(hardness_rows(summary.linear_hardness)))
    if summary.neighbours is not None:
        parts.append(neighbour_sentence(summary.neighbours))
        parts.append(_table([neighbour_row(row) for row in summary.neighbours.shares]))
    answers = verdict(summary.linear, summary.wrong_labels, summary.linear_causes, summary.linear_hardness)
    return [*parts, "Does the pattern follow class, noise or hardness?\n" + "\n".join(answers)]


def _table(rows: list[dict[str, str]]) -> str:
    return tabulate(rows, headers="keys", disable_numparse=True)


def analysed_note(config: Mapping[str, Any], n: int) -> str:
    """Number of samples, filters and folds of the analyses, in a few words.

    Args:
        config: of the result.
        n: number of probed samples.
    """
    settings = config["analyses"]
    m = settings["samples"]
    samples = (
        f"{m:,} samples" if m == n else f"{m:,} of {n:,} samples, chosen by hash with seed {config['seed']}"
    )
    return f"{samples}; {settings['filters']:,} {parts_of(config)} that differ; {settings['folds']} folds"


def parts_of(config: Mapping[str, Any]) -> str:
    """What the gates of a result open or close: ``filters`` or ``units``."""
    return f"{part_name(config['gates'])}s"


def filter_sentence(use: FilterUse, n: int, config: Mapping[str, Any]) -> str:
    """How many filters are on for all, for none and for some of n samples of a result with a configuration."""
    return (
        f"{parts_of(config).title()} by the number of samples that turn them on: {use.on_for_all:,} are on for all "
        f"{n:,} samples, {use.on_for_none:,} for none, {use.differing:,} for some; of these {use.conditional:,} are "
        f"conditional (on and off for at least {100 * (1 - config['always']):.3g} % of the samples):"
    )


def sample_sentence(use: SampleUse, config: Mapping[str, Any]) -> str:
    """Mean and spread of the number of filters that a sample of a result with a configuration turns on."""
    low, first, middle, third, high = use.quantiles
    parts = parts_of(config)
    return (
        f"{parts.title()} on per sample: mean {with_interval(use.mean, '{:,.1f}')}, standard deviation "
        f"{use.spread:,.1f} ({use.independent_spread:,.1f} if {parts} were on independently of each other), median "
        f"{middle:,.0f}, quartiles {first:,.0f} and {third:,.0f}, range {low:,.0f} to {high:,.0f}:"
    )


def histogram_row(bins: Histogram, of: str, counted: str) -> dict[str, str]:
    """Counts of a histogram as a row with a column for each bin."""
    edges = [f"{edge:,.0f}" for edge in bins.edges]
    heads = [f"{low}–{high}" for low, high in pairwise(edges)]
    # Bins narrower than 1 can have the same rounded ends.
    cells: dict[str, str] = {of: counted}
    for head, count in zip(heads, bins.counts, strict=True):
        cells[head] = f"{int(cells.get(head, '0').replace(',', '')) + count:,}"
    return cells


def accuracy_row(row: ProbeAccuracy) -> dict[str, str]:
    """A linear probe as a row."""
    return {
        "linear probe of": row.vectors,
        "target": row.target,
        "n": f"{row.n:,}",
        "classes": str(len(row.classes)),
        "accuracy": percent(row.accuracy),
        "chance": f"{row.chance:.1%}",
        "gates minus this": "" if row.above is None else points(row.above),
    }


def left_out(rows: Sequence[ProbeAccuracy]) -> list[str]:
    """A sentence for each target with classes that are too small to be probed."""
    names = {row.target: row.left_out for row in rows if row.left_out}
    return [
        f"Left out of the target {target}, with fewer than {LEAST} samples: {', '.join(classes)}."
        for target, classes in names.items()
    ]


def wrong_row(row: WrongLabels) -> dict[str, str]:
    """What a probe predicts for wrongly labelled samples as a row."""
    return {
        "wrong labels, probe of": row.vectors,
        "n": f"{row.given.n:,}",
        "predicted as the given label": percent(row.given),
        "chance": f"{row.chance:.1%}",
        "as the clean label": percent(row.clean),
    }


def cause_row(row: CauseProbe) -> dict[str, str]:
    """Whether a probe of the corruption tells one cause, as a row."""
    return {
        "corruption, probe of": row.vectors,
        "cause": row.cause,
        "n": f"{row.corrupted.n:,}",
        "predicted as corrupted": percent(row.corrupted),
        "of the clean": percent(row.clean),
        "within classes": points(row.within_class),
    }


def hardness_rows(rows: Sequence[HardnessProbe]) -> list[dict[str, str]]:
    """A row for each score: correlations with what patterns and features predict."""
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        line = cells.setdefault(row.correlation.column, {"hardness": row.correlation.title, "n": ""})
        line["n"] = f"{row.correlation.n:,}"
        line[row.vectors] = _rho(row.correlation.plain)
        line[f"{row.vectors}, {within(row)}"] = _rho(alone(row))
    order = ("hardness", "n", *(head for name in (GATES, FEATURES) for head in (name, *_inner(cells, name))))
    return [{head: line.get(head, "") for head in order} for line in cells.values()]


def _inner(cells: Mapping[str, Mapping[str, str]], name: str) -> list[str]:
    return list(
        dict.fromkeys(head for line in cells.values() for head in line if head.startswith(f"{name}, "))
    )


def alone(row: HardnessProbe) -> Estimate:
    """The correlation within classes: of the clean samples alone, where some are corrupted."""
    correlation = row.correlation
    return (
        correlation.within_class if correlation.clean_within_class is None else correlation.clean_within_class
    )


def within(row: HardnessProbe) -> str:
    """What :func:`alone` is of, in words."""
    return "within classes" if row.correlation.clean_within_class is None else "clean, within classes"


def _rho(number: Estimate) -> str:
    return with_interval(number, "{:+.2f}")


def neighbour_sentence(near: Neighbours) -> str:
    """How far the two neighbourhoods overlap."""
    return (
        f"Nearest {near.k} neighbours of {near.n:,} samples, by patterns and by features: they have "
        f"{percent(near.overlap)} in common (chance {near.overlap_chance:.1%}). Share of the neighbours with the same "
        "class, label or corruption:"
    )


def neighbour_row(row: NeighbourShare) -> dict[str, str]:
    """What neighbours have in common as a row."""
    return {
        "neighbours of": row.of,
        "n": f"{row.n:,}",
        "same": row.same,
        "by gates": percent(row.gates),
        "by features": percent(row.features),
        "gates minus features": points(row.minus),
        "chance": f"{row.chance:.1%}",
    }


def verdict(
    linear: Sequence[ProbeAccuracy],
    wrong: Sequence[WrongLabels],
    causes: Sequence[CauseProbe],
    hardness: Sequence[HardnessProbe],
) -> list[str]:
    """A sentence each for class, wrong labels, corruption and hardness: whether the pattern follows it."""
    known = {(row.vectors, row.target): row for row in linear}
    sentences = []
    if row := known.get((GATES, CLASS)):
        sentences.append(f"Class: {'yes' if row.resolved else 'not resolved'} ({_accuracy(row, known)}).")
    for row in wrong:
        if row.vectors == GATES:
            more = row.given.low is not None and row.given.low > row.chance
            sentences.append(
                f"Wrong labels: {'yes' if more else 'not resolved'} (predicted as the given label "
                f"{percent(row.given)}, chance {row.chance:.1%}; as the clean label {percent(row.clean)})."
            )
    if row := known.get((GATES, CORRUPTION)):
        told = [(one.cause, one.within_class) for one in causes if one.vectors == GATES]
        sentences.append(f"Corruption, within classes: {_sides(told)} ({_accuracy(row, known)}).")
    rows = [row for row in hardness if row.vectors == GATES]
    if rows:
        sides = _sides([(row.correlation.title, alone(row)) for row in rows])
        sentences.append(f"Hardness, {within(rows[0])}: {sides}.")
    return sentences


def _accuracy(row: ProbeAccuracy, known: Mapping[tuple[str, str], ProbeAccuracy]) -> str:
    beside = known.get((FEATURES, row.target))
    text = f"accuracy {percent(row.accuracy)}, chance {row.chance:.1%}"
    return text if beside is None else f"{text}, of the features {percent(beside.accuracy)}"


def _sides(changes: Sequence[tuple[str, Estimate]]) -> str:
    """For which of some names the number lies above 0, for which below, and for which that is not resolved."""
    sides = by_side(changes)
    answers = (
        ("yes for", sides.above), ("the other way round for", sides.below), ("not resolved for", sides.unresolved),
    )  # fmt: skip
    return "; ".join(f"{text} {', '.join(names)}" for text, names in answers if names)
