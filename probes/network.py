"""A run's network as a function of plain pixels: what every probe that asks the network starts from."""

import torch
from torch import Tensor, nn

from memgate import checkpoint
from memgate.data import Channels
from memgate.inputs import Inputs
from memgate.models import build_model
from memgate.runs import Run


class PixelNetwork(nn.Module):
    """Images in [0, 1] to logits, with the normalisation inside: a distance in pixels is the same in each channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Channels, std: Channels) -> None:
        """Wrap a network of :mod:`memgate.models`.

        Args:
            network: from normalised images to a :class:`memgate.models.Forward`.
            mean: of each channel, in [0, 1] pixel space.
            std: standard deviation of each channel, likewise.
        """
        super().__init__()
        self.network = network
        for name, numbers in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(numbers)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Images [b, 3, H, W] in [0, 1] to logits [b, K]."""
        normalised = (images - self.mean) / self.std
        return self.network(normalised.contiguous(memory_format=torch.channels_last)).logits


def load_network(run: Run, which: str, inputs: Inputs, device: torch.device) -> tuple[PixelNetwork, int]:
    """The network of a checkpoint, and the epoch that it is of.

    Args:
        run: whose.
        which: ``last``, ``best`` or an epoch's number.
        inputs: the pictures of the run, for their number of classes and normalisation.
        device: where to put it.

    Raises:
        MemgateError: there is no such checkpoint, or it is damaged.
    """
    network = build_model(run.config.model, inputs.clean.train.class_count, seed=0)
    epoch = checkpoint.load_weights(network, run.checkpoint(which), torch.device("cpu"))
    return PixelNetwork(network, *inputs.normalisation).to(device), epoch
