"""What the gated block does, as tables to read: fit along every route, by group. No torch."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from memgate.logreader import SampleLog
from memgate.runs import Run
from probes.bootstrap import MEAN_RESAMPLES
from probes.groups import average, difference, percent, points, share
from probes.probed import heading, probed_members, unlogged
from probes.report import IDENTITY
from probes.result import ProbeResult
from probes.routes import PROBE, READOUT, Contrast, against_control, contrasts, cuts_of, fit_lost

__all__ = ["PROBE", "UNITS", "to_comparison", "to_terminal"]

UNITS = f"""\
learned: g as it is; skip: g = 0, the block puts out o1, what its first unit gives; through: g = 1, it puts out o2;
hard: through where g > 0.5, else skip. Of two gates these set both, skip_b3 and so on one.
read-out: logistic regression on B3's o1, trained on all training samples as given. It is the control for "deeper is
just better": what an ungated network fits beyond its o1 needs no gate. In a gated network skip also loses what the
head, which was trained on mixtures, cannot make of o1 alone, and the read-out does not.
A read-out of shuffled labels says how much a read-out of this many features memorises by itself.
memorised by b3: fits its given label as learned and not with B3 skipped; beyond o1: not by the read-out. recovered: of
the wrong given labels, those fitted as learned and turned back into the clean label by the cut.
"Of all" takes more from whom more is fitted; "of the fitted" leaves that out, but where few samples fit they are the
ones near a boundary, which any cut takes first: judge both beside the control's.
In brackets 95 % intervals over samples: Wilson's for shares; for differences (in percentage points) the bootstrap's,
paired by sample, of {MEAN_RESAMPLES:,} resamples."""

Members = Mapping[str, NDArray[np.bool_]]


def to_terminal(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """One result as text: fit along each route, what each cut takes, and what hard routing saves."""
    inside = probed_members(run, log, result)
    corrupted = "corrupted" in inside
    fit = "Fit of the given label along each route" if corrupted else "Accuracy along each route"
    parts = [heading(run, log, result), f"{fit}:", _fit(result, inside)]
    parts += ["Taken away by a cut:", _taken(result, inside)]
    if result.values["wrong_label"].any():
        parts += ["Of the samples whose given label is wrong, predicted as their clean label:"]
        parts += [_fit(result, inside, wrong=True)]
    if found := contrasts(result, inside):
        parts += ["Does a cut take more from corrupted samples than from clean ones?"]
        parts += [_table([row for one in found for row in _contrast_rows(one)])]
    elif not corrupted:
        parts.append(
            f"Nothing in {result.split} is corrupted, so there are no corrupted samples to contrast."
        )
    hits, total = (result.config["readout"][name] for name in ("shuffled_hits", "samples"))
    parts.append(f"A read-out of shuffled labels fits {percent(share(np.arange(total) < hits))} of them.")
    parts += _cost(result)
    if result.config["curve"] == "identity":
        parts.append(IDENTITY)
    return "\n\n".join([*parts, *unlogged(log, result)])


def _table(rows: list[dict[str, str]]) -> str:
    return tabulate(rows, headers="keys", disable_numparse=True)


def _fit(result: ProbeResult, inside: Members, wrong: bool = False) -> str:
    """Share of each group that fits its given label along each route.

    With ``wrong``: that fits its clean label, of those whose given label is wrong.
    """
    values = result.values["fits_clean" if wrong else "fits_given"]
    rows = []
    for name, who in inside.items():
        who = who & result.values["wrong_label"] if wrong else who
        if who.any():
            shares = zip(result.config["routes"], (percent(share(row[who])) for row in values), strict=True)
            rows.append({"samples": name, "n": str(who.sum()), **dict(shares)})
    return _table(rows)


def _taken(result: ProbeResult, inside: Members) -> str:
    """What each cut takes from each group."""
    rows = []
    for name, who in inside.items():
        row, wrong = {"samples": name}, who & result.values["wrong_label"]
        for cut, (memorised, recovered) in cuts_of(result.config["gates"]).items():
            row[f"learned - {cut}"] = points(difference(fit_lost(result, cut)[who]))
            if result.split != "train":  # what was never trained on cannot have been memorised
                continue
            row[memorised.replace("_", " ")] = percent(share(result.values[memorised][who]))
            if result.values["wrong_label"].any():
                row[recovered.replace("_", " ")] = percent(share(result.values[recovered][wrong]))
        rows.append(row)
    return _table(rows)


def _contrast_rows(one: Contrast) -> list[dict[str, str]]:
    """A contrast in two rows: of all samples, and of those that fit as learned."""
    all_, fitted = (
        (points(one.clean), points(one.corrupted), points(one.difference)),
        (percent(one.clean_of_fitted), percent(one.corrupted_of_fitted), points(one.difference_of_fitted)),
    )
    return [_row(one.cut, "of all", one.group, *all_), _row(one.cut, "of the fitted", one.group, *fitted)]


def _row(cut: str, lost: str, group: str, clean: str, corrupted: str, difference: str) -> dict[str, str]:
    return {
        "cut": cut, "fit lost": lost, "group": group, "clean loses": clean, "group loses": corrupted,
        "group - clean": difference,
    }  # fmt: skip


def _cost(result: ProbeResult) -> list[str]:
    """What a pass costs, and what hard routing would save of it on these samples."""
    macs, gates = result.config["macs"], result.config["gates"]
    after = " and ".join(
        f"{_millions(macs['after_o1'][name])} after {name}'s o1" for name in gates or ("b3",)
    )
    own = f" ({sum(macs['gates'].values()):,} in the gates' classifiers)" if gates else ""
    parts = [f"MACs of one image: {_millions(macs['total'])} in all{own}, {after}."]
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
    mean = _millions(macs["total"] * (1 - saved.mean()))
    return [
        *parts,
        f"Under hard routing {shares}: {mean} on average, {percent(average(saved))} of the MACs saved.",
    ]


def _millions(macs: float) -> str:
    return f"{macs / 1e6:.2f} M"


def to_comparison(
    run: Run, log: SampleLog, result: ProbeResult, control: Run, control_result: ProbeResult
) -> str:
    """A gated run beside its control: what cutting at o1 takes from clean and from corrupted samples of each.

    Args:
        run: the gated run.
        log: its log.
        result: of one checkpoint and split of it.
        control: an ungated run on the same samples.
        control_result: of the same split of it.
    """
    inside = probed_members(run, log, result)
    rows = []
    for owner, found in ((run, result), (control, control_result)):
        for one in contrasts(found, inside):
            rows += [{"run": f"{owner.name}, epoch {found.epoch}", **row} for row in _contrast_rows(one)]
    for one in against_control(result, control_result, inside):
        cells = (points(found) for found in (one.clean, one.corrupted, one.difference))
        row = _row(f"{one.cut} - {READOUT}", "of all", "corrupted", *cells)
        rows.append({"run": f"{run.name} - {control.name}", **row})
    title = f"{run.name} and its control {control.name}, {result.split}"
    if not rows:
        return f"{title}: nothing is corrupted, so there is nothing to contrast."
    return f"{title}:\n\n{_table(rows)}"
