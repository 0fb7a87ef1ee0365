"""Whether a command was right about a damaged run, named the damage, or said nothing."""

import re
from dataclasses import dataclass
from typing import Literal

from injection.lab import Seen

Outcome = Literal["right", "named", "silent", "traceback", "hang"]
"""``right``: the same numbers as without damage; ``named``: a sentence says what is wrong; ``silent``: other numbers
without a word; ``traceback``: an error that was not foreseen, or a crash; ``hang``: a limit of time was reached."""

OUTCOMES: tuple[Outcome, ...] = ("right", "named", "silent", "traceback", "hang")
BAD: tuple[Outcome, ...] = OUTCOMES[2:]

NAMED = re.compile(
    r"damaged|cannot be read|checksum|does not fit|differs?\b|lacks|unprotected|is not|are not|belong|no longer|"
    r"does not exist|other than|another run|without |contradict|missing|ended before|crashed|failed|unknown",
    re.IGNORECASE,
)
"""Words of a sentence that says that something is wrong."""


@dataclass(frozen=True)
class Verdict:
    """What a command made of a fault."""

    outcome: Outcome
    reason: str
    """The sentence that it printed, or what differs."""


def judge(seen: Seen, whole: Seen, executed: bool = False) -> Verdict:
    """The verdict about a command that read a damaged run.

    Args:
        seen: what it did.
        whole: what it did without damage.
        executed: whether code in the file was executed.
    """
    ended = seen.ended
    if executed:
        return Verdict("silent", "code in the file was executed")
    if ended.code is None:
        return Verdict("hang", "stopped at the limit of time")
    text = ended.out + ended.err
    if "Traceback (most recent call last)" in text or ended.code not in (0, 2):
        last = (ended.err.strip() or ended.out.strip() or "nothing printed").splitlines()[-1]
        return Verdict("traceback", f"exit code {ended.code}: {last}")
    sentence = _new_sentence(seen, whole)
    if ended.code == 2:
        return Verdict("named" if ended.err.startswith("memgate: ") else "traceback", ended.err.strip()[:300])
    same = seen.state == whole.state and _numbers(seen) == _numbers(whole)
    if same and not sentence:
        return Verdict("right", "")
    if sentence:
        return Verdict("named", sentence)
    return Verdict("silent", _difference(seen, whole))


def _numbers(seen: Seen) -> str:
    """The lines of standard output, sorted, as runs are by the time of their files; none of a training's (seconds)."""
    training = isinstance(seen.state, dict) and "checkpoint" in seen.state
    return "" if training else "\n".join(sorted(seen.ended.out.splitlines()))


def _new_sentence(seen: Seen, whole: Seen) -> str:
    """The first line that is there only because of the damage and says that something is wrong.

    Standard error and the notes of an export hold nothing else; a line of standard output must say so.
    """
    notes = (seen.state or {}).get("notes", [])
    if notes != (whole.state or {}).get("notes", []):
        return str(notes)[:300]
    known = set((whole.ended.out + whole.ended.err).splitlines())
    errors = [line for line in seen.ended.err.splitlines() if line not in known]
    lines = [line for line in seen.ended.out.splitlines() if line not in known and NAMED.search(line)]
    return next(iter(errors + lines), "")[:300]


def _difference(seen: Seen, whole: Seen) -> str:
    """What differs, in words."""
    pairs = zip(seen.ended.out.splitlines(), whole.ended.out.splitlines(), strict=False)
    if _numbers(seen) != _numbers(whole):
        line = next(
            (f"{one!r} instead of {two!r}" for one, two in pairs if one != two), "fewer or more lines"
        )
        return line[:300]
    if seen.state is None or whole.state is None:
        return "no result"
    return "other " + ", ".join(name for name in whole.state if seen.state.get(name) != whole.state[name])
