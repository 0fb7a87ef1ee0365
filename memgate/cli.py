"""The command line: tyro over the commands. With ``memgate.commands``, the only code that knows all four rooms."""

import contextlib
import importlib.util
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Union

import tyro
from tyro.conf import subcommand

from memgate import __version__, console
from memgate.commands.corruption import (
    CorruptExport,
    CorruptImport,
    CorruptKinds,
    CorruptShow,
    CorruptVerify,
    CorruptWrite,
)
from memgate.commands.data import DataInfo, DataPrepare
from memgate.commands.inside import ProbeInside
from memgate.commands.ood import ProbeOod
from memgate.commands.probing import ProbeCsr, ProbeShow
from memgate.commands.reading import Dashboard, Export, ImportCurves, Recipes, Runs
from memgate.commands.reporting import Report
from memgate.commands.routing import ProbeRouting
from memgate.commands.scoring import ScoreRun, ScoresKnown
from memgate.commands.training import Evaluate, Quickstart, Resume, Train
from memgate.config import RunConfig
from memgate.errors import MemgateError
from memgate.recipes import recipe
from memgate.runs import open_run
from noise.errors import NoiseError

DESCRIPTION = (
    "memgate: train gated ResNets on deliberately corrupted images, log every sample at every epoch, "
    "and see whether the gated block memorises the outliers."
)

CORRUPT = {
    "write": CorruptWrite, "show": CorruptShow, "verify": CorruptVerify, "export": CorruptExport,
    "import": CorruptImport, "kinds": CorruptKinds,
}  # fmt: skip
"""What stands after 'memgate corrupt'; where a flag stands there, write is meant."""

PROBE = {
    "csr": ProbeCsr, "routing": ProbeRouting, "inside": ProbeInside, "ood": ProbeOod, "show": ProbeShow,
}  # fmt: skip
"""What stands after 'memgate probe'."""

LIST_FLAGS = (
    "--noise", "--noise-on", "--train.milestones", "--radius", "--checkpoints", "--splits", "--scores", "--ood",
    "--near", "--join",
)  # fmt: skip
"""Flags that take several values at once."""


def _command_type(train: Train) -> Any:
    """The union of all commands; ``train`` carries the defaults of a recipe or of another run."""
    data = Union[Annotated[DataInfo, subcommand("info")], Annotated[DataPrepare, subcommand("prepare")]]  # noqa: UP007
    corrupt = Union[tuple(Annotated[kind, subcommand(name)] for name, kind in CORRUPT.items())]  # noqa: UP007
    probe = Union[tuple(Annotated[kind, subcommand(name)] for name, kind in PROBE.items())]  # noqa: UP007
    named = {
        "quickstart": Quickstart, "resume": Resume, "report": Report, "score": ScoreRun, "scores": ScoresKnown,
        "export": Export, "evaluate": Evaluate, "runs": Runs, "recipes": Recipes, "dashboard": Dashboard,
        "import-curves": ImportCurves,
    }  # fmt: skip
    commands = [Annotated[Train, subcommand("train", default=train)]]
    commands += [Annotated[kind, subcommand(name)] for name, kind in named.items()]
    groups = [
        Annotated[data, subcommand("data", description="Say what a data set holds; download and cache one.")],
        Annotated[
            corrupt,
            subcommand(
                "corrupt",
                description="Write, show, verify, export and import what was done; without a command: write.",
            ),
        ],
        Annotated[
            probe,
            subcommand(
                "probe",
                description="Ask a trained network about its samples: csr, routing, inside, ood; show.",
            ),
        ],
    ]
    return Union[(*commands, *groups)]


