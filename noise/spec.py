"""Corruption specs, as text ``kind[:rate][:key=value...]`` and as records."""

import difflib
import math
import numbers
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from noise.errors import NoiseError, require
from noise.kinds import KINDS, Target
from noise.severity import CONSTANTS


@dataclass(frozen=True)
class CorruptionSpec:
    """One corruption: its kind, rate and parameters.

    Attributes:
        kind: a key of :data:`noise.kinds.KINDS`.
        rate: in [0, 1]; the kind defines what it is a share of. None for a kind without a rate.
        parameters: (key, value) pairs as text, in the order given.

    Raises:
        NoiseError: unknown kind or key, missing or unreadable value, or rate missing or out of range.

    Example:
        >>> import noise
        >>> spec = noise.CorruptionSpec("symmetric", 0.4, (("balanced", "true"),))
        >>> str(spec)
        'symmetric:0.4:balanced=true'
        >>> spec.target
        'label'
    """

    kind: str
    rate: float | None = None
    parameters: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _require_known("corruption", self.kind, KINDS)
        self._check_rate()
        allowed = KINDS[self.kind].parameters
        for key, value in self.parameters:
            _require_known("parameter", key, allowed, f"{self.kind}: ")
            require(
                isinstance(value, str) and ":" not in value,
                f"{self.kind}: {key} is {value!r}: give it as text without a colon (colons separate parameters).",
            )
            try:
                allowed[key].read(value)
            except NoiseError as error:
                raise NoiseError(f"{self.kind}: {key}: {error}") from error
        keys = [key for key, _ in self.parameters]
        for key in keys:
            require(
                keys.count(key) == 1, f"{self.kind}: {key} is given {keys.count(key)} times: give it once."
            )
        for key, parameter in allowed.items():
            require(not parameter.required or key in keys, f"{self.kind} lacks its {key}: add :{key}=VALUE.")
        require(
            "severity" not in keys or len(keys) == 1,
            f"{self.kind}: severity sets all its constants: give severity=1 to 5 or the constants, not both.",
        )

    def _check_rate(self) -> None:
        meaning = KINDS[self.kind].rate
        if self.rate is None:
            require(
                meaning is None,
                f"{self.kind} lacks its rate: write {self.kind}:RATE, such as {self.kind}:0.4.",
            )
            return
        require(
            isinstance(self.rate, numbers.Real),
            f"{self.kind}: the rate {self.rate!r} is not a number: give it as a share, such as 0.4.",
        )
        require(
            meaning is not None,
            f"{self.kind} takes no rate ({self.rate:g}): leave it out.",
        )
        # repr of a numpy scalar is "np.float64(0.4)" and of an int "1": equal specs must have one text form.
        object.__setattr__(self, "rate", float(self.rate) + 0.0)
        require(
            math.isfinite(self.rate) and 0 <= self.rate <= 1,
            f"{self.kind}:{self.rate:g}: the rate is a share of the samples, in [0, 1], such as 0.4.",
        )

    def __str__(self) -> str:
        """The text form; ``parse_spec(str(spec)) == spec``."""
        rate = [] if self.rate is None else [repr(self.rate).removesuffix(".0")]
        return ":".join([self.kind, *rate, *(f"{key}={value}" for key, value in self.parameters)])

    @property
    def target(self) -> Target:
        """``label`` or ``image``."""
        return KINDS[self.kind].target

    @property
    def targets(self) -> tuple[Target, ...]:
        """Everything that it changes: ``open`` with ``labels=uniform`` changes the label as well as the image."""
        both = self.kind == "open" and self.parameter("labels") == "uniform"
        return ("image", "label") if both else (self.target,)

    def parameter(self, key: str) -> Any:
        """The value of ``key``, or its default where it is not given."""
        texts = dict(self.parameters)
        parameter = KINDS[self.kind].parameters[key]
        return parameter.read(texts[key]) if key in texts else parameter.default

    @property
    def severity(self) -> int:
        """1 to 5; 0 where the kind has no severity or its constants were given individually."""
        given = any(key != "severity" for key, _ in self.parameters)
        return 0 if self.kind not in CONSTANTS or given else self.parameter("severity")

    @property
    def constants(self) -> dict[str, float]:
        """Constants of a CIFAR-10-C kind: those of its severity, or those given with defaults for the rest."""
        level = self.severity or KINDS[self.kind].parameters["severity"].default
        given = {key: self.parameter(key) for key, _ in self.parameters if key != "severity"}
        return {key: values[level - 1] for key, values in CONSTANTS[self.kind].items()} | given

    @property
    def short(self) -> str:
        """The text form with file names instead of paths."""
        return str(self.with_paths(lambda path: Path(path).name))

    def with_paths(self, change: Callable[[str], str]) -> "CorruptionSpec":
        """The same spec with every path replaced by ``change(path)``."""

        def changed(key: str, value: str) -> str:
            if KINDS[self.kind].parameters[key].path:
                return change(value)
            prefix, equals, path = value.partition("npz=")
            return f"npz={change(path)}" if key == "source" and equals and not prefix else value

        return replace(self, parameters=tuple((key, changed(key, value)) for key, value in self.parameters))


