"""What is logged of a batch: the network's answer as a row of numbers for each sample, collected on the device."""

import torch
from torch import Tensor

from memgate.config.model import ROUTED_ABOVE
from memgate.config.run import UNSEEN_CLASS
from memgate.log.format import FLAGS, EpochRecord
from memgate.models import Forward
from memgate.models.entropy import entropy_of

_FLOATS = ("loss", "margin", "p_given", "el2n", "out_entropy")


class SampleBuffer:
    """Collects the per-sample values of one pass on the device: no loop over samples, one copy at the end."""

    def __init__(self, given: Tensor, clean: Tensor, gates: tuple[str, ...]) -> None:
        """Start a pass over a split through a network with these gates.

        Args:
            given: given labels, int64 [N], on the device.
            clean: clean labels, likewise.
            gates: names of the network's gates.
        """
        device, n = given.device, len(given)
        self.given, self.clean, self.gates = given, clean, gates
        self.floats = torch.full((len(_FLOATS) + 2 * len(gates), n), torch.nan, device=device)
        self.classes = torch.full((1 + len(gates), n), UNSEEN_CLASS, dtype=torch.int32, device=device)
        self.flags = torch.zeros((max(len(gates), 1), n), dtype=torch.uint8, device=device)

    @torch.no_grad()
    def update(self, index: Tensor, forward: Forward) -> None:
        """Put one batch in its rows; logits that have no softmax (NaN, or infinite at the top) predict no class.

        Args:
            index: rows of the split [b].
            forward: the network's answer for them.
        """
        given, clean = self.given[index], self.clean[index]
        logits = forward.logits.float()
        self.floats[:, index] = torch.stack(
            [
                *_fit(logits, given),
                *(gate.value for gate in forward.gates),
                *(_or_missing(gate.entropy, gate.value) for gate in forward.gates),
            ]
        )
        pred = _predicted(logits)
        none = torch.full_like(pred, UNSEEN_CLASS)
        own = [none if gate.logits is None else _predicted(gate.logits) for gate in forward.gates]
        predicted = torch.stack([pred, *own])
        self.classes[:, index] = predicted.int()
        seen = (
            FLAGS["seen"]
            + FLAGS["correct_given"] * (pred == given)
            + FLAGS["correct_clean"] * (pred == clean)
        )
        routed = [FLAGS["routed"] * (gate.value > ROUTED_ABOVE) for gate in forward.gates]
        self.flags[:, index] = torch.stack([seen + bit for bit in routed] or [seen]).to(torch.uint8)

    def record(self) -> EpochRecord:
        """The pass as arrays of the host."""
        floats = self.floats.cpu().numpy()
        classes = self.classes.cpu().numpy().astype("u2")
        count = len(self.gates)
        gate, entropy = floats[len(_FLOATS) : len(_FLOATS) + count], floats[len(_FLOATS) + count :]
        plain = {name: floats[row] for row, name in enumerate(_FLOATS)}
        return EpochRecord(
            gate=gate,
            entropy=entropy,
            gate_pred=classes[1:],
            flags=self.flags.cpu().numpy(),
            pred=classes[0],
            **plain,
        )


def _or_missing(entropy: Tensor | None, value: Tensor) -> Tensor:
    """An entropy [b], or NaN where a gate of this value [b] has none."""
    return torch.full_like(value, torch.nan) if entropy is None else entropy


def _predicted(logits: Tensor) -> Tensor:
    """The class [b] that logits [b, K] predict; UNSEEN_CLASS, which is no label, where they have no softmax."""
    top, pred = logits.max(dim=1)  # NaN where one of them is
    return pred.where(top.isfinite(), UNSEEN_CLASS)


def _fit(logits: Tensor, given: Tensor) -> tuple[Tensor, ...]:
    """How logits [b, K] fit labels [b]: the values of :data:`_FLOATS`, [b] each."""
    own = given[:, None]
    log_p = torch.log_softmax(logits, dim=1)
    own_log_p = log_p.gather(1, own)
    others = logits.scatter(1, own, -torch.inf).amax(dim=1)
    margin = logits.gather(1, own)[:, 0] - others
    # An infinite margin of a diverged or masked network would meet its opposite in a mean over epochs.
    margin = margin.where(logits.amax(dim=1).isfinite() & (margin < torch.inf), torch.nan)
    # p - 1 of the given label by expm1: of a fitted sample float32 would round it to 0.
    error = log_p.exp().scatter(1, own, torch.expm1(own_log_p))
    return (
        -own_log_p[:, 0],
        margin,
        own_log_p[:, 0].exp(),
        error.norm(dim=1),
        entropy_of(log_p.clamp(min=torch.finfo(log_p.dtype).min)),  # 0 ln 0 is 0, for a class masked by -inf
    )
