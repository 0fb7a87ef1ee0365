"""Every command of README and docs is one that memgate knows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.main import parse
from tests.helpers.documents import PAGES, blocks, text_of, without_blocks

PLACES = [page for page in PAGES if page != "docs/reference/command_line.md"]

COMMANDS = {
    heading.split(maxsplit=1)[1]
    for heading in re.findall(r"^#+ (memgate .+)$", text_of("docs/reference/command_line.md"), re.MULTILINE)
}
"""The words of every command, such as ``probe csr``."""


def typed(page: str) -> Iterator[list[str]]:
    """The arguments of each ``memgate`` command in the page's shell blocks."""
    for block in blocks(page, "bash"):
        for line in block.code.replace("\\\n", " ").replace("$s", "0").splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words[:1] == ["memgate"]:
                    yield words[1:]


def mentioned(page: str) -> Iterator[list[str]]:
    """The arguments of each ``memgate`` command in the page's text that is written out whole."""
    for code in re.findall(r"`memgate ([^`]+)`", without_blocks(page)):
        if "…" not in code and "..." not in code:
            yield shlex.split(code)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PLACES if any(typed(page)) or any(mentioned(page))])
def test_every_command_parses(page: str, workplace: Path) -> None:
    whole = [arguments for arguments in mentioned(page) if " ".join(arguments) not in COMMANDS]
    for arguments in (*typed(page), *whole):  # a command's name alone may lack its arguments
        if arguments[-1] == "--help":
            arguments = arguments[:-1]
            assert not arguments or " ".join(arguments) in COMMANDS
        else:
            parse(arguments)


def test_there_are_many_commands() -> None:
    assert sum(len(list(typed(page))) for page in PLACES) > 50
    assert {"train", "probe csr", "corrupt show", "sweep table"} <= COMMANDS
