"""A whole image set on the device as uint8; an epoch is a permutation; augmentation is batched tensor code."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memgate.runs.inputs import Inputs
from memgate.training.seeding import stream

CROP_PADDING = 4
"""Pixels of zeros around an image before the random crop (He et al. 2016)."""


@dataclass(frozen=True)
class Batch:
    """Some samples as the network sees them."""

    images: Tensor
    """Normalised [b, 3, H, W], channels last in memory."""
    labels: Tensor
    """Given labels [b]."""
    index: Tensor
    """Rows in the image set [b]: where per-sample values go (not sample ids)."""


class DeviceImages:
    """A split on a device, ready to be permuted, cropped, flipped and normalised there."""

    def __init__(self, inputs: Inputs, split: str, device: torch.device) -> None:
        """Copy a split to the device.

        Args:
            inputs: pictures and labels of a resolved configuration.
            split: which of them; only ``train`` is augmented.
            device: where to keep the split and make the batches.
        """
        images = inputs.image_set(split)
        mean, std = inputs.normalisation
        self.device = device
        self.augment = inputs.config.augment if split == "train" else "none"
        self.padding = CROP_PADDING if self.augment != "none" else 0
        edges = (0, 0, self.padding, self.padding, self.padding, self.padding)
        pixels = torch.from_numpy(np.ascontiguousarray(images.images)).to(device)
        self.pixels = torch.nn.functional.pad(pixels, edges)
        self.size: tuple[int, int] = images.images.shape[1:3]
        self.given = torch.from_numpy(images.labels).to(device)
        """Given labels [N]."""
        self.clean = torch.from_numpy(inputs.samples(split).clean_label.astype(np.int64)).to(device)
        """Clean labels [N]."""
        # (x/255 - mean)/std as one multiplication and one addition.
        self._scale = torch.tensor(1 / (255 * np.asarray(std)), dtype=torch.float32, device=device)
        self._shift = torch.tensor(-np.asarray(mean) / np.asarray(std), dtype=torch.float32, device=device)

    def __len__(self) -> int:
        return len(self.given)

    def training_batches(self, seed: int, epoch: int, batch_size: int) -> Iterator[Batch]:
        """One epoch in random order, augmented; every sample once, the last batch partial.

        Order, crop and flip of sample i in epoch e depend on (seed, e, i) only.
        """
        generator = stream(seed, "epoch", epoch)
        order = torch.randperm(len(self), generator=generator).to(self.device)
        offsets = torch.randint(0, 2 * self.padding + 1, (len(self), 2), generator=generator).to(self.device)
        flips = torch.randint(0, 2, (len(self),), generator=generator).bool().to(self.device)
        if self.augment != "crop-flip":
            flips.zero_()
        for index in order.split(batch_size):
            plain = self.augment == "none"
            cropped = self.pixels[index] if plain else self._crop(index, offsets[index], flips[index])
            yield Batch(self._normalised(cropped), self.given[index], index)

    def evaluation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Every sample once, in order, as it is."""
        p, (height, width) = self.padding, self.size
        for index in torch.arange(len(self), device=self.device).split(batch_size):
            rows = slice(int(index[0]), int(index[0]) + len(index)) if index.device.type == "cpu" else index
            plain = self.pixels[rows][:, p : p + height, p : p + width]
            yield Batch(self._normalised(plain), self.given[index], index)

    def _crop(self, index: Tensor, offsets: Tensor, flips: Tensor) -> Tensor:
        """Windows [b, H, W, 3] at ``offsets`` (row, column) of the padded images, mirrored where ``flips``."""
        height, width = self.size
        rows = offsets[:, :1] + torch.arange(height, device=self.device)
        columns = torch.arange(width, device=self.device).expand(len(index), width)
        columns = offsets[:, 1:] + torch.where(flips[:, None], width - 1 - columns, columns)
        return self.pixels[index[:, None, None], rows[:, :, None], columns[:, None, :]]

    def _normalised(self, pixels: Tensor) -> Tensor:
        """uint8 [b, H, W, 3] to float [b, 3, H, W]; the permuted view is what channels_last means."""
        return torch.addcmul(self._shift, pixels.float(), self._scale).permute(0, 3, 1, 2)
