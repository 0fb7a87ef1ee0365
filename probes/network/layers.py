"""Layers of a network by name: units of memgate's own networks, submodules of any other, and the linear head."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from memgate.errors import MemgateError
from memgate.models.backbones.trunk import Trunk, pool
from memgate.models.pixels import PixelNetwork
from probes.network.frozen import check_module

PENULTIMATE = "penultimate"
"""Name of the head's input [b, C]: in memgate's networks the pooled output of the last block, after its gate."""


def trunk_of(model: nn.Module) -> Trunk:
    """The backbone inside a network of :mod:`memgate.models`, gated or not, with or without its normalisation."""
    network = model.network if isinstance(model, PixelNetwork) else model
    return cast(Trunk, getattr(network, "trunk", network))


def points(model: nn.Module) -> tuple[str, ...]:
    """Names of the layers of a memgate network, from shallow to deep.

    Returns:
        ``stem``, ``b1.1`` (B1's first unit) and so on, to ``penultimate``.
    """
    return (*_units(model), PENULTIMATE)


def _units(model: nn.Module) -> dict[str, nn.Module]:
    trunk = trunk_of(model)
    units = {
        f"{name}.{number}": unit
        for name, block in trunk.blocks.items()
        for number, unit in enumerate(cast(nn.Sequential, block), start=1)
    }
    return {"stem": trunk.stem, **units}


def layers_of(model: nn.Module, layers: Sequence[str] | None) -> tuple[str, ...]:
    """Names of layers: ``layers``, or for None those of :func:`points`.

    Args:
        model: any module.
        layers: names of submodules, :data:`PENULTIMATE`, or of memgate's network those of :func:`points`.

    Raises:
        MemgateError: the model has no such layer, a name stands twice, or ``layers`` is None or empty for a model
            that is not memgate's.
    """
    check_module(model)
    own = isinstance(model, PixelNetwork)
    if layers is None and own:
        return points(model)
    if isinstance(layers, str):
        raise MemgateError(f"layers is the text {layers!r}: give a list of names, [{layers!r}].")
    layers = tuple(layers or ())  # of an iterator too, which can be read once only
    if not layers:
        raise MemgateError(f"layers names none: name submodules of the model, such as {_examples(model)}.")
    known = {
        PENULTIMATE,
        *(_units(model) if own else ()),
        *(name for name, _ in model.named_modules() if name),
    }
    for name in layers:
        if name not in known:
            raise MemgateError(f"The model has no layer {name!r}: it has {_examples(model)}.")
        if layers.count(name) > 1:
            raise MemgateError(f"layers names {name!r} twice: name each layer once.")
    return layers


def _examples(model: nn.Module) -> str:
    if isinstance(model, PixelNetwork):
        return ", ".join(points(model))
    return ", ".join([*(name for name, _ in model.named_children()), PENULTIMATE])


def head_of(model: nn.Module, head: str | None = None) -> nn.Linear:
    """The linear layer that gives the logits.

    Args:
        model: any module from images to logits.
        head: name of the layer; None for the head of a memgate network, and for the last linear layer (in the order
            in which they were registered) of any other.

    Raises:
        MemgateError: there is no such linear layer.
    """
    check_module(model)
    if head is not None:
        layer = dict(model.named_modules()).get(head)
        if not isinstance(layer, nn.Linear):
            raise MemgateError(
                f"head {head!r} is no linear layer of the model: name one that gives the logits."
            )
        return layer
    if isinstance(model, PixelNetwork):
        return trunk_of(model).head
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise MemgateError(
            f"The model has no linear layer, so that {PENULTIMATE!r} (the input of the last one) does not exist."
        )
    return linear[-1]


def pooled(output: Tensor) -> Tensor:
    """Mean over positions: maps [b, C, h, w] or tokens [b, T, C] to [b, C]; [b, C] stays.

    Raises:
        MemgateError: the output has another number of dimensions.
    """
    if output.ndim == 4:
        return pool(output)
    if output.ndim not in (2, 3):
        raise MemgateError(
            f"A layer gives {tuple(output.shape)}: only [b, C], [b, T, C] and [b, C, h, w] are pooled."
        )
    return output.mean(1) if output.ndim == 3 else output


@contextmanager
def caught(
    model: nn.Module, layers: Sequence[str], reduce: Callable[[Tensor], Tensor], head: str | None = None
) -> Iterator[dict[str, Tensor]]:
    """A dictionary that each forward pass fills with the layers' outputs; the hooks are removed afterwards.

    Args:
        model: any module.
        layers: of :func:`layers_of`.
        reduce: applied to the output of every layer but :data:`PENULTIMATE`.
        head: see :func:`head_of`; its input is :data:`PENULTIMATE`.

    Yields:
        Name to what the layer gave in the latest pass; of a layer that is called several times the last output.
    """
    outputs: dict[str, Tensor] = {}
    modules = {**dict(model.named_modules()), **(_units(model) if isinstance(model, PixelNetwork) else {})}
    with ExitStack() as stack:
        for name in layers:
            if name == PENULTIMATE:
                handle = head_of(model, head).register_forward_pre_hook(
                    lambda _module, arguments: outputs.update({PENULTIMATE: arguments[0]})
                )
            else:

                def keep(_module: nn.Module, _arguments: object, output: object, name: str = name) -> None:
                    if not isinstance(output, Tensor):
                        raise MemgateError(
                            f"The layer {name!r} returns {type(output).__name__} and no tensor: name another one."
                        )
                    value = reduce(output)
                    # A later layer may change its input in place, such as nn.ReLU(inplace=True).
                    outputs[name] = value.clone() if value is output else value

                handle = modules[name].register_forward_hook(keep)
            stack.callback(handle.remove)
        yield outputs


@torch.no_grad()
def head_logits(model: nn.Module, penultimate: Tensor, head: str | None = None) -> Tensor:
    """Logits float64 [n, K] on the host.

    Args:
        model: any module with a linear head.
        penultimate: what the head reads [n, C].
        head: see :func:`head_of`.
    """
    layer = head_of(model, head)
    bias = None if layer.bias is None else layer.bias.double().cpu()
    return nn.functional.linear(penultimate.double(), layer.weight.double().cpu(), bias)
