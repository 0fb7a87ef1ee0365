"""Test accuracy against mean MACs: the points of runs, on one curve for each family of networks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

from memgate.config.json_form import flags, text_of
from memgate.config.model import ModelConfig
from memgate.config.run import RunConfig
from memgate.console import Form
from memgate.errors import MemgateError
from memgate.runs.metrics import last_known
from memgate.runs.outline import outline_of
from memgate.runs.run import Run, is_run
from noise.files.json_form import json_text
from probes.report.document import Lines, layout, table_of
from probes.report.several_runs import NO_MATTER, Spread, shown_spread, spread

SCHEMA = "memgate-trade-off/1"

NOTES = (
    "Test accuracy at the last epoch, and MACs (multiply-accumulates) of one test image: of networks with gates that "
    "close the mean over the images, with the gates' own layers and pooling; of others those of every image.",
    "Mean ± sample standard deviation over the runs of a point, which differ in their seeds only.",
)

KNOBS = {"channel-gate": ("sparsity.l0",), "gater": ("sparsity.gate_l1",)}
"""Network to the flags that vary along a curve; of others see :data:`ALL_KNOBS`."""
ALL_KNOBS = ("sparsity", "model.gate")
"""Sections of flags that vary along a curve of other networks."""


@dataclass(frozen=True)
class TradeOff:
    """The runs of one setting."""

    family: str
    """Name of its curve."""
    setting: str
    """What distinguishes it from other points of the curve; empty for nothing."""
    accuracy: Spread
    """Test accuracy, as a share."""
    macs: Spread
    """Mean MACs of a test image."""
    runs: tuple[str, ...]
    """Names of its runs; their paths where runs in several folders have one name."""


@dataclass(frozen=True)
class Published:
    """A number of a document."""

    name: str
    """Name of its row."""
    accuracy: float
    """Test accuracy, as a share."""
    macs: float
    """Mean MACs of an image."""


@dataclass(frozen=True)
class TradeOffs:
    """The points of runs, by family and by rising MACs; ``str(trade_offs)`` is a table."""

    points: tuple[TradeOff, ...]
    left_out: dict[str, str]
    """Name of a run without a point to the reason."""
    schema: str = SCHEMA

    def text(self, form: Form = "terminal") -> str:
        """The points as plain text, Markdown or JSON."""
        if form == "json":
            return json_text({**asdict(self), "notes": NOTES}, indent=2)
        left_out = [f"Not in the table: {name} ({reason})" for name, reason in self.left_out.items()]
        rows = [
            {
                "network": point.family,
                "setting": point.setting,
                "n": str(len(point.runs)),
                "test accuracy": shown_spread(point.accuracy, len(point.runs), "percent"),
                "MACs (millions)": shown_spread(millions(point.macs), len(point.runs), "decimal", exact=True),
            }
            for point in self.points
        ]
        return layout("Accuracy and cost", [table_of("", rows), Lines(left_out), Lines(NOTES)], form)

    def __str__(self) -> str:
        return self.text()


def trade_offs(runs: Sequence[Run]) -> TradeOffs:
    """The points of complete runs; runs that differ in their seeds only make one point.

    Args:
        runs: of any networks; one that is not complete, or that memgate did not train, is left out with the reason.
    """
    left_out: dict[str, str] = {}
    known: dict[str, tuple[RunConfig, float, float]] = {}
    names = Counter(run.name for run in runs)
    for run in runs:
        name = run.name if names[run.name] == 1 else str(run.path)  # of runs in several folders
        try:
            known[name] = _measured(run)
        except MemgateError as error:
            left_out[name] = str(error)
    configs = {name: config for name, (config, _, _) in known.items()}
    families = _families(configs)
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, config in configs.items():
        grouped.setdefault((families[name], json_text(_settings(config))), []).append(name)
    settings = _distinguished(families, configs)
    points = [
        TradeOff(
            family,
            settings[members[0]],
            spread([known[name][1] for name in members]),
            spread([known[name][2] for name in members]),
            tuple(members),
        )
        for (family, _), members in grouped.items()
    ]
    return TradeOffs(
        tuple(sorted(points, key=lambda point: (point.family, point.macs.mean or 0.0))), left_out
    )


def mean_macs(run: Run) -> float | None:
    """Mean MACs of a test image at the last epoch; of a network without gates that close those of every image.

    Raises:
        MemgateError: memgate did not train the run, or it is damaged.
    """
    model = run.config.model
    if model.hard_gates:
        return last_known(run.metrics(), "test_macs")
    return network_macs(model, len(run.sample_log().class_names), run.manifest.header.image_shape[0])


def millions(macs: Spread) -> Spread:
    """A number of MACs in millions."""
    return Spread(
        None if macs.mean is None else macs.mean / 1e6,
        None if macs.sd is None else macs.sd / 1e6,
        macs.n,
        tuple(None if value is None else value / 1e6 for value in macs.values),
    )


@cache
def network_macs(model: ModelConfig, classes: int, side: int) -> int:
    """MACs of an image of side pixels in a network in which nothing closes."""
    from memgate.models.macs import cost_of  # torch, which the list of the papers' rows does not need

    return cost_of(model, classes, side).total


def _measured(run: Run) -> tuple[RunConfig, float, float]:
    """Configuration, test accuracy and mean MACs of a complete run; raises MemgateError where one is missing."""
    if not is_run(run.path):
        raise MemgateError("missing")
    config, status = run.config, run.status()
    if status.state != "complete":
        raise MemgateError(f"{status.state} after epoch {status.epoch} of {status.epochs}")
    accuracy, macs = last_known(run.metrics(), "test_accuracy"), mean_macs(run)
    if accuracy is None or macs is None:
        raise MemgateError(
            "it has no test accuracy" if accuracy is None else "it has no MACs of the test set"
        )
    return config, accuracy, macs


def _settings(config: RunConfig) -> dict[str, object]:
    """Flags that distinguish points: all but seeds, places and what is logged."""
    settings = flags(config, (*NO_MATTER, "log"))
    # Runs with different seeds start from runs with different seeds.
    started = {flag: getattr(config, flag) is not None for flag in ("init_from", "init_gater")}
    return {**settings, "noise": list(config.corruptions), **started}


def _families(configs: Mapping[str, RunConfig]) -> dict[str, str]:
    """Run to the name of its curve: network, losses of channel gates, and other flags in which such curves differ."""
    names = {name: _family(config) for name, config in configs.items()}
    fixed = {name: _fixed(config) for name, config in configs.items()}
    return {
        name: ", ".join(
            [family, *_different(name, [other for other in names if names[other] == family], fixed)]
        )
        for name, family in names.items()
    }


def _family(config: RunConfig) -> str:
    """Network and losses of a configuration, as text."""
    network, sparsity = outline_of(config).model, config.sparsity
    if config.model.name != "channel-gate":
        return network
    if not sparsity.shaping:
        return f"{network}, L0 only"
    constant = sparsity.shaping_schedule == "constant"
    return f"{network}, shaping only" if constant and not sparsity.l0 else f"{network}, shaping and L0"


def _fixed(config: RunConfig) -> dict[str, object]:
    """Flags that are the same along a curve."""
    knobs = KNOBS.get(config.model.name, ALL_KNOBS)
    return {
        flag: value
        for flag, value in _settings(config).items()
        if not any(flag == knob or flag.startswith(f"{knob}.") for knob in knobs)
    }


def _distinguished(families: Mapping[str, str], configs: Mapping[str, RunConfig]) -> dict[str, str]:
    """Run to the flags in which it differs from other runs of its curve, as text."""
    settings = {name: _settings(config) for name, config in configs.items()}
    return {
        name: ", ".join(
            _different(name, [other for other in families if families[other] == family], settings)
        )
        for name, family in families.items()
    }


def _different(name: str, among: Sequence[str], settings: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Flags of a run, with their values, that are not the same in all of some runs."""
    own = settings[name]
    flags_ = dict.fromkeys(flag for other in among for flag in settings[other])
    return [
        f"{flag} {text_of(own.get(flag))}"
        for flag in flags_
        if any(settings[other].get(flag) != own.get(flag) for other in among)
    ]
