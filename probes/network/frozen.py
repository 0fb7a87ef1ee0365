"""A network as a pure function of its images: nothing in it is trained or left changed."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from memgate.errors import MemgateError
from memgate.models.forward import Forward

Logits = Callable[[Tensor], Tensor]
"""Images [b, C, H, W] in [0, 1] to logits [b, K]."""


@contextlib.contextmanager
def frozen(model: nn.Module) -> Iterator[Logits]:
    """The network as a function to logits, in eval mode, with parameters without gradients, in its own precision.

    Restored at the end, also after an error: the mode of every module (not of the root alone), every parameter's
    ``requires_grad``, and every buffer that the network changed. Parameters get no ``.grad``. Gradients with
    respect to the images work inside, also where the caller has switched them off.

    Args:
        model: any module from images to a tensor of logits.

    Yields:
        Images [b, C, H, W] in [0, 1] to logits [b, K], which are checked.

    Raises:
        MemgateError: a prediction would depend on its batch, or the network gives no finite logits [b, K].
    """
    check_module(model)
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise MemgateError(
                f"The BatchNorm layer {name!r} keeps no running statistics, so that the prediction of a sample "
                "depends on its batch: give it running statistics first."
            )
    modes = [(module, module.training) for module in model.modules()]
    trained = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        model.eval().requires_grad_(False)
        with _exact(_device(model)):
            yield lambda images: _logits(model, images)
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in trained:
            parameter.requires_grad_(flag)
        with torch.no_grad():
            for module, name, buffer, before in buffers:
                setattr(module, name, buffer)  # a module may have put another tensor in its place
                if not torch.equal(buffer, before):
                    buffer.copy_(before)


def check_module(model: object) -> None:
    """Raise MemgateError unless the model is a module, whose mode and gradients can be kept."""
    if not isinstance(model, nn.Module):
        raise MemgateError(
            f"model is a {type(model).__name__} and no torch.nn.Module: give the network itself, or a module whose "
            "forward calls the function."
        )


def place_of(model: nn.Module, images: Tensor) -> tuple[torch.device, torch.dtype]:
    """Device and precision of a network, of its first floating parameter; without parameters those of the images."""
    check_module(model)
    for parameter in model.parameters():
        if parameter.is_floating_point():
            return parameter.device, parameter.dtype
    return images.device, images.dtype if images.is_floating_point() else torch.float32


def gradient(value: Tensor, images: Tensor, keep: bool = False) -> Tensor:
    """Derivative of a value by the images [b, C, H, W]; 0 where the value does not depend on them.

    Args:
        value: a scalar.
        images: the leaf [b, C, H, W] that it was computed from.
        keep: whether another gradient of the same pass follows.
    """
    if not value.requires_grad:
        return torch.zeros_like(images)
    (slope,) = torch.autograd.grad(value, images, retain_graph=keep, allow_unused=True)
    return torch.zeros_like(images) if slope is None else slope


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextlib.contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    """Gradients on, autocast and TF32 off: with 10 bits, the batch size would decide which samples are critical."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        # cuDNN's flags below are for convolutions; this is for matrix products, TF32 on a GPU and bfloat16 on a CPU.
        stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        torch.set_float32_matmul_precision("highest")
        if device.type == "cuda":
            cudnn = torch.backends.cudnn
            stack.enter_context(
                cudnn.flags(enabled=cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=False)
            )
        yield


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    """Checked logits [b, K] of images [b, C, H, W]."""
    if len(images) > 1:
        return _checked(model(images))
    # Libraries have other kernels for a batch of one, and their other rounding can put a unit on the other side
    # of ReLU's kink: on a ResNet-20 it moved a rho of 0.38 by 1e-4. So one image is passed twice.
    return _checked(model(torch.cat([images, images])))[: len(images)]


def _checked(logits: object) -> Tensor:
    if isinstance(logits, Forward):
        raise MemgateError(
            "The network is one of memgate's own without the normalisation of its training, and returns more than "
            "logits: take memgate.load_model(run), or memgate.models.pixels.PixelNetwork(network, mean, std)."
        )
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[1] < 2:
        what = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise MemgateError(
            f"The network returns {what} and no logits [b, K] of two classes or more: wrap it in a module "
            "that returns them."
        )
    if not torch.isfinite(logits).all():
        raise MemgateError("The network returns logits that are not finite: its training has diverged.")
    return logits
