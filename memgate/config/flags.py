"""Flags as they are typed, to values: one parser (tyro) for the command line and for what a sweep varies."""

import contextlib
import io
import re
import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import tyro
from tyro.conf import FlagConversionOff

from memgate.config.json_form import flags
from memgate.config.run import RunConfig
from memgate.errors import MemgateError


def parsed(kind: Any, arguments: Sequence[str], **options: Any) -> Any:
    """What the arguments say, as a value of the type ``kind``.

    Args:
        kind: a dataclass, or a union of commands.
        arguments: without the program's name.
        options: further ones of ``tyro.cli``.

    Raises:
        MemgateError: an argument is misspelt, or a value is of another type or out of its range.
        SystemExit: with code 0 after --help.
    """
    refusal = io.StringIO()
    try:
        with contextlib.redirect_stderr(refusal):
            return tyro.cli(kind, args=list(arguments), prog="memgate", **options)
    except SystemExit as exit_:
        if not exit_.code:  # --help
            raise
        raise MemgateError(_sentence(refusal.getvalue())) from None


def changed(config: RunConfig, values: Mapping[str, str]) -> RunConfig:
    """A configuration with some flags of ``memgate train`` set.

    Args:
        config: what the others stay as.
        values: flag (``train.gate_lr``) to its value as it would be typed in a shell; a list's items stand apart by
            spaces, an empty text is an empty list, and true or false are written so.

    Raises:
        MemgateError: there is no such flag, or a value is none of its own.
    """
    known = flags(config)
    arguments = []
    for flag, value in values.items():
        if flag not in known:
            near = get_close_matches(flag, known, 1)
            raise MemgateError(
                f"--{flag} is no flag of 'memgate train'"
                f"{f': perhaps --{near[0]} is meant' if near else ''}; 'memgate train --help' lists them."
            )
        words = _words(flag, value)
        if isinstance(known[flag], bool):
            words = [word.capitalize() for word in words]  # tyro's own spelling is Python's
        # A value that begins with a hyphen is one only behind '='.
        arguments += [f"--{flag}={words[0]}"] if len(words) == 1 else [f"--{flag}", *words]
    return parsed(RunConfig, arguments, default=config, config=(FlagConversionOff,))


def _words(flag: str, value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError as error:
        raise MemgateError(
            f"--{flag} {value!r} cannot be read ({error}): close the quotation mark."
        ) from error


def _sentence(box: str) -> str:
    """The parser's box of lines as one line: what is wrong and what it suggests, without the frame."""
    lines = [line.strip("│ ") for line in box.splitlines() if line.startswith("│")]
    # Where the output is not UTF-8, tyro draws a title, a rule of dashes and no frame.
    lines = lines or [line.strip() for line in box.splitlines()[2:]]
    parts = [part.strip() for part in re.split(r"[─-]{3,}", " ".join(lines)) if part.strip()]
    said = [part for part in parts if not part.startswith(("Argument helptext", "For full helptext"))]
    said = [part if part.endswith((".", ":")) else f"{part}." for part in said]
    return re.sub(r"\s+", " ", " ".join(said)) or box.strip()
