"""The command line: tyro over the commands of :mod:`app.cli.commands`."""

import contextlib
import io
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Union, cast

from tyro.conf import subcommand

from app.cli.commands.corrupt import (
    CorruptExport,
    CorruptImport,
    CorruptKinds,
    CorruptShow,
    CorruptVerify,
    CorruptWrite,
)
from app.cli.commands.dashboard import Dashboard
from app.cli.commands.data import DataInfo, DataPrepare
from app.cli.commands.export import Export
from app.cli.commands.import_curves import ImportCurves
from app.cli.commands.probe.checkpoints import ProbeCsr, ProbeDifficulty, ProbeOod
from app.cli.commands.probe.embed import ProbeEmbed
from app.cli.commands.probe.gates import ProbeGates
from app.cli.commands.probe.memorisation import ProbeMemorisation
from app.cli.commands.probe.routing import ProbeRouting
from app.cli.commands.probe.show import ProbeShow
from app.cli.commands.recipes import Recipes
from app.cli.commands.report import ReportRuns
from app.cli.commands.reproduce import Reproduce
from app.cli.commands.runs import Runs
from app.cli.commands.score import ScoreRun, ScoresKnown
from app.cli.commands.subsets import Subsets
from app.cli.commands.sweep import SweepRuns, SweepTable
from app.cli.commands.trade_off import TradeOffOfRuns
from app.cli.commands.train import Evaluate, Quickstart, Resume, Train
from memgate import __version__, console
from memgate.config.flags import parsed
from memgate.config.run import RunConfig
from memgate.errors import MemgateError
from memgate.papers.scales import SCALES, ScaleName
from memgate.recipes import recipe
from memgate.runs.run import open_run
from noise.errors import NoiseError

DESCRIPTION = (
    "memgate: train gated ResNets on deliberately corrupted images, log every sample at every epoch, "
    "and see whether the gated block memorises the outliers."
)

COMMANDS = {
    "quickstart": Quickstart, "resume": Resume, "report": ReportRuns, "score": ScoreRun, "scores": ScoresKnown,
    "export": Export, "evaluate": Evaluate, "runs": Runs, "recipes": Recipes, "dashboard": Dashboard,
    "import-curves": ImportCurves, "reproduce": Reproduce, "trade-off": TradeOffOfRuns,
}  # fmt: skip
"""Commands without subcommands, except train and subsets, whose defaults depend on their flags."""

DATA = {"info": DataInfo, "prepare": DataPrepare}
"""Subcommands of 'memgate data'."""

CORRUPT = {
    "write": CorruptWrite, "show": CorruptShow, "verify": CorruptVerify, "export": CorruptExport,
    "import": CorruptImport, "kinds": CorruptKinds,
}  # fmt: skip
"""Subcommands of 'memgate corrupt'; without one, write."""

PROBE = {
    "csr": ProbeCsr, "routing": ProbeRouting, "gates": ProbeGates, "difficulty": ProbeDifficulty, "ood": ProbeOod,
    "embed": ProbeEmbed, "memorisation": ProbeMemorisation, "show": ProbeShow,
}  # fmt: skip
"""Subcommands of 'memgate probe'."""

LIST_FLAGS = (
    "--noise", "--noise-on", "--train.milestones", "--radius", "--checkpoints", "--splits", "--scores", "--ood",
    "--near", "--join", "--quantities", "--classes", "--ids", "--sources", "--methods", "--fractions",
)  # fmt: skip
"""Flags that take several values at once."""


def _is_flag(text: str) -> bool:
    return text.startswith("-") and text not in ("-h", "--help")


def _command_type(start: RunConfig) -> Any:
    """The union of all commands; ``start`` holds the defaults of the configuration's flags."""
    train = Annotated[Train, subcommand("train", default=Train(start))]
    run_sweep = Annotated[SweepRuns, subcommand("run", default=SweepRuns("", start))]
    subsets = Annotated[Subsets, subcommand("subsets", default=Subsets("", start))]
    groups = {
        "data": (_named(DATA), "Print the contents of a data set; download and cache one."),
        "corrupt": (
            _named(CORRUPT),
            "Write, show, verify, export and import manifests of corruptions; without a subcommand: write.",
        ),
        "probe": (
            _named(PROBE),
            "Probe a trained network: csr, routing, gates, difficulty, ood, embed; a group of networks: memorisation; "
            "show stored results.",
        ),
        "sweep": (
            [run_sweep, *_named({"table": SweepTable})],
            "Run a recipe over a grid of settings and seeds ('memgate sweep RECIPE'); print its results.",
        ),
    }
    grouped = [
        Annotated[Union[tuple(kinds)], subcommand(name, description=text)]  # noqa: UP007
        for name, (kinds, text) in groups.items()
    ]
    return Union[(train, *_named(COMMANDS), subsets, *grouped)]


def _named(commands: Mapping[str, type]) -> list[Any]:
    """The commands as types that tyro calls by these names."""
    return [Annotated[kind, subcommand(name)] for name, kind in commands.items()]


def parse(arguments: Sequence[str]) -> Any:
    """The command of the arguments: a frozen dataclass with a method ``run``.

    Raises:
        MemgateError: an argument is misspelt, a value is out of its range, or a recipe or run is unknown.
        SystemExit: with code 0 after --help.
    """
    arguments = list(arguments)
    for flag in LIST_FLAGS:
        if len(_places(arguments, flag)) > 1:
            raise MemgateError(
                f"{flag} is given twice, and only the last would count: list all values after one {flag}."
            )
    if arguments[:1] == ["corrupt"] and (len(arguments) == 1 or _is_flag(arguments[1])):
        arguments.insert(1, "write")
    if arguments[:1] == ["sweep"] and arguments[1:2] not in ([], ["run"], ["table"], ["-h"], ["--help"]):
        arguments.insert(1, "run")
    _check_words(arguments)
    command = _command_type(_start_from(arguments))
    return parsed(command, arguments, description=DESCRIPTION)


