"""Results of the routing probe as tables: one row per sample, and fit along every route by group. No torch."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tabulate import tabulate

from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.result import ProbeResult, stored_result
from probes.routing.notes import cost, few_fitted, shuffled_readout
from probes.routing.routes import (
    HARD,
    LEARNED,
    OF_FITTED,
    PROBE,
    THROUGH,
    Contrast,
    Cut,
    check_blocks,
    contrasts,
    cuts_of,
    fit_lost,
    p_lost,
    row_of,
    with_difference,
)
from probes.samples.notes import IDENTITY, TRUTH_UNKNOWN, unbound
from probes.samples.probe_groups import heading, probed_members
from probes.stats.estimate import difference, percent, share

UNITS = """\
learned: g as it is; skip: g = 0, the block outputs o1, what its first unit gives; through: g = 1, it outputs o2; hard:
through where g > 0.5, else skip. With two gates each of these sets both; skip_b3 sets one. In an ungated network skip
is the same cut, its own head on the pooled o1 of B3, without training for it. routed, skipped: samples with g > 0.5 as
learned, and the others.
read-out o1, read-out end: logistic regressions on B3's o1 and on what the head reads, trained on all training samples
as given. The second minus the first is what lies beyond o1, without a frozen head and without a refitting in between.
Both cuts take something from an ungated network too ("deeper is just better"): compare skip with its skip, and
read-outs with its read-outs (--control). A read-out of shuffled labels says how much one at o1 memorises by itself.
lost: fits its given label along the first route and not along the second; in train, of learned - skip "memorised by
b3", of the read-outs "memorised beyond o1". gained: the other way round. fit = lost - gained. recovered: of the wrong
given labels that the first route fits, those that the second turns back into the clean label.
p(given): the loss of the given label's probability, in points. "Of all" is larger for a group that fits more samples;
"of the fitted" leaves that out, but where few samples fit they are the ones near a boundary, which any cut takes
first: judge both beside the control's.
In brackets 95 % intervals over samples: Wilson's for shares; for differences between routes (in percentage points),
which are paired by sample, Bonett and Price's; for differences between groups Newcombe's, from those of the two."""

Members = Mapping[str, NDArray[np.bool_]]
"""Group to its members among the probed samples [n]."""


def routing_table(run: Run, split: str = "train", epoch: int | None = None) -> pd.DataFrame:
    """One row per probed sample, with its prediction and probabilities along each route.

    Args:
        run: a run that ``memgate probe routing`` has probed.
        split: name of a split.
        epoch: of the checkpoint; None for the latest that was probed.

    Returns:
        Columns, with ``<route>`` for each of ``learned``, ``skip``, ``through``, ``hard``, ``read_out_o1``,
        ``read_out_end`` and so on (an ungated network has fewer):

        - ``sample_id``, ``epoch``, ``wrong_label`` (whether the given label is not the clean one);
        - ``prediction_<route>``, ``p_given_<route>``, ``p_clean_<route>``: the predicted class, and the softmax
          probabilities of the given and of the clean label, in [0, 1];
        - for each gate ``gate`` (g as learned, in [0, 1]), ``routed`` (g > 0.5) and ``hard_routed``; with several
          gates ``gate_b2`` and so on;
        - ``memorised_by_b3`` and so on: fits the given label with the block and not without it; ``recovered_by_skip``
          and so on: a wrong given label is fitted with the block, and the clean label is predicted without it
          (:class:`probes.routing.routes.Cut`).

        Where the clean labels are not known, the columns about them are left out: ``wrong_label``, ``p_clean_<route>``
        and ``recovered_by_skip`` and so on.

    Raises:
        MemgateError: the run has no such split, or no such result.

    Example:
        >>> from probes.network.plan import Plan
        >>> from probes.routing.run import probe_run
        >>> _ = list(probe_run(run, Plan(splits=("train",), n=20)))  # memgate probe routing RUN --splits train --n 20
        >>> table = routing_table(run)
        >>> len(table), [name for name in table if name.endswith("learned")]
        (20, ['prediction_learned', 'p_given_learned', 'p_clean_learned'])
        >>> bool(table["memorised_by_b3"].dtype == bool)
        True
    """
    result = stored_result(run, PROBE, split, epoch, check_blocks)
    return _per_sample(result, run.sample_log().truth_known)


def _per_sample(result: ProbeResult, truth_known: bool) -> pd.DataFrame:
    """The columns of :func:`routing_table`; without those about clean labels where these are not known."""
    values, gates = result.values, list(result.config["gates"])
    columns: dict[str, NDArray] = {
        "sample_id": result.sample_id,
        "epoch": np.full(len(result.sample_id), result.epoch),
    }
    if truth_known:
        columns["wrong_label"] = values["wrong_label"]
    routes = [route.replace("-", "_").replace(" ", "_") for route in result.config["routes"]]
    for name in ("prediction", "p_given", "p_clean") if truth_known else ("prediction", "p_given"):
        columns |= {f"{name}_{route}": row for route, row in zip(routes, values[name], strict=True)}
    for name in ("gate", "routed", "hard_routed"):
        columns |= {
            (name if len(gates) == 1 else f"{name}_{gate}"): values[name][row]
            for row, gate in enumerate(gates)
            if name in values
        }
    for cut in cuts_of(result.config["blocks"]):
        names = (cut.memorised, cut.recovered) if truth_known else (cut.memorised,)
        columns |= {name: values[name] for name in names}
    return pd.DataFrame(columns)


def to_terminal(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """One result as text: fit along each route, how much each cut takes, and the cost that hard routing saves."""
    groups = rows_of(probed_members(run, log, result))
    fit = "Fit of the given label" if _corrupted(groups) or not log.truth_known else "Accuracy"
    parts = [heading(run, log, result), f"{fit} along each route:", table(fit_rows(result, groups))]
    differences = _differences(result, groups)
    parts += ["Paired by sample, one route minus another:", differences] if differences else []
    parts += _contrasts(run, log, result)
    if not cuts_of(result.config["blocks"]):
        parts.append("B3 has one unit, so nothing lies beyond its o1, and there is nothing to cut.")
    parts += [
        *few_fitted(result, groups),
        shuffled_readout(result),
        *cost(result, log.truth_known),
        *unbound(result),
    ]
    if result.config["curve"] == "identity":
        parts.append(IDENTITY)
    return "\n\n".join(parts)


def rows_of(groups: Members) -> dict[str, NDArray[np.bool_]]:
    """The groups without a single cause, whose row would repeat that of the corrupted samples.

    Returns:
        Group to members [n]; with a single cause ``corrupted`` is named ``corrupted (label)`` and so on.
    """
    causes = [name for name in CORRUPTED_CAUSES if name in groups]
    if len(causes) != 1:
        return dict(groups)
    names = {"corrupted": f"corrupted ({causes[0]})"}
    return {names.get(name, name): mask for name, mask in groups.items() if name not in causes}


def _corrupted(groups: Members) -> bool:
    return any(name.startswith("corrupted") for name in groups)


def table(rows: list[dict[str, str]]) -> str:
    """Rows of the same columns as text."""
    return tabulate(rows, headers="keys", disable_numparse=True)


def fit_rows(result: ProbeResult, groups: Members) -> list[dict[str, str]]:
    """Share of each group that fits its given label along each route; of wrong labels also the clean one's share.

    Args:
        result: of this probe.
        groups: see :func:`rows_of`.

    Returns:
        A row for each group: ``samples``, ``n``, and a column for each route, a percentage with its interval.
    """
    wrong = result.values["wrong_label"]
    rows = [(name, mask, "fits_given") for name, mask in groups.items()]
    rows += [("wrong label, as its clean one", wrong, "fits_clean")] if wrong.any() else []
    return [
        {"samples": name, "n": str(mask.sum())}
        | {route: percent(share(row_of(result, route, column)[mask])) for route in result.config["routes"]}
        for name, mask, column in rows
    ]


def _differences(result: ProbeResult, groups: Members) -> str:
    """Table of each cut's losses in each group, and of the learned route against through and hard; "" for none."""
    rows = [
        {**_lost(result, cut.whole, cut.part, name, mask), "recovered": _recovered(result, cut, mask)}
        for cut in cuts_of(result.config["blocks"])
        for name, mask in groups.items()
    ]
    rows += [
        {**_lost(result, LEARNED, part, name, mask), "recovered": ""}
        for part in (THROUGH, HARD)
        if part in result.config["routes"]
        for name, mask in groups.items()
        if name in ("all", "clean") or name.startswith("corrupted")
    ]
    if not result.values["wrong_label"].any():
        rows = [{name: cell for name, cell in row.items() if name != "recovered"} for row in rows]
    return table(rows) if rows else ""