def parse(arguments: Sequence[str]) -> Any:
    """The command that the arguments name, ready to :meth:`run`.

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
    if arguments[:1] == ["corrupt"] and (
        len(arguments) == 1 or (arguments[1].startswith("-") and arguments[1] not in ("-h", "--help"))
    ):
        arguments.insert(1, "write")
    command = _command_type(Train(_start_from(arguments)))
    refusal = io.StringIO()
    try:
        with contextlib.redirect_stderr(refusal):
            return tyro.cli(command, args=arguments, prog="memgate", description=DESCRIPTION)
    except SystemExit as exit_:
        if not exit_.code:  # --help
            raise
        raise MemgateError(_sentence(refusal.getvalue())) from None


def _sentence(box: str) -> str:
    """The parser's box of lines as one line: what is wrong and what it suggests, without the frame."""
    lines = [line.strip("│ ") for line in box.splitlines() if line.startswith("│")]
    # Where the output is not UTF-8, tyro draws a title, a rule of dashes and no frame.
    lines = lines or [line.strip() for line in box.splitlines()[2:]]
    parts = [part.strip() for part in re.split(r"[─-]{3,}", " ".join(lines)) if part.strip()]
    said = [part for part in parts if not part.startswith(("Argument helptext", "For full helptext"))]
    said = [part if part.endswith((".", ":")) else f"{part}." for part in said]
    return re.sub(r"\s+", " ", " ".join(said)) or box.strip()


def _start_from(arguments: Sequence[str]) -> RunConfig:
    """The configuration whose values are the defaults of 'memgate train': a recipe's, another run's, or ours.

    Of --noise and --manifest, the one that is typed takes the place of what that configuration did.

    Raises:
        MemgateError: the recipe or the run is unknown, or both are given.
    """
    if arguments[:1] != ["train"]:
        return RunConfig()
    name, like = _flag(arguments, "--recipe"), _flag(arguments, "--like")
    if name is not None and like is not None:
        raise MemgateError("--recipe and --like both say where to start from: give one of them.")
    config = RunConfig() if name is None else recipe(name)
    if like is not None:
        run = open_run(like)
        # Paths were typed in the folder where that run was started.
        data = replace(run.requested.data, root=run.config.data.root)
        noise, manifest = run.config.noise, run.config.manifest
        init_from = run.config.init_from
        config = replace(
            run.requested, name=None, data=data, noise=noise, manifest=manifest, init_from=init_from
        )
    # The typed value itself comes later; these only have to be valid beside what is inherited.
    if _places(arguments, "--manifest"):
        return replace(config, noise=(), noise_seed=0, manifest=Path("typed"))
    if _places(arguments, "--noise"):
        return replace(config, noise=("symmetric:0",), manifest=None)
    return config


def _flag(arguments: Sequence[str], flag: str) -> str | None:
    """Value of ``--flag VALUE`` or ``--flag=VALUE``, before tyro knows the defaults it is to show."""
    for position in _places(arguments, flag):
        _, equals, value = arguments[position].partition("=")
        if equals:
            return value
        if position + 1 < len(arguments):
            return arguments[position + 1]
    return None


def _places(arguments: Sequence[str], flag: str) -> list[int]:
    """Where a flag stands, with or without a value, in hyphens or underscores."""
    names = [text.partition("=")[0] for text in arguments]
    return [at for at, name in enumerate(names) if name[:2] == "--" and name.replace("_", "-") == flag]


def check_siblings() -> None:
    """Make sure that noise, probes and app are the folders beside memgate, not somebody else's packages.

    Raises:
        MemgateError: another package of that name is found first (PyPI has a ``noise``).
    """
    here = Path(__file__).resolve().parent.parent
    for name in ("noise", "probes", "app"):
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve().parent if found and found.origin else None
        if origin != here / name:
            raise MemgateError(
                f"Another package called {name!r} ({origin or 'without files'}) hides memgate's own: "
                f"uninstall it, or use a fresh environment."
            )


def main() -> None:
    """Run one command; what the user can put right ends in one sentence and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows a '?' for it
    try:
        check_siblings()
        if sys.argv[1:] == ["--version"]:
            console.line(__version__)
            return
        parse(sys.argv[1:]).run()
    except (MemgateError, NoiseError) as error:
        console.warn(str(error))
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        console.warn("Stopped.")
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader of our output has gone (memgate runs | head): not an error of ours.
        sys.stderr.close()
        raise SystemExit(0) from None


if __name__ == "__main__":
    main()
