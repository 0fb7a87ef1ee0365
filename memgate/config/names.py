"""What a folder may be called, and a name made of parts. Imports no torch."""

import hashlib
import re
from collections.abc import Sequence

LONGEST = 100
"""Characters of a run's name, at most."""


def is_name(text: str) -> bool:
    """Whether a run's folder can be called so on any system, and in an URL."""
    return re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST - 1}}}", text) is not None


def fitted(parts: Sequence[str], ends: Sequence[str]) -> str:
    """A folder's name of several parts; a hash stands for what is too long before the ``ends``.

    Args:
        parts: at least one; what no folder's name may hold is left out of them.
        ends: likewise; they stay whole.
    """
    start, end = ("-".join(re.sub(r"[^A-Za-z0-9._-]+", "", part) for part in some) for some in (parts, ends))
    room = LONGEST - len(end) - 1
    if len(start) > room:
        start = f"{start[: room - 7]}-{hashlib.sha256('-'.join(parts).encode()).hexdigest()[:6]}"
    return f"{start}-{end}"
