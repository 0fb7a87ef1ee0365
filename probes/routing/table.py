"""What the gated block does, as tables to read: fit along every route, by group. No torch."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from memgate.log.reader import SampleLog
from memgate.runs.run import Run, command
from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.result import ProbeResult
from probes.routing.routes import (  # fmt: skip
    HARD,
    LEARNED,
    OF_FITTED,
    THROUGH,
    Contrast,
    Cut,
    contrasts,
    cuts_of,
    fit_lost,
    p_lost,
    row_of,
)
from probes.samples.notes import IDENTITY
from probes.samples.probe_groups import heading, probed_members
from probes.stats.bootstrap import MEAN_RESAMPLES
from probes.stats.estimate import Estimate, average, difference, percent, points, share

UNITS = f"""\
learned: g as it is; skip: g = 0, the block puts out o1, what its first unit gives; through: g = 1, it puts out o2;
hard: through where g > 0.5, else skip. Of two gates these set both, skip_b3 and so on one. In an ungated network skip
is the same cut, its own head on the pooled o1 of B3, without training for it. routed, skipped: samples with g > 0.5 as
learned, and the others.
read-out o1, read-out end: logistic regressions on B3's o1 and on what the head reads, trained on all training samples
as given. The second minus the first is what lies beyond o1, without a frozen head and without a refitting in between.
Both cuts take something from an ungated network too ("deeper is just better"): compare skip with its skip, and
read-outs with its read-outs (--control). A read-out of shuffled labels says how much one at o1 memorises by itself.
lost: fits its given label along the first route and not along the second; in train, of learned - skip "memorised by
b3", of the read-outs "memorised beyond o1". gained: the other way round. fit = lost - gained. recovered: of the wrong
given labels that the first route fits, those that the second turns back into the clean label.
p(given): the loss of the given label's probability, in points. "Of all" takes more from whom more is fitted; "of the
fitted" leaves that out, but where few samples fit they are the ones near a boundary, which any cut takes first: judge
both beside the control's.
In brackets 95 % intervals over samples: Wilson's for shares, Student's and Welch's for p(given); for other differences
(in percentage points) the bootstrap's, paired by sample, of {MEAN_RESAMPLES:,} resamples. [-]: all samples are alike,
so there is no telling how sure the number is."""

Members = Mapping[str, NDArray[np.bool_]]


def to_terminal(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """One result as text: fit along each route, what each cut takes, and what hard routing saves."""
    title = heading(run, log, result)
    if "blocks" not in result.config:
        return f"{title}: stored by an older memgate; ask again: {command('probe routing', run.path)}."
    inside = rows_of(probed_members(run, log, result))
    fit = "Fit of the given label" if _corrupted(inside) else "Accuracy"
    parts = [title, f"{fit} along each route:", table(fit_rows(result, inside))]
    taken = _taken(result, inside)
    parts += ["Paired by sample, one route minus another:", taken] if taken else []
    parts += _contrasts(run, log, result)
    if not cuts_of(result.config["blocks"]):
        parts.append("B3 has one unit, so nothing lies beyond its o1, and there is nothing to cut.")
    parts += [*_few_fitted(result, inside), _shuffled(result), *_cost(result)]
    if result.config["curve"] == "identity":
        parts.append(IDENTITY)
    return "\n\n".join(parts)


def rows_of(inside: Members) -> dict[str, NDArray[np.bool_]]:
    """The groups without the one cause there is, which would repeat the corrupted: its name goes with theirs."""
    causes = [name for name in CORRUPTED_CAUSES if name in inside]
    if len(causes) != 1:
        return dict(inside)
    names = {"corrupted": f"corrupted ({causes[0]})"}
    return {names.get(name, name): who for name, who in inside.items() if name not in causes}


def _corrupted(inside: Members) -> bool:
    return any(name.startswith("corrupted") for name in inside)


def table(rows: list[dict[str, str]]) -> str:
    """Rows of the same columns as text."""
    return tabulate(rows, headers="keys", disable_numparse=True)


def with_difference(found: Estimate) -> str:
    """A difference in percentage points; its ends are ``-`` where all samples are alike."""
    if found.value is None:
        return "-"
    if found.low is None or found.low == found.high:
        return f"{100 * found.value:+.1f} [-]"
    return points(found)


def fit_rows(result: ProbeResult, inside: Members) -> list[dict[str, str]]:
    """Share of each group that fits its given label along each route; and the wrong labels, as their clean label.

    Args:
        result: of this probe.
        inside: its groups, see :func:`rows_of`.

    Returns:
        A row for each group: ``samples``, ``n``, and a column for each route.
    """
    wrong = result.values["wrong_label"]
    groups = [(name, who, "fits_given") for name, who in inside.items()]
    groups += [("wrong label, as its clean one", wrong, "fits_clean")] if wrong.any() else []
    return [
        {"samples": name, "n": str(who.sum())}
        | {route: percent(share(row_of(result, route, column)[who])) for route in result.config["routes"]}
        for name, who, column in groups
    ]


def _taken(result: ProbeResult, inside: Members) -> str:
    """What each cut takes from each group, and what soft mixing has from going through and from hard routing."""
    rows = [
        {**_lost(result, cut.whole, cut.part, name, who), "recovered": _recovered(result, cut, who)}
        for cut in cuts_of(result.config["blocks"])
        for name, who in inside.items()
    ]
    rows += [
        {**_lost(result, LEARNED, part, name, who), "recovered": ""}
        for part in (THROUGH, HARD)
        if part in result.config["routes"]
        for name, who in inside.items()
        if name in ("all", "clean") or name.startswith("corrupted")
    ]
    if not result.values["wrong_label"].any():
        rows = [{name: cell for name, cell in row.items() if name != "recovered"} for row in rows]
    return table(rows) if rows else ""


def _lost(result: ProbeResult, whole: str, part: str, name: str, who: NDArray[np.bool_]) -> dict[str, str]:
    lost = fit_lost(result, whole, part)[who]
    return {
        "difference": f"{whole} - {part}",
        "samples": name,
        "n": str(who.sum()),
        "fit": with_difference(difference(lost)),
        "lost": percent(share(lost > 0)),
        "gained": percent(share(lost < 0)),
        "p(given)": with_difference(average(p_lost(result, whole, part)[who])),
    }


def _recovered(result: ProbeResult, cut: Cut, who: NDArray[np.bool_]) -> str:
    fitted = who & result.values["wrong_label"] & row_of(result, cut.whole)
    if not fitted.any():
        return "-"
    hits = result.values[cut.recovered][fitted]
    return f"{hits.sum()} of {fitted.sum()}: {percent(share(hits))}"


def _contrasts(run: Run, log: SampleLog, result: ProbeResult) -> list[str]:
    """Whether a cut takes more from corrupted samples; or why there is no telling."""
    inside = probed_members(run, log, result)
    if found := contrasts(result, inside):
        title = "Does a cut take more from corrupted samples than from clean ones?"
        return [title, table([contrast_row(one) for one in found])]
    if "corrupted" not in inside:
        return [
            f"None of the probed samples of {result.split} is corrupted, so there is nothing to contrast."
        ]
    if "clean" not in inside:
        return [
            f"All of the probed samples of {result.split} are corrupted, so there is nothing to contrast."
        ]
    return []


def contrast_row(one: Contrast, beside: bool = False) -> dict[str, str]:
    """A contrast as a row of a table.

    Args:
        one: the contrast.
        beside: whether it is of two networks, so that shares are differences, too.
    """
    cell = percent if one.measure == OF_FITTED and not beside else with_difference
    return {
        "cut": one.cut, "lost": one.measure, "group": one.group, "clean loses": cell(one.clean),
        "group loses": cell(one.corrupted), "group - clean": with_difference(one.difference),
    }  # fmt: skip


def _few_fitted(result: ProbeResult, inside: Members) -> list[str]:
    """A sentence for each kind of corruption that the training has not fitted: there is nothing to locate."""
    guess, found = 1 / result.config["classes"], []
    names = [name for name in inside if name in CORRUPTED_CAUSES or name.startswith("corrupted (")]
    for name in names if result.split == "train" else ():
        fitted = share(row_of(result, LEARNED)[inside[name]])
        if fitted.value is not None and fitted.value < guess:
            found.append(
                f"{name}: {percent(fitted)} fit their given label, fewer than by guessing ({guess:.1%}): hardly any "
                "is memorised, so there is little to locate."
            )
    return found


def _shuffled(result: ProbeResult) -> str:
    shuffled = result.config["shuffled"]
    hits = percent(share(np.arange(shuffled["samples"]) < shuffled["hits"]))
    chance = shuffled["most_frequent"] / shuffled["samples"]
    return f"A read-out at o1 of shuffled labels fits {hits} of them; naming the most frequent label, {chance:.1%}."


def _cost(result: ProbeResult) -> list[str]:
    """What a pass costs, and what hard routing would save of it on these samples, at which price."""
    macs, gates, blocks = (result.config[name] for name in ("macs", "gates", "blocks"))
    after = ", ".join(f"{_millions(macs['after_o1'][name])} after {name}'s o1" for name in blocks)
    own = f" ({sum(macs['gates'].values()):,} in the gates' classifiers)" if gates else ""
    parts = [
        f"MACs of one image: {_millions(macs['total'])} in all{own}{', ' if after else ''}{after}.",
    ]
    if not gates:
        return parts
    if result.config["tap"] == "o2":
        return [
            *parts,
            "The gate reads o2, so the block is computed before g is known: hard routing saves nothing.",
        ]
    skipped = ~result.values["hard_routed"]
    shares = ", ".join(f"{percent(share(row))} skip {name}" for name, row in zip(gates, skipped, strict=True))
    saved = np.array([macs["saved"][name] for name in gates]) @ skipped / macs["total"]
    mean, of_macs = _millions(macs["total"] * (1 - saved.mean())), average(saved)
    known = f"{saved.mean():.1%}" if of_macs.low is None else percent(of_macs)
    fit = "accuracy" if not result.values["wrong_label"].any() else "fit of the given label"
    price = with_difference(difference(fit_lost(result, LEARNED, HARD)))
    return [
        *parts,
        f"Under hard routing {shares}: {mean} on average, {known} of the MACs saved, at {fit} "
        f"{percent(share(row_of(result, HARD)))}; learned - hard {price} points.",
    ]


def _millions(macs: float) -> str:
    return f"{macs / 1e6:.2f} M"
