"""Batches from a whole split that is kept on the device as uint8; augmentation is computed per batch there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memgate.models.draws import keys_of
from memgate.runs.inputs import Inputs
from memgate.training.seeding import stream, stream_seed

CROP_PADDING = 4
"""Zero pixels added on each side of an image before the random crop (He et al. 2016)."""


@dataclass(frozen=True)
class Batch:
    """b samples, ready for the network."""

    images: Tensor
    """Normalised, possibly augmented images, float32 [b, 3, H, W], channels last in memory."""
    labels: Tensor
    """Given labels [b]."""
    index: Tensor
    """Rows of the samples in the split [b], which are not their sample ids."""
    keys: Tensor | None = None
    """Key of each sample in this epoch [b], int64, from which the network's random numbers follow
    (:mod:`memgate.models.draws`). None in evaluation, where nothing is random."""


class DeviceImages:
    """A split on a device, from which batches are cropped, flipped and normalised."""

    def __init__(self, inputs: Inputs, split: str, device: torch.device) -> None:
        """Copy a split to the device.

        Args:
            inputs: images and labels of a resolved configuration.
            split: name of the split; only ``train`` is augmented.
            device: device of the split and of its batches.
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
        trained = inputs.trained if split == "train" else None
        self.trained = None if trained is None else torch.from_numpy(trained).to(device)
        """Whether the run is trained on each sample, bool [N]; None where it is trained on all, or on none."""
        self.trained_count = len(self.given) if trained is None else int(trained.sum())
        """Number of samples in an epoch's training batches."""
        # (x / 255 - mean) / std as one multiplication and one addition.
        self._scale = torch.tensor(1 / (255 * np.asarray(std)), dtype=torch.float32, device=device)
        self._shift = torch.tensor(-np.asarray(mean) / np.asarray(std), dtype=torch.float32, device=device)

    def __len__(self) -> int:
        return len(self.given)

    def training_batches(self, seed: int, epoch: int, batch_size: int) -> Iterator[Batch]:
        """The batches of one epoch, in random order, augmented; the last batch may be smaller.

        They contain every sample that the run is trained on once. Order, crop, flip and the network's random numbers
        of sample i in epoch e depend on (seed, e, i) only.

        Args:
            seed: the run's seed.
            epoch: number of the epoch, from 1.
            batch_size: b.
        """
        generator = stream(seed, "epoch", epoch)
        order = torch.randperm(len(self), generator=generator).to(self.device)
        if self.trained is not None:
            order = order[self.trained[order]]
        offsets = torch.randint(0, 2 * self.padding + 1, (len(self), 2), generator=generator).to(self.device)
        flips = torch.randint(0, 2, (len(self),), generator=generator).bool().to(self.device)
        if self.augment != "crop-flip":
            flips.zero_()
        gates = stream_seed(seed, "gates", epoch)
        for index in order.split(batch_size):
            plain = self.augment == "none"
            cropped = self.pixels[index] if plain else self._crop(index, offsets[index], flips[index])
            yield Batch(self._normalised(cropped), self.given[index], index, keys_of(gates, index))

    def evaluation_batches(self, batch_size: int, rows: Tensor | None = None) -> Iterator[Batch]:
        """The batches of samples in order, without augmentation.

        Args:
            batch_size: b.
            rows: of the samples in the split, int64; None for every sample once.
        """
        p, (height, width) = self.padding, self.size
        together = rows is None and self.device.type == "cpu"  # a slice is not copied
        for index in (torch.arange(len(self), device=self.device) if rows is None else rows).split(
            batch_size
        ):
            place = slice(int(index[0]), int(index[0]) + len(index)) if together else index
            plain = self.pixels[place][:, p : p + height, p : p + width]
            yield Batch(self._normalised(plain), self.given[index], index)

    def _crop(self, index: Tensor, offsets: Tensor, flips: Tensor) -> Tensor:
        """Windows [b, H, W, 3] of the padded images at ``offsets`` [b, 2] (row, column), mirrored by ``flips``."""
        height, width = self.size
        rows = offsets[:, :1] + torch.arange(height, device=self.device)
        columns = torch.arange(width, device=self.device).expand(len(index), width)
        columns = offsets[:, 1:] + torch.where(flips[:, None], width - 1 - columns, columns)
        return self.pixels[index[:, None, None], rows[:, :, None], columns[:, None, :]]

    def _normalised(self, pixels: Tensor) -> Tensor:
        """Normalised images, float32 [b, 3, H, W], from uint8 [b, H, W, 3]; permuting makes them channels last."""
        return torch.addcmul(self._shift, pixels.float(), self._scale).permute(0, 3, 1, 2)