def _lost(result: ProbeResult, whole: str, part: str, name: str, mask: NDArray[np.bool_]) -> dict[str, str]:
    lost = fit_lost(result, whole, part)[mask]
    return {
        "difference": f"{whole} - {part}",
        "samples": name,
        "n": str(mask.sum()),
        "fit": with_difference(difference(lost)),
        "lost": percent(share(lost > 0)),
        "gained": percent(share(lost < 0)),
        "p(given)": with_difference(difference(p_lost(result, whole, part)[mask])),
    }


def _recovered(result: ProbeResult, cut: Cut, mask: NDArray[np.bool_]) -> str:
    fitted = mask & result.values["wrong_label"] & row_of(result, cut.whole)
    if not fitted.any():
        return "-"
    hits = result.values[cut.recovered][fitted]
    return f"{hits.sum()} of {fitted.sum()}: {percent(share(hits))}"


def _contrasts(run: Run, log: SampleLog, result: ProbeResult) -> list[str]:
    """Table of whether a cut takes more from corrupted samples; or the reason why it cannot be compared."""
    groups = probed_members(run, log, result)
    if rows := [contrast_row(contrast) for contrast in contrasts(result, groups)]:
        return ["Does a cut take more from corrupted samples than from clean ones?", table(rows)]
    if not log.truth_known:
        return [TRUTH_UNKNOWN]
    if "corrupted" not in groups:
        return [
            f"None of the probed samples of {result.split} is corrupted, so there is nothing to contrast."
        ]
    if "clean" not in groups:
        return [
            f"All of the probed samples of {result.split} are corrupted, so there is nothing to contrast."
        ]
    return []


def contrast_row(contrast: Contrast, beside: bool = False) -> dict[str, str]:
    """A contrast as a row of a table.

    Args:
        contrast: of one run, or of two.
        beside: whether it compares two networks, so that its shares are differences, too.
    """
    cell = percent if contrast.measure == OF_FITTED and not beside else with_difference
    return {
        "cut": contrast.cut,
        "lost": contrast.measure,
        "group": contrast.group,
        "clean loses": cell(contrast.clean),
        "group loses": cell(contrast.corrupted),
        "group - clean": with_difference(contrast.difference),
    }
