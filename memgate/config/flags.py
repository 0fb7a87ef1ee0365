"""Parses flags with tyro: for the command line, and for the settings that a sweep varies."""

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

MEANT = 3
"""Most flags that are suggested for a misspelt one."""


def parsed(kind: Any, arguments: Sequence[str], **options: Any) -> Any:
    """A value of type ``kind`` parsed from command-line arguments.

    Args:
        kind: a dataclass, or a union of commands.
        arguments: without the program's name.
        options: further arguments of ``tyro.cli``.

    Raises:
        MemgateError: an argument is misspelt, or a value is of another type or out of its range.
        SystemExit: with code 0 after --help.
    """
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message):
            return tyro.cli(kind, args=list(arguments), prog="memgate", **options)
    except SystemExit as exit_:
        if not exit_.code:  # --help
            raise
        raise MemgateError(_sentence(message.getvalue())) from None


def changed(config: RunConfig, values: Mapping[str, str]) -> RunConfig:
    """A configuration with some flags of ``memgate train`` changed.

    Args:
        config: gives the values of all other flags.
        values: flag (``train.gate_lr``) to its value as typed in a shell: items of a list separated by spaces, an
        empty
            text for an empty list, ``true`` or ``false``.

    Raises:
        MemgateError: there is no such flag, or its value is invalid.
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
            words = [word.capitalize() for word in words]  # tyro expects True and False
        # A value that begins with a hyphen is taken for a flag unless it follows '='.
        arguments += [f"--{flag}={words[0]}"] if len(words) == 1 else [f"--{flag}", *words]
    return parsed(RunConfig, arguments, default=config, config=(FlagConversionOff,))


def _words(flag: str, value: str) -> list[str]:
    """A value split as a shell does it."""
    try:
        return shlex.split(value)
    except ValueError as error:
        raise MemgateError(
            f"--{flag} {value!r} cannot be read ({error}): close the quotation mark."
        ) from error


def _sentence(box: str) -> str:
    """The parser's framed error message as one line without the frame."""
    lines = [line.strip("│ ") for line in box.splitlines() if line.startswith("│")]
    # Where the output is not UTF-8, tyro draws a title, a rule of dashes and no frame.
    lines = lines or [line.strip() for line in box.splitlines()[2:]]
    parts = [part.strip() for part in re.split(r"[─-]{3,}", " ".join(lines)) if part.strip()]
    sentences = [part for part in parts if not part.startswith(("Argument helptext", "For full helptext"))]
    sentences = [part if part.endswith((".", ":")) else f"{part}." for part in sentences]
    meant = next((at for at, part in enumerate(sentences) if part.startswith("Perhaps you meant:")), None)
    if meant is not None:
        # tyro shows each flag of a similar name with its help, of every command that has one.
        flags = dict.fromkeys(re.findall(r"(?<![\w-])--[\w.-]+\w", " ".join(sentences[meant:])))
        names = [flag for flag in flags if flag != "--help"][:MEANT]
        sentences[meant:] = [f"Perhaps you meant {' or '.join(names)}."]
    return re.sub(r"\s+", " ", " ".join(sentences)) or box.strip()