def parse_spec(text: str) -> CorruptionSpec:
    """The spec of a text such as ``symmetric:0.4:balanced=true``.

    Raises:
        NoiseError: the text does not have that form, or the kind, the rate or a parameter is not valid.

    Example:
        >>> import noise
        >>> spec = noise.parse_spec("gaussian:0.2:severity=5")
        >>> spec.kind, spec.rate, spec.severity, spec.constants
        ('gaussian', 0.2, 5, {'sigma': 0.1})
    """
    kind, *rest = text.split(":")
    _require_known("corruption", kind, KINDS)
    rate = None
    if rest and "=" not in rest[0]:
        rate_text = rest.pop(0)
        try:
            rate = float(rate_text)
        except ValueError as error:
            message = (
                f"{text!r}: {rate_text!r} is not a number: write the rate as a share, such as {kind}:0.4."
            )
            raise NoiseError(message) from error
    parameters: list[tuple[str, str]] = []
    for pair in rest:
        key, equals, value = pair.partition("=")
        require(
            bool(key and equals and value),
            f"{text!r}: {pair!r} is not a parameter: write KEY=VALUE (a path cannot hold a colon).",
        )
        parameters.append((key, value))
    return CorruptionSpec(kind, rate, tuple(parameters))


def parse_specs(specs: Iterable[CorruptionSpec | str]) -> tuple[CorruptionSpec, ...]:
    """Specs from specs and texts, in the order in which they are applied.

    Raises:
        NoiseError: a text cannot be read, an entry is neither, or two entries differ only in the rate.
    """
    require(not isinstance(specs, str), f"{specs!r} is one text: give a list of them, such as [{specs!r}].")
    parsed = tuple(parse_spec(spec) if isinstance(spec, str) else spec for spec in specs)
    for spec in parsed:
        require(
            isinstance(spec, CorruptionSpec),
            f"{spec!r} is not a corruption: give text such as 'symmetric:0.4'.",
        )
    check_distinct(parsed)
    return parsed


def check_distinct(specs: tuple[CorruptionSpec, ...]) -> None:
    """Raise NoiseError when two specs have the same kind and parameters.

    Both would select samples by the same hash order, so together they are one corruption with the summed rate.
    Two ``open`` specs with the same source are refused whatever their other parameters: both would use the same
    source images.
    """
    seen: dict[tuple[str, tuple[Any, ...]], CorruptionSpec] = {}
    for spec in specs:
        keys = ["source"] if "source" in KINDS[spec.kind].parameters else KINDS[spec.kind].parameters
        key = spec.kind, tuple(spec.parameter(name) for name in keys)
        if key in seen:
            remedy = "give it once."
            if spec.rate is not None:
                total = float(Fraction(repr(seen[key].rate)) + Fraction(repr(spec.rate)))
                remedy = f"give it once, with rate {total:g} if you meant the sum."
            raise NoiseError(
                f"{spec.kind} is listed twice ({seen[key]} and {spec}), and both select by the same hash "
                f"order: {remedy}"
            )
        seen[key] = spec


def _require_known(what: str, name: str, known: Collection[str], place: str = "") -> None:
    """Raise NoiseError for an unknown name, with similar known names, or all of them."""
    if name in known:
        return  # the search for similar names takes longer than all the rest of a spec
    name = str(name)
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    if near:
        raise NoiseError(f"{place}unknown {what} {name!r}: did you mean {' or '.join(near)}?")
    raise NoiseError(f"{place}unknown {what} {name!r}: known are {', '.join(known) if known else 'none'}.")
