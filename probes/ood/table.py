"""Figures of the out-of-distribution detectors as tables. No torch."""

from collections.abc import Iterator, Mapping, Sequence

from tabulate import tabulate

from memgate import console
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.ood.config import PROBE, TEST_SPLIT
from probes.ood.detectors import detector_titles
from probes.ood.metrics import OodFigures, ood_figures
from probes.ood.sets import OodFacts, has_groups
from probes.result import ProbeResult
from probes.samples.columns import shown_gates
from probes.samples.notes import not_shown, unbound
from probes.stats.bootstrap import AP_POSITIVES, FPR95_POSITIVES
from probes.stats.estimate import decimal, percent

UNITS = (
    "OpenOOD's convention: foreign is positive, a high score says foreign, AUPR by trapezoids, FPR95 is the share "
    "of test samples taken for foreign where 95 % of the foreign ones are found (low is good), and a group's value is "
    "the unweighted mean over its sets "
    "(a set that neither OpenOOD nor --near or --far puts into a group is "
    "in no mean). The lists of images are not OpenOOD's, and no overlap is taken out: figures "
    "compare in convention only. In brackets 95 % intervals over samples (Wilson's with "
    "DeLong's or a bootstrap's variance; for FPR95 percentiles); they would too often miss the true value of "
    f"AUPR with fewer than {AP_POSITIVES} samples, of FPR95 with fewer than {FPR95_POSITIVES} foreign ones. "
    "g rises with H, so the two rank alike but for rounding. Stored sets "
    "stay until the run's probes/ood.h5 is deleted."
)


def split_of(name: str) -> str:
    """Split under which the results of a set are stored."""
    return f"ood-{name}"


def to_terminal(run: Run, log: SampleLog, results: Sequence[ProbeResult]) -> Iterator[str]:
    """Tables of each checkpoint and variant (n, k, support): one for every set, then one for every group of several.

    Args:
        run: the run that was probed.
        log: its log.
        results: of this probe, of any checkpoints.

    Yields:
        One text for each checkpoint and variant, in the order of the epochs; it does not depend on other variants.
    """
    for key in dict.fromkeys((result.epoch, result.variant) for result in results):
        yield _checkpoint(
            run, log, {result.split: result for result in results if (result.epoch, result.variant) == key}
        )


def _checkpoint(run: Run, log: SampleLog, results: Mapping[str, ProbeResult]) -> str:
    """The tables of one checkpoint, from the results of its splits."""
    test = results[TEST_SPLIT]
    settings = test.config["detectors"]
    foreign = [result for split, result in results.items() if split != TEST_SPLIT]
    sets = {_facts(result): result for result in foreign if result.config["detectors"] == settings}
    first = {facts.digest: facts.name for facts in reversed(sets)}
    twice = {facts.name: first[facts.digest] for facts in sets if first[facts.digest] != facts.name}
    single = [facts for facts in sets if facts.name not in twice]
    groups = {group: [facts.name for facts in single if facts.group == group] for group in ("near", "far")}
    several = {group: names for group, names in groups.items() if len(names) > 1}
    scores = {facts.name: result.values for facts, result in sets.items()}
    titles = detector_titles(shown_gates(log.gates))
    tested = {name: score for name, score in test.values.items() if name in titles}
    with console.counter(len(scores) * len(tested), f"intervals, epoch {test.epoch}") as finished:
        figures = ood_figures(tested, scores, several, finished=finished)
    parts = [
        f"{run.name}: {PROBE}, epoch {test.epoch} ({test.checkpoint}), {len(test.sample_id)} of "
        f"{len(log.samples(TEST_SPLIT))} {TEST_SPLIT} samples are in-distribution; k-NN: k = {settings['k']} among "
        f"{settings['support']} training samples"
    ]
    for facts, result in sets.items():
        alone = facts.group not in several
        lines = [_heading(facts, result, alone, test.config.get("data", ""))]
        if facts.name in twice:
            lines.append(f"The same images as {twice[facts.name]}: no group's mean counts them again.")
        parts += ["\n".join(lines), _table(figures[facts.name], titles)]
    for group, names in several.items():
        parts += [f"{group}: mean of {', '.join(names)}", _table(figures[group], titles)]
    left = [_facts(result).name for result in foreign if result not in sets.values()]
    if left:
        parts.append(
            f"Left out, because another network of this epoch scored them than the {TEST_SPLIT} samples: "
            f"{', '.join(left)}. Probe them again."
        )
    return "\n\n".join([*parts, *not_shown(log), *unbound(test)])


def _facts(result: ProbeResult) -> OodFacts:
    return OodFacts(**result.config["set"])


def _heading(facts: OodFacts, result: ProbeResult, alone: bool, data: str) -> str:
    """Name, group and images of a set, and reasons for caution with its figures."""
    n = len(result.sample_id)
    group = f"{facts.group}{', its only set' if alone else ''}" if facts.group else "in no group"
    taken = f"{n} images" if n == facts.total else f"{n} of {facts.total} images"
    lines = [f"{facts.name} ({group}): {taken}, {facts.size}, {facts.part} of {facts.path}"]
    if facts.group is None:
        reason = "No list of OpenOOD's has it" if has_groups(data) else f"OpenOOD has no groups for {data}"
        lines.append(f"{reason}: --near {facts.name} or --far {facts.name} puts it into a group.")
    for key, split in (("in_train", "training"), ("in_test", TEST_SPLIT)):
        if result.config[key]:
            lines.append(
                f"Not foreign: {result.config[key]} of these images, which the {split} split has too."
            )
    trained = "the network was trained on"
    if result.config.get("open_set_file"):
        count = result.config["open_set_file"]
        lines.append(f"Not unseen: {trained} {count} images of the same file (open-set noise).")
    if result.config["open_set"]:
        count = result.config["open_set"]
        lines.append(
            f"Perhaps not unseen: {trained} {count} images of a source with this name (open-set noise)."
        )
    return "\n".join(lines)


def _table(figures: Mapping[str, OodFigures], titles: Mapping[str, str]) -> str:
    rows = [
        {
            "detector": titles[name],
            "AUROC": decimal(values.auroc),
            "AUPR in": decimal(values.aupr_in),
            "AUPR out": decimal(values.aupr_out),
            "FPR95": percent(values.fpr95),
        }
        for name, values in figures.items()
    ]
    return tabulate(rows, headers="keys", disable_numparse=True)
