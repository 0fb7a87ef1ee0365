"""The networks by name, and the contract that a new one must meet.

Example:
    >>> import torch
    >>> from memgate import MODELS, ModelConfig, build_model
    >>> "block-scalar" in MODELS
    True
    >>> network = build_model(ModelConfig("entropy-gate", depth=14), classes=10, seed=0)
    >>> forward = network(torch.zeros(2, 3, 32, 32))
    >>> forward.logits.shape, [(gate.name, gate.value.shape) for gate in forward.gates]
    (torch.Size([2, 10]), [('b3', torch.Size([2]))])

A network is an ``nn.Module`` that maps normalised images [b, 3, H, W] to a :class:`Forward`: logits [b, K], one
:class:`Gate` per gate, penalties by name. Training loop, log, scores and dashboard read nothing else of it. It must
hold:

- The gates in ``Forward.gates`` are those of ``ModelConfig.gate_names`` in this order; the penalties those of
  ``ModelConfig.penalty_names``, each a scalar times its weight. A gate's ``value`` is g [b], high where the sample
  goes through the gated part; ``entropy`` H [b] in nats and ``logits`` [b, K] are None where the gate has none.
- Logits, g and H are float32 under autocast, since they are logged and ``routed`` (g > 0.5) is decided from them.
  After ``network.double()`` they are float64 on float64 images, for audits.
- One backward pass of :func:`memgate.training.objective.total_loss` gives every parameter its gradient. A gate with
  ``logits`` is trained by its own cross-entropy and optimiser: ``logits`` come from detached ``features``, its module
  is an ``EntropyGate``, and ``ModelConfig.has_gate_classifier`` is true for the network.
- A network that draws random numbers in training has the attribute ``draws = True`` and takes ``keys`` [b] as a second
  argument, from which each sample's numbers follow (:mod:`memgate.models.draws`).
- Gates that open or close (``ModelConfig.hard_gates``) have ``channels`` [b, C] with the C of
  ``ModelConfig.gate_channels``, and their g is the share that is open. Their networks take ``route``, a function for
  each gate from what it has chosen to what is used instead (:data:`memgate.models.gated.hard_gated.ChannelRoute`).
- Evaluation of a sample does not depend on the other samples of its batch, nor on the global random generator.
- Probes take the residual network as ``network.trunk`` (or the network itself without gates) and the gates as
  ``network.gates``, an ``nn.ModuleDict`` by gate name.

How to add one: CONTRIBUTING.md.
"""

from collections.abc import Callable

import torch
from torch import nn

from memgate.config.run import ModelConfig
from memgate.errors import require
from memgate.models.backbones import BACKBONES
from memgate.models.backbones.resnet import map_side
from memgate.models.forward import Forward, Gate
from memgate.models.gated.block_gated import BlockGatedResNet
from memgate.models.gated.block_gates import BLOCK_GATES
from memgate.models.gated.channel_gated import ChannelGatedResNet
from memgate.models.gated.convnet_aig import AdaptiveResNet
from memgate.models.gated.fbs import BoostedResNet
from memgate.models.gated.gater import GaterNet
from memgate.models.gated.layer_gated import UNIT_GATES, LayerGatedResNet
from memgate.models.gated.skipnet import SkipNet

__all__ = ["MODELS", "Forward", "Gate", "build_model"]

PAPERS_SIDE = 32
"""Side in pixels of CIFAR's images."""


Constructor = Callable[[ModelConfig, int, int], nn.Module]


def _of_any_size(network: Callable[[ModelConfig, int], nn.Module]) -> Constructor:
    """The constructor of a network that is the same for images of every size."""
    return lambda config, classes, _image_size: network(config, classes)


MODELS: dict[str, Constructor] = {
    **{name: _of_any_size(network) for name, network in BACKBONES.items()},
    **dict.fromkeys(BLOCK_GATES, BlockGatedResNet),
    **dict.fromkeys(UNIT_GATES, _of_any_size(LayerGatedResNet)),
    "channel-gate": _of_any_size(ChannelGatedResNet),
    "convnet-aig": _of_any_size(AdaptiveResNet),
    "skipnet": _of_any_size(SkipNet),
    "fbs": _of_any_size(BoostedResNet),
    "gater": _of_any_size(GaterNet),
}
"""Name of a network to its constructor from (configuration, number of classes K, side of the images in pixels)."""


def check_image_size(config: ModelConfig, image_size: int) -> None:
    """Raise MemgateError where the last block's map of images of ``image_size`` pixels would be a single pixel."""
    last = list(config.units)[-1]
    require(
        map_side(config, last, image_size) >= 2,
        f"Images of {image_size} pixels leave {last} of --model.layout {config.layout} a single one, and BatchNorm "
        "cannot train on that: take larger images, or --model.layout cifar.",
    )


def build_model(config: ModelConfig, classes: int, seed: int, image_size: int = PAPERS_SIDE) -> nn.Module:
    """A new network: normalised images [b, 3, H, W] to a :class:`Forward` with logits [b, K].

    Args:
        config: of the network.
        classes: number of classes K.
        seed: of the initial weights, which depend on nothing else; the global generator keeps its state.
        image_size: side of the images in pixels; only gates that read flattened maps need the images to have it.

    Raises:
        MemgateError: the images are so small that the last block's map would be a single pixel.

    Example:
        >>> import torch
        >>> from memgate import ModelConfig, build_model
        >>> network = build_model(ModelConfig("resnet", depth=20), classes=10, seed=0)
        >>> network(torch.zeros(1, 3, 32, 32)).logits.shape
        torch.Size([1, 10])
    """
    check_image_size(config, image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[config.name](config, classes, image_size).to(memory_format=torch.channels_last)
