"""Collects the binary vectors of the gates in passes over the splits, and keeps those of the chosen epochs."""

from collections.abc import Mapping

import torch
from torch import Tensor

from memgate import console
from memgate.config.run import RunConfig
from memgate.log import gate_vector_files
from memgate.log.gate_vector_files import SplitVectors, VectorLayout, write_gate_vectors
from memgate.log.gate_vectors import packed_bytes, vector_path
from memgate.models import Forward
from memgate.runs.held import HeldRun
from memgate.runs.inputs import Inputs


class VectorBuffer:
    """Binary gate vectors of one pass over a split: packed on the device, copied to the CPU once, at the end."""

    def __init__(self, gates: Mapping[str, int], samples: int, device: torch.device) -> None:
        """Start a pass in which no vector is known.

        Args:
            gates: name of each gate to its number of channels C, in the order of the forward pass.
            samples: number of samples N.
            device: of the network.
        """
        self.gates = dict(gates)
        width = sum(packed_bytes(channels) for channels in self.gates.values())
        self.packed = torch.zeros((samples, width), dtype=torch.uint8, device=device)
        self.known = torch.zeros((len(self.gates), samples), dtype=torch.bool, device=device)

    @torch.no_grad()
    def update(self, index: Tensor, forward: Forward) -> None:
        """Store one batch; of a vector with a NaN no channel is known.

        Args:
            index: rows of the samples in the split [b].
            forward: the network's output for them, whose gates have ``channels``.
        """
        known, packed = [], []
        for gate in forward.gates:
            assert gate.channels is not None, f"{gate.name} has no channels"
            known.append(~gate.channels.isnan().any(dim=1))
            packed.append(pack_bits((gate.channels > 0) & known[-1][:, None]))
        self.packed[index] = torch.cat(packed, dim=1)
        self.known[:, index] = torch.stack(known)

    def vectors(self) -> SplitVectors:
        """The collected vectors as NumPy arrays."""
        packed, patterns, begin = self.packed.cpu().numpy(), {}, 0
        for gate, channels in self.gates.items():
            end = begin + packed_bytes(channels)
            patterns[gate] = packed[:, begin:end]
            begin = end
        return SplitVectors(patterns, self.known.cpu().numpy())


def pack_bits(bits: Tensor) -> Tensor:
    """Bool [b, C] as uint8 [b, ceil(C / 8)], as of ``numpy.packbits(axis=1)``, on the same device.

    Example:
        >>> pack_bits(torch.tensor([[True, False, True]]))
        tensor([[160]], dtype=torch.uint8)
    """
    padded = torch.nn.functional.pad(bits.to(torch.uint8), (0, -bits.shape[1] % 8))
    weights = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=bits.device)
    return (padded.reshape(len(bits), -1, 8) * weights).sum(dim=2, dtype=torch.uint8)


def vector_layout(config: RunConfig, inputs: Inputs) -> VectorLayout:
    """The content of a run's files of gate vectors; without epochs where none are kept."""
    return VectorLayout(
        gates=config.model.gate_channels,
        splits={split: inputs.samples(split).sample_id for split in inputs.splits},
        epochs=config.log.vector_epochs(config.train.epochs),
    )


class VectorKeeper:
    """Keeps the gate vectors of a training's chosen epochs."""

    def __init__(self, held: HeldRun, layout: VectorLayout, device: torch.device) -> None:
        """Start before the first epoch.

        Args:
            held: the run.
            layout: of its files of vectors.
            device: of the network.
        """
        self.held, self.layout, self.device = held, layout, device

    def buffers(self, epoch: int) -> dict[str, VectorBuffer]:
        """Split to an empty buffer, if the epoch is one of the chosen; else none."""
        if epoch not in self.layout.epochs:
            return {}
        return {
            split: VectorBuffer(self.layout.gates, len(ids), self.device)
            for split, ids in self.layout.splits.items()
        }

    def write(self, epoch: int, buffers: Mapping[str, VectorBuffer]) -> None:
        """Write the file of an epoch; where that fails, its vectors are lost and the training continues."""
        if not buffers:
            return
        self.held.check()
        log = self.held.run.sample_log().identity
        vectors = {split: buffer.vectors() for split, buffer in buffers.items()}
        try:
            write_gate_vectors(self.held.run.path, self.layout, epoch, log, vectors)
        except OSError as error:
            console.warn(
                f"the gate vectors of epoch {epoch} could not be written to "
                f"{vector_path(self.held.run.path, epoch)} ({error}); the training continues without them. Free some "
                "space, so that the next ones are kept."
            )

    def keep(self, last_epoch: int) -> None:
        """Remove the vectors of the epochs after ``last_epoch``, which are going to be trained again."""
        self.held.check()
        gate_vector_files.keep(self.held.run.path, last_epoch)
