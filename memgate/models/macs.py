"""Counts the multiply-accumulate operations (MACs) of a network per image, and those that a gate can save.

Convolutions and linear layers are counted, one MAC per product, as in He et al. 2016 and the papers' tables;
BatchNorm, ReLU, pooling, biases and the additions at shortcuts are not.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from memgate.config.backbone import unit_names
from memgate.config.model import GATES_OF_FILTERS, GATES_OF_UNITS
from memgate.config.run import ModelConfig
from memgate.models import Gate, build_model
from memgate.models.backbones.shake_shake import LAST_CONVOLUTION
from memgate.models.forward import open_share

SHARED = "gater"
"""Module of the layers that all gates of a network share, in a network that has such."""


@dataclass(frozen=True)
class NetworkCost:
    """MACs of one image."""

    total: int
    """Of the whole network with its gates: the cost of every sample under soft mixing."""
    after_o1: Mapping[str, int]
    """Block to the MACs between o1 and o2, which are those of its units after the first."""
    gates: Mapping[str, int]
    """Gate to the MACs of its own layers, which are never saved."""
    saved: Mapping[str, int]
    """Gate to the MACs that a sample saves by skipping its block: ``after_o1`` where the gate reads o1; 0 where it
    reads o2, which is computed before the gate, and for gates in units, whose branch is always computed."""
    shared: int = 0
    """Of the layers that all gates share: a gater."""


def cost_of(config: ModelConfig, classes: int, image_size: int) -> NetworkCost:
    """MACs of a configuration, counted on a new network.

    Args:
        config: of the network.
        classes: number of classes K.
        image_size: side of the square images in pixels.
    """
    model = build_model(config, classes, seed=0, image_size=image_size).eval()
    macs = _macs(model, torch.zeros(1, 3, image_size, image_size))
    root = type(model).__name__
    trunk = f"{root}.trunk" if config.gate_names else root
    after = {
        block: sum(macs[f"{trunk}.blocks.{block}.{unit}"] for unit in range(1, count))
        for block, count in config.units.items()
    }
    gates = {name: macs[f"{root}.gates.{name}"] for name in config.gate_names}
    skips = config.block_gated and config.gate.tap == "o1"
    saved = {name: after[name] if skips else 0 for name in config.gate_names}
    return NetworkCost(macs["Global"], after, gates, saved, macs[f"{root}.{SHARED}"])


@dataclass(frozen=True)
class Term:
    """Operations of one convolution, of which a sample needs the share that its gates leave open."""

    macs: int
    """With everything open."""
    factors: tuple[tuple[str, int, int], ...]
    """(gate, start, stop) of each part of a gate whose open share multiplies ``macs``: the channels of the map that
    the convolution makes, and of the one that it reads."""


@dataclass(frozen=True)
class SampleCost:
    """MACs of a network that each sample needs, as its gates decide."""

    fixed: int
    """Of all that every sample needs but the gates: stem, head, shortcuts, convolutions without a gate."""
    layers: Mapping[str, int]
    """Gate to those of its own layers."""
    pools: Mapping[str, int]
    """Gate to the additions of its pooling, counted as MACs, as the batch-shaping paper counts its overhead."""
    terms: tuple[Term, ...]
    """Of the convolutions that gates close in part."""
    shared: int = 0
    """MACs of the layers that all gates share: a gater."""
    shared_pool: int = 0
    """Additions of their pooling."""

    @property
    def gate_layers(self) -> int:
        """MACs of all gates' layers."""
        return sum(self.layers.values()) + self.shared

    @property
    def pooling(self) -> int:
        """Additions of all gates' pooling."""
        return sum(self.pools.values()) + self.shared_pool

    def overhead(self, gate: str, pooling: bool = True) -> float:
        """A gate's own operations over those of the convolutions that it closes in part.

        The batch-shaping paper states 0.018 % to 0.087 % for ImageNet's ResNets, which is with the pooling.

        Args:
            gate: its name.
            pooling: whether the additions of its pooling count as MACs.
        """
        closed = sum(term.macs for term in self.terms if any(gate == name for name, _, _ in term.factors))
        return (self.layers[gate] + pooling * self.pools[gate]) / closed

    @property
    def always(self) -> int:
        """MACs of a sample with every gate closed, the gates themselves included."""
        return self.fixed + self.gate_layers + self.pooling

    @property
    def total(self) -> int:
        """MACs of a sample with every gate open, the gates themselves included."""
        return self.always + sum(term.macs for term in self.terms)

    @property
    def ungated(self) -> int:
        """MACs of the network without its gates."""
        return self.fixed + sum(term.macs for term in self.terms)

    def of(self, channels: Mapping[str, Tensor]) -> Tensor:
        """MACs of each sample, float64 [b], in [``always``, ``total``]; NaN where it is not known what is open.

        Args:
            channels: gate to the weights [b, C] of what it opens or closes, 0 where closed.
        """
        shares: dict[tuple[str, int, int], Tensor] = {}
        for factor in dict.fromkeys(factor for term in self.terms for factor in term.factors):
            gate, start, stop = factor
            shares[factor] = open_share(channels[gate][:, start:stop].double())
        first = next(iter(channels.values()))
        macs = torch.full((len(first),), float(self.always), dtype=torch.float64, device=first.device)
        for term in self.terms:
            share = torch.stack([shares[factor] for factor in term.factors]).prod(dim=0)
            macs += term.macs * share
        return macs

    def of_gates(self, gates: Sequence[Gate]) -> Tensor:
        """MACs of each sample, float64 [b], from the gates of a forward pass."""
        return self.of({gate.name: gate.channels for gate in gates if gate.channels is not None})


