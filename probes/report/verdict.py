"""The report on whether B3 holds what is memorised: numbers, tables, and a conclusion that follows from intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from memgate.console import Form
from noise.files.json_form import json_text
from probes.memorisation.verdict import GATED, UNGATED, Along, Compared, GateCorrelation, Gone
from probes.report.document import Block, Lines, Table, layout, table_of
from probes.report.league import evenly_apart
from probes.routing.routes import THROUGH
from probes.stats.estimate import Estimate, decimal, percent, points, value_text

SCHEMA = "memgate-verdict/1"

BRIEF = ("all", "clean", "corrupted")
"""Groups of samples in the tables of routes and correlations; the JSON form has all."""

EPOCHS = 6
"""Most epochs that the table of correlations shows; the JSON form has all."""

NOTES = (
    "mem: P_in - P_out, the share of models that predict the given label, of those that were trained on a sample, "
    "minus that of the others. In brackets 95 % intervals over blocks of models (Student's t), which are about other "
    "models on these samples; differences are paired by block, whose subsets are the same in both groups. Those of "
    "correlations are over samples (Fisher's z).",
    "Routed, skipping: samples with g above 0.5 in more than half of the gated models at the last epoch, and the "
    "others; for the ungated networks they are the same samples.",
    "Gone without {gate}: share of P_in - P_out that is lost where {gate} is skipped after its first unit, and of "
    "P_out above chance, which is what is right without training on the sample. An ungated network is cut in the same "
    "place. In particular: the first minus the second, gated minus ungated, in points; above 0 where {gate} holds "
    "memorisation rather than something of everything. No share where there is nothing to take.",
)
UNMEASURED = (
    "What is left without {gate} is not known: {done} of {models} models of {gated} and {control_done} of {models} of "
    "{control} have routes of all training samples. Type memgate probe memorisation {gated} --control {control}"
)


@dataclass(frozen=True, repr=False)
class VerdictReport:
    """Gated networks beside ungated ones on the same subsets, as numbers and as text."""

    gated: str
    """Name of the gated group."""
    ungated: str
    """Name of the ungated one."""
    models: int
    """Models of each group."""
    epoch: int
    """The last epoch, of which everything is but the correlations."""
    samples: int
    gate: str
    """Name of the block that is cut, such as ``B3``."""
    compared: tuple[Compared, ...]
    along: tuple[Along, ...]
    """() where the models' routes were not probed."""
    gone: tuple[Gone, ...]
    """Likewise."""
    correlations: tuple[GateCorrelation, ...]
    conclusion: str
    notes: tuple[str, ...]
    schema: str = SCHEMA

    def document(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return asdict(self)

    def text(self, form: Form = "terminal") -> str:
        """The report as plain text, as Markdown, or as JSON, in which undefined numbers are null."""
        if form == "json":
            return json_text(self.document(), indent=2)
        title = (
            f"{self.gated} (gated) and {self.ungated} (ungated): memorisation of {self.samples:,} training samples at "
            f"epoch {self.epoch}, by {self.models} models of each"
        )
        return layout(title, [self.conclusion, *self._blocks(), Lines(self.notes)], form)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Gated group {self.gated} beside {self.ungated}; print it>"

    def _blocks(self) -> Iterator[Block]:
        last = [row for row in self.compared if row.epoch == self.epoch]
        by_p = {row.group: row for row in last if row.outcome == "p"}
        rows = [
            {"samples": row.group, "n": str(row.gated.n), "gated": decimal(row.gated), "ungated": decimal(row.ungated),
             "gated - ungated": _signed(row.difference)}
            | ({"by p": _signed(by_p[row.group].difference)} if by_p else {})
            for row in last if row.outcome == "right"
        ]  # fmt: skip
        yield table_of("mem of both groups:", rows)
        if self.gone:
            yield self._gone()
            yield self._along()
        if self.correlations:
            yield self._correlations()

    def _gone(self) -> Table:
        rows = [
            {"samples": row.group, "gated": percent(row.gated), "ungated": percent(row.ungated),
             "gated - ungated": points(row.difference), "P_out, gated": percent(row.gated_general),
             "P_out, ungated": percent(row.ungated_general), "in particular": points(row.beyond)}
            for row in self.gone if row.outcome == "right"
        ]  # fmt: skip
        return table_of(f"Gone of P_in - P_out without {self.gate}, and of P_out above chance:", rows)

    def _along(self) -> Table:
        rows = [
            {"network": row.network, "route": row.route, "samples": row.group, "P_in": value_text(row.p_in),
             "P_out": value_text(row.p_out), "mem": decimal(row.mem), "minus learned": _signed(row.change)}
            for row in self.along if row.outcome == "right" and row.group in BRIEF
        ]  # fmt: skip
        return table_of("Along each route, at the last checkpoints:", rows)

    def _correlations(self) -> Table:
        shown = self.correlations[0].epochs
        places = evenly_apart(np.arange(len(shown)), EPOCHS).tolist()
        rows = [
            {"quantity": f"{row.quantity} ({row.gate})", "samples": row.group}
            | {f"epoch {shown[place]}": decimal(row.rho[place]) for place in places}
            for row in self.correlations
            if row.group in BRIEF and any(rho.value is not None for rho in row.rho)
        ]
        return table_of("Spearman's correlation with mem of the same epoch:", rows)


def verdict_report(
    *,
    names: tuple[str, str],
    models: int,
    epoch: int,
    samples: int,
    gate: str,
    compared: tuple[Compared, ...],
    correlations: tuple[GateCorrelation, ...],
    along: tuple[Along, ...] = (),
    gone: tuple[Gone, ...] = (),
    measured: tuple[int, int] = (0, 0),
    seeds: tuple[int, int] = (0, 0),
    left_out: int = 0,
) -> VerdictReport:
    """The report of numbers that were computed, with its conclusion.

    Args:
        names: of the gated and of the ungated group.
        models: of each that are compared.
        epoch: the last one.
        samples: training samples.
        gate: name of the block that is cut.
        compared: see :mod:`probes.memorisation.verdict`.
        correlations: likewise.
        along: likewise; () where not all models were probed.
        gone: likewise.
        measured: models of each group that were probed.
        seeds: of the first models.
        left_out: models of both groups that are not complete.
    """
    unmeasured = UNMEASURED.format(
        gate=gate, done=measured[0], control_done=measured[1], models=models, gated=names[0], control=names[1]
    )
    notes = [note.format(gate=gate) for note in NOTES]
    if seeds[0] != seeds[1]:
        notes.append(
            f"Trained with other seeds ({seeds[0]} and {seeds[1]}), which is part of the differences."
        )
    if left_out:
        notes.append(f"{left_out} models are not complete, or belong to the block of such a one: left out.")
    text = conclusion(compared, along, gone, correlations, gate, epoch)
    parts = [text] if gone else [text, unmeasured + "."]
    return VerdictReport(
        *names,
        models,
        epoch,
        samples,
        gate,
        compared,
        along,
        gone,
        correlations,
        " ".join(parts),
        tuple(notes),
    )


def conclusion(
    compared: Sequence[Compared],
    along: Sequence[Along],
    gone: Sequence[Gone],
    correlations: Sequence[GateCorrelation],
    gate: str,
    epoch: int,
) -> str:
    """A paragraph about all samples, by right predictions; nothing is called a difference whose interval has 0.

    Args:
        compared: see :class:`VerdictReport`.
        along: likewise.
        gone: likewise.
        correlations: likewise.
        gate: name of the block that is cut.
        epoch: the last one.
    """
    sentences = [
        _who_memorises(row)
        for row in compared
        if (row.outcome, row.group, row.epoch) == ("right", "all", epoch)
    ]
    sentences += [
        sentence
        for row in gone
        if (row.outcome, row.group) == ("right", "all")
        for sentence in _what_is_gone(row, gate)
    ]
    sentences += [
        _forced(row, gate)
        for row in along
        if (row.network, row.outcome, row.group) == (GATED, "right", "all") and row.route.startswith(THROUGH)
    ]
    sentences += _with_gates(correlations, gate)
    return " ".join(sentences)


def _who_memorises(row: Compared) -> str:
    change, values = _signed(row.difference), f"{value_text(row.gated)} and {value_text(row.ungated)}"
    side = _side(row.difference)
    if side == 0:
        return (
            "Whether the gated networks memorise more or less than the ungated ones is not resolved: "
            f"mem {values}, difference {change}."
        )
    return (
        f"The gated networks memorise {_more(side)} than the ungated ones: mem {values}, difference {change}."
    )


def _what_is_gone(row: Gone, gate: str) -> Iterator[str]:
    """What the cut takes, and what follows for the block."""
    nothing = [name for name in (GATED, UNGATED) if getattr(row, name).value is None]
    if nothing:
        yield (
            f"In the {' and the '.join(nothing)} networks mem is not above 0 with its whole interval, so that {gate} "
            "has nothing to hold that these models show."
        )
        return
    yield (
        f"Without {gate}, {percent(row.gated)} of P_in - P_out is gone in the gated networks, and "
        f"{percent(row.ungated)} in the ungated ones, cut in the same place: "
        f"{points(row.difference, 'no interval')} points."
    )
    side, beyond = _side(row.difference), _side(row.beyond)
    if side == 0:
        yield (
            f"So whether {gate} holds more or less of what is memorised than the same part of an ungated network is "
            "not resolved."
        )
    elif side < 0:
        yield f"So {gate} holds less of what is memorised than the same part of an ungated network."
    elif row.beyond.value is None:
        yield (
            f"So more of what is memorised depends on {gate}; whether memorisation in particular does is not known, "
            "since P_out is not above chance."
        )
    else:
        holds = (
            f"So {gate} holds what is memorised, more than the same part of an ungated network does, and in particular"
            if beyond > 0
            else f"So more of what is memorised depends on {gate}, but {_no_more(beyond)}"
        )
        yield (
            f"{holds}: beyond the ungated networks the cut takes {points(row.beyond, 'no interval')} points more of "
            "mem than of P_out."
        )


def _no_more(side: int) -> str:
    return (
        "whether memorisation in particular does is not resolved"
        if side == 0
        else "everything else depends on it even more"
    )


def _forced(row: Along, gate: str) -> str:
    side = _side(row.change)
    if side == 0:
        return f"What forcing all samples through {gate} does to mem is not resolved ({_signed(row.change)})."
    words = "higher" if side > 0 else "lower"
    return f"With all samples forced through {gate}, mem is {words} ({_signed(row.change)})."


def _with_gates(correlations: Sequence[GateCorrelation], gate: str) -> Iterator[str]:
    """What the gate's quantities have to do with mem at the last epoch."""
    of = [row for row in correlations if row.group == "all" and row.gate.upper() == gate]
    if not of:
        return
    parts = []
    for row in of:
        last = row.rho[-1]
        if last.value is None:
            parts.append(f"{row.quantity} is the same for all samples, or not known")
        else:
            words = {1: "rises with it", -1: "falls with it", 0: "is not resolved"}[_side(last)]
            parts.append(f"{row.quantity} {words} ({decimal(last)})")
    yield f"Over the samples, mem at the last epoch and the gate: {', '.join(parts)} (Spearman)."


def _side(number: Estimate) -> int:
    """1 or -1 where the whole interval is above or below 0, and 0 where it is not or there is none."""
    if number.low is None or number.high is None:
        return 0
    return int(number.low > 0) - int(number.high < 0)


def _more(side: int) -> str:
    return "more" if side > 0 else "less"


def _signed(number: Estimate) -> str:
    """A difference with its sign and its interval, the value alone without one."""
    if number.value is None:
        return "-"
    ends = "" if number.low is None else f" [{number.low:.3f}, {number.high:.3f}]"
    return f"{number.value:+.3f}{ends}"