def _check_words(arguments: Sequence[str]) -> None:
    """Raise MemgateError where the command or its subcommand is misspelt, with the one that is probably meant."""
    groups: dict[str, Collection[str]] = {
        "data": DATA, "corrupt": CORRUPT, "probe": PROBE, "sweep": ("run", "table"),
    }  # fmt: skip
    words: list[tuple[str, Collection[str]]] = [("memgate", ("train", *COMMANDS, "subsets", *groups))]
    if arguments[:1] and arguments[0] in groups:
        words.append((f"memgate {arguments[0]}", groups[arguments[0]]))
    for (before, known), word in zip(words, arguments, strict=False):
        if word in known or word.startswith("-"):
            continue
        near = get_close_matches(word, known, 1)
        remedy = f"perhaps {near[0]} is meant" if near else f"there are {', '.join(known)}"
        raise MemgateError(f"{before!r} has no command {word[:40]!r}: {remedy} ('{before} --help').")


def _start_from(arguments: Sequence[str]) -> RunConfig:
    """The configuration with the defaults of 'memgate train', 'memgate subsets' and 'memgate sweep run'.

    It is that of a recipe, of another run, or RunConfig(). Where --noise or --manifest is given, it replaces both.

    Raises:
        MemgateError: the recipe or the run is unknown, or both are given.
    """
    if arguments[:2] == ["sweep", "run"] and arguments[2:3] not in (["-h"], ["--help"]):
        if len(arguments) == 2 or _is_flag(arguments[2]):
            raise MemgateError(
                "'memgate sweep' needs the recipe first: memgate sweep RECIPE --over FLAG=V1,V2."
            )
        name, like = arguments[2], None
    elif arguments[:1] == ["subsets"] and arguments[1:2] not in (["-h"], ["--help"]):
        if len(arguments) == 1 or _is_flag(arguments[1]):
            raise MemgateError(
                "'memgate subsets' needs the recipe first: memgate subsets RECIPE --models 64."
            )
        name, like = arguments[1], None
    elif arguments[:1] == ["train"]:
        name, like = _flag(arguments, "--recipe"), _flag(arguments, "--like")
    else:
        return RunConfig()
    if name is not None and like is not None:
        raise MemgateError("--recipe and --like both give a configuration to start from: give one of them.")
    config = RunConfig() if name is None else recipe(name, _scale(arguments))
    if like is not None:
        run = open_run(like)
        # Relative paths were given in the folder in which that run was started.
        data = replace(run.requested.data, root=run.config.data.root)
        noise, manifest = run.config.noise, run.config.manifest
        config = replace(
            run.requested, name=None, data=data, noise=noise, manifest=manifest,
            init_from=run.config.init_from, init_gater=run.config.init_gater,
        )  # fmt: skip
    # These placeholders are valid beside the inherited values; tyro replaces them by the given value.
    if _places(arguments, "--manifest"):
        return replace(config, noise=(), noise_seed=0, manifest=Path("typed"))
    if _places(arguments, "--noise"):
        return replace(config, noise=("symmetric:0",), manifest=None)
    return config


def _scale(arguments: Sequence[str]) -> ScaleName:
    """Value of ``--scale`` of 'memgate train'; ``full`` without, and for a value that is none, which tyro refuses."""
    given = _flag(arguments, "--scale") if arguments[:1] == ["train"] else None
    return cast(ScaleName, given) if given in SCALES else "full"


def _flag(arguments: Sequence[str], flag: str) -> str | None:
    """Value of ``--flag VALUE`` or ``--flag=VALUE``; needed before tyro parses, since it decides the defaults."""
    for position in _places(arguments, flag):
        _, equals, value = arguments[position].partition("=")
        if equals:
            return value
        if position + 1 < len(arguments):
            return arguments[position + 1]
    return None


def _places(arguments: Sequence[str], flag: str) -> list[int]:
    """Positions of a flag, with or without a value, with hyphens or underscores."""
    names = [text.partition("=")[0] for text in arguments]
    return [at for at, name in enumerate(names) if name[:2] == "--" and name.replace("_", "-") == flag]


def run(arguments: Sequence[str]) -> None:
    """Run the command of the arguments; an error that the user can correct ends in one sentence and exit code 2.

    Raises:
        SystemExit: with code 2 after an error of the user or of a file, 130 after Ctrl-C, 143 after SIGTERM, 0 after
            --help or when the reader of the output has ended.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows '?'
    try:
        if list(arguments) == ["--version"]:
            console.line(__version__)
            return
        parse(arguments).run()
    except (MemgateError, NoiseError) as error:
        console.warn(str(error))
        raise SystemExit(2) from None
    except KeyboardInterrupt as interrupt:  # of SIGTERM with its exit code
        console.warn("Stopped.")
        raise SystemExit(*interrupt.args or (130,)) from None
    except BrokenPipeError:
        # The reader of the output has ended (memgate runs | head), which is no error. Python would try to write the
        # rest at its end, and exit with 120.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    # Of a path that no command has checked: a name that is too long, a disk that is gone.
    except OSError as error:
        console.warn(f"A file could not be read or written ({error}): check the path and the disk.")
        raise SystemExit(2) from None
