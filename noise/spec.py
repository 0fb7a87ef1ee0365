"""What is to be done: ``kind:rate[:key=value...]`` as text and as a record, and the table of kinds."""

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from noise.errors import NoiseError, require

Target = Literal["label", "image"]


def flag(text: str) -> bool:
    """``true`` or ``false`` as a bool."""
    require(text in ("true", "false"), f"{text!r} is neither 'true' nor 'false'.")
    return text == "true"


@dataclass(frozen=True)
class Kind:
    """One row of the table of kinds.

    Attributes:
        target: what it acts on, ``label`` or ``image``.
        convention: id of the convention, for the manifest: the field means several things by one name.
        description: one line for the help text.
        parameters: the allowed keys, each with the function that reads its text (and raises NoiseError).
    """

    target: Target
    convention: str
    description: str
    parameters: dict[str, Callable[[str], Any]]


KINDS: dict[str, Kind] = {
    "symmetric": Kind(
        target="label",
        convention="sym_excl_exact",
        description="exactly round(rate*N) labels, each replaced by one of the K-1 other classes, all "
        "equally likely; balanced=true: exactly round(rate*n) in each class of n samples",
        parameters={"balanced": flag},
    ),
    "randx": Kind(
        target="image",
        convention="randx_gaussian",
        description="exactly round(rate*N) images replaced by Gaussian pixels with the data set's channel "
        "mean and variance",
        parameters={},
    ),
}


@dataclass(frozen=True)
class CorruptionSpec:
    """One corruption: what, how much, and how.

    Attributes:
        kind: a key of :data:`KINDS`.
        rate: requested share of the samples, in [0, 1].
        parameters: (key, value) pairs as text, in the order given.

    Raises:
        NoiseError: unknown kind or key, unreadable value, or rate out of range.
    """

    kind: str
    rate: float
    parameters: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        require(self.kind in KINDS, _unknown("corruption", self.kind, KINDS))
        # A numpy scalar would print as "np.float64(0.4)" and an int as "1": one form for equal specs.
        object.__setattr__(self, "rate", float(self.rate) + 0.0)
        require(
            math.isfinite(self.rate) and 0 <= self.rate <= 1,
            f"{self.kind}:{self.rate:g}: the rate is a share of the samples, in [0, 1], such as 0.4.",
        )
        allowed = KINDS[self.kind].parameters
        for key, value in self.parameters:
            require(key in allowed, f"{self.kind}: {_unknown('parameter', key, allowed)}")
            try:
                allowed[key](value)
            except NoiseError as error:
                raise NoiseError(f"{self.kind}: {key}: {error}") from error
        keys = [key for key, _ in self.parameters]
        for key in keys:
            require(
                keys.count(key) == 1, f"{self.kind}: {key} is given {keys.count(key)} times: give it once."
            )

    def __str__(self) -> str:
        """The text form; ``parse_spec(str(spec)) == spec``."""
        rate = repr(self.rate).removesuffix(".0")
        return ":".join([self.kind, rate, *(f"{key}={value}" for key, value in self.parameters)])

    @property
    def target(self) -> Target:
        """What it acts on: ``label`` or ``image``."""
        return KINDS[self.kind].target

    def parameter(self, key: str, default: Any) -> Any:
        """The value of ``key`` as its kind reads it, or ``default``."""
        texts = dict(self.parameters)
        return KINDS[self.kind].parameters[key](texts[key]) if key in texts else default


def parse_spec(text: str) -> CorruptionSpec:
    """One corruption from its text form, such as ``symmetric:0.4:balanced=true``.

    Raises:
        NoiseError: the text does not have that form, or what it says does not hold.
    """
    kind, *rest = text.split(":")
    require(kind in KINDS, _unknown("corruption", kind, KINDS))
    require(bool(rest), f"{text!r} lacks its rate: write {kind}:RATE, such as {kind}:0.4.")
    rate_text, *pairs = rest
    try:
        rate = float(rate_text)
    except ValueError as error:
        message = f"{text!r}: {rate_text!r} is no number: write the rate as a share, such as {kind}:0.4."
        raise NoiseError(message) from error
    parameters: list[tuple[str, str]] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        require(
            bool(key and equals and value),
            f"{text!r}: {pair!r} is no parameter: write {kind}:RATE:KEY=VALUE.",
        )
        parameters.append((key, value))
    return CorruptionSpec(kind, rate, tuple(parameters))


def parse_specs(texts: Iterable[str]) -> tuple[CorruptionSpec, ...]:
    """A list of corruptions, in the order in which they are applied.

    Raises:
        NoiseError: a text cannot be read, or two entries differ in the rate only.
    """
    specs = tuple(parse_spec(text) for text in texts)
    check_distinct(specs)
    return specs


def check_distinct(specs: tuple[CorruptionSpec, ...]) -> None:
    """Raise NoiseError when a corruption is listed twice; different parameters make it another one.

    Both entries would select by the same hash order, so they are one corruption with the summed rate and
    the list would only hide that.
    """
    seen: dict[tuple[str, frozenset[tuple[str, str]]], CorruptionSpec] = {}
    for spec in specs:
        key = spec.kind, frozenset(spec.parameters)
        if key in seen:
            total = float(Fraction(repr(seen[key].rate)) + Fraction(repr(spec.rate)))
            raise NoiseError(
                f"{spec.kind} is listed twice ({seen[key]} and {spec}) and both select by the same hash "
                f"order: give it once, with rate {total:g} if you meant the sum."
            )
        seen[key] = spec


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not known, with the nearest known names first."""
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    if near:
        return f"unknown {what} {name!r}: did you mean {' or '.join(near)}?"
    return f"unknown {what} {name!r}: known are {', '.join(names) if names else 'none'}."