def sample_cost(config: ModelConfig, classes: int, image_size: int) -> SampleCost | None:
    """The cost of each sample as a function of its gates, counted on a new network; None for gates that do not close.

    Args:
        config: of the network.
        classes: number of classes K.
        image_size: side of the square images in pixels.
    """
    if not config.hard_gates:
        return None
    model = build_model(config, classes, seed=0, image_size=image_size).eval()
    macs, pooled = _counted(model, torch.zeros(1, 3, image_size, image_size))
    root = type(model).__name__
    units, unit_terms = _unit_paths(config), _terms_of(config)
    terms = tuple(
        term
        for gate in config.gate_names
        for term in unit_terms(config, gate, macs, f"{root}.trunk.{units[gate]}")
    )
    layers, pooling = (
        {name: counts[f"{root}.gates.{name}"] for name in config.gate_names} for counts in (macs, pooled)
    )
    shared = f"{root}.{SHARED}"
    fixed = macs["Global"] - sum(layers.values()) - macs[shared] - sum(term.macs for term in terms)
    return SampleCost(fixed, layers, pooling, terms, macs[shared], pooled[shared])


def _unit_paths(config: ModelConfig) -> dict[str, str]:
    """Name of every residual unit to that of its module in the trunk."""
    paths = [f"blocks.{block}.{number}" for block, count in config.units.items() for number in range(count)]
    return dict(zip(unit_names(config.units), paths, strict=True))


def _terms_of(config: ModelConfig) -> Callable[[ModelConfig, str, Mapping[str, int], str], list[Term]]:
    """The function that makes the terms of one unit, for the kind of gates that a network has."""
    if config.name in GATES_OF_UNITS:
        return _whole_unit
    return _last_convolutions if config.name in GATES_OF_FILTERS else _unit_terms


def _last_convolutions(config: ModelConfig, gate: str, macs: Mapping[str, int], unit: str) -> list[Term]:
    """The terms of a unit of which the filters of the last convolutions are gated: one, or one of each branch.

    Args:
        config: of the network.
        gate: name of the unit's gate.
        macs: module to its MACs.
        unit: name of the unit's module.
    """
    last = {
        "resnet": [f"conv{config.inner_maps + 1}"],
        "densenet": ["conv2"],
        "shake-shake": [f"branches.{branch}.{LAST_CONVOLUTION}" for branch in range(2)],
    }[config.family]
    filters = config.gate_channels[gate] // len(last)
    return [
        Term(macs[f"{unit}.{conv}"], ((gate, place * filters, (place + 1) * filters),))
        for place, conv in enumerate(last)
    ]


def _whole_unit(_config: ModelConfig, gate: str, macs: Mapping[str, int], unit: str) -> list[Term]:
    """The term of a unit that is taken or skipped: its convolutions and its squeeze-and-excitation, not its shortcut.

    Args:
        gate: name of the unit's gate.
        macs: module to its MACs.
        unit: name of the unit's module.
    """
    return [Term(macs[unit] - macs[f"{unit}.shortcut"], ((gate, 0, 1),))]


def _unit_terms(config: ModelConfig, gate: str, macs: Mapping[str, int], unit: str) -> list[Term]:
    """The terms of one unit's convolutions.

    A convolution between two maps of which a gate closes channels costs the product of both open shares.

    Args:
        config: of the network.
        gate: name of the unit's gate.
        macs: module to its MACs.
        unit: name of the unit's module.
    """
    # The inner map n lies between the convolutions n and n + 1.
    gated = config.gate.gated_maps(config.inner_maps)
    width = config.gate_channels[gate] // len(gated)
    parts = {number: (gate, place * width, (place + 1) * width) for place, number in enumerate(gated)}
    terms = []
    for number in range(1, config.inner_maps + 2):
        factors = tuple(parts[near] for near in (number - 1, number) if near in parts)
        if factors:
            terms.append(Term(macs[f"{unit}.conv{number}"], factors))
    return terms


def _macs(model: nn.Module, image: Tensor) -> dict[str, int]:
    """MACs of every module of a network by PyTorch's names; ``Global`` is the whole network."""
    return _counted(model, image)[0]


@torch.no_grad()
def _counted(model: nn.Module, image: Tensor) -> tuple[Counter[str], Counter[str]]:
    """MACs, and additions of average pooling, of every module by PyTorch's names; ``Global`` is the whole network.

    A module without an operation of the kind has 0.
    """
    mean = torch.ops.aten.mean
    with FlopCounterMode(display=False, custom_mapping={mean: _additions}) as counter:
        model(image)
    macs, pooled = Counter[str](), Counter[str]()
    for name, flops in counter.get_flop_counts().items():
        pooled[name] = flops.get(mean, 0)
        # PyTorch counts a multiplication and an addition apart: two FLOPs per MAC.
        macs[name] = (sum(flops.values()) - pooled[name]) // 2
    return macs, pooled


def _additions(shape: Sequence[int], *_: object, **_options: object) -> int:
    """Additions of a mean over values of this shape."""
    return math.prod(shape)
