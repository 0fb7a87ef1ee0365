"""What a run and its corruption are called where no name was given. Imports no torch."""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from noise.files import expanded
from noise.spec import CorruptionSpec, parse_specs

if TYPE_CHECKING:
    from memgate.config import RunConfig

LONGEST = 100
"""Characters of a run's name, at most."""


def is_name(text: str) -> bool:
    """Whether a run's folder can be called so on any system, and in an URL."""
    return re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST - 1}}}", text) is not None


def absolute(spec: CorruptionSpec) -> CorruptionSpec:
    """A corruption whose files are named by their absolute paths."""
    return spec.with_paths(lambda path: str(expanded(path).absolute()))


def corruptions(config: "RunConfig") -> tuple[str, ...]:
    """What is done to the training split, in words: files by their names."""
    if config.manifest is not None:
        return (f"manifest {config.manifest.name}",)
    return tuple(spec.short for spec in parse_specs(config.noise))


def default_name(config: "RunConfig") -> str:
    """A folder name that says what the run is; where that is too long, a hash stands for its middle's end."""
    network = config.model
    model = f"{network.name}{network.depth}{'b' if network.block == 'bottleneck' else ''}"
    size = "" if config.data.train_limit is None else f"-n{config.data.train_limit}"
    parts = [
        f"{config.data.name}{size}",
        model,
        *network.variant,
        *(network.gate_names if network.block_gated else ()),
        *([f"penalty{network.gate.penalty:g}"] if network.penalty_names else []),
        *(corruptions(config) or ("clean",)),
    ]
    parts += [f"on-{split}" for split in config.noise_on]
    parts += ["init"] * (config.init_from is not None)
    seeds = [
        f"e{config.train.epochs}",
        f"s{config.seed}",
        *([f"ns{config.noise_seed}"] * bool(config.noise_seed)),
    ]
    return fitted(parts, seeds)


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
