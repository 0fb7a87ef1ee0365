"""Folder names: which are valid, and one made of parts. Imports no torch."""

import hashlib
import re
from collections.abc import Sequence

LONGEST = 100
"""Maximum number of characters of a run's name."""


def is_name(text: str) -> bool:
    """Whether a text is a valid folder name on every operating system and in a URL."""
    return re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST - 1}}}", text) is not None


def fitted(parts: Sequence[str], ends: Sequence[str]) -> str:
    """A folder name of at most LONGEST characters: parts and ends joined by hyphens.

    A part too many is replaced by a hash of all parts.

    Args:
        parts: at least one; characters that are not valid in a folder name are removed.
        ends: likewise; never replaced by the hash.
    """
    start, end = (
        "-".join(re.sub(r"[^A-Za-z0-9._-]+", "", part) for part in group) for group in (parts, ends)
    )
    room = LONGEST - len(end) - 1
    if len(start) > room:
        start = f"{start[: room - 7]}-{hashlib.sha256('-'.join(parts).encode()).hexdigest()[:6]}"
    return f"{start}-{end}"
