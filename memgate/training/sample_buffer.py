"""The logged values of each sample, computed from the network's output and collected on the device."""

import torch
from torch import Tensor

from memgate.config.model import ROUTED_ABOVE
from memgate.log.format import FLAGS, UNSEEN_CLASS, EpochRecord
from memgate.models import Forward
from memgate.models.entropy import masked_entropy
from memgate.models.macs import SampleCost

_FLOATS = ("loss", "margin", "p_given", "el2n", "out_entropy")


class SampleBuffer:
    """Per-sample values of one pass over a split, collected on the device and copied to the CPU once, at the end."""

    def __init__(
        self,
        given: Tensor,
        clean: Tensor,
        gates: tuple[str, ...],
        cost: SampleCost | None = None,
        trained: Tensor | None = None,
        phi: bool = False,
    ) -> None:
        """Start a pass in which no sample has been seen.

        Args:
            given: given labels, int64 [N], on the device.
            clean: clean labels, int64 [N], on the device.
            gates: names of the network's gates.
            cost: of a network whose gates close, which gives the MACs of each sample.
            trained: whether the run is trained on each sample, bool [N], on the device. None: it is not recorded.
            phi: whether to record ``phi``.
        """
        device, n = given.device, len(given)
        self.given, self.clean, self.gates = given, clean, gates
        self.floats = torch.full((len(_FLOATS) + 2 * len(gates), n), torch.nan, device=device)
        self.classes = torch.full((1 + len(gates), n), UNSEEN_CLASS, dtype=torch.int32, device=device)
        self.cost = cost
        self.macs = None if cost is None else torch.full((n,), torch.nan, device=device)
        self.trained = trained
        self.phi = torch.full((n,), torch.nan, device=device) if phi else None
        self.flags = torch.zeros((max(len(gates), 1), n), dtype=torch.uint8, device=device)

    @torch.no_grad()
    def update(self, index: Tensor, forward: Forward) -> None:
        """Store one batch; logits without a softmax (NaN, or a largest logit that is infinite) predict no class.

        Args:
            index: rows of the samples in the split [b].
            forward: the network's output for them.
        """
        given, clean = self.given[index], self.clean[index]
        logits = forward.logits.float()
        # float(): gate values of a network in float64.
        self.floats[:, index] = torch.stack(
            [
                *_values(logits, given),
                *(gate.value for gate in forward.gates),
                *(_or_missing(gate.entropy, gate.value) for gate in forward.gates),
            ]
        ).float()
        if self.cost is not None and self.macs is not None:
            self.macs[index] = self.cost.of_gates(forward.gates).float()
        if self.phi is not None:
            self.phi[index] = _phi(logits, given)
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
        if self.trained is not None:
            seen = seen + FLAGS["trained"] * self.trained[index]
        routed = [FLAGS["routed"] * (gate.value > ROUTED_ABOVE) for gate in forward.gates]
        self.flags[:, index] = torch.stack([seen + bit for bit in routed] or [seen]).to(torch.uint8)

    def record(self) -> EpochRecord:
        """The collected values as NumPy arrays."""
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
            macs=None if self.macs is None else self.macs.cpu().numpy(),
            phi=None if self.phi is None else self.phi.cpu().numpy(),
            **plain,
        )


def _or_missing(entropy: Tensor | None, value: Tensor) -> Tensor:
    """The entropy [b], or NaN [b] for a gate without one."""
    return torch.full_like(value, torch.nan) if entropy is None else entropy


def _predicted(logits: Tensor) -> Tensor:
    """The predicted class [b] of logits [b, K]; UNSEEN_CLASS, which is no label, where they have no softmax."""
    top, pred = logits.max(dim=1)  # NaN where any logit is NaN
    return pred.where(top.isfinite(), UNSEEN_CLASS)


def _phi(logits: Tensor, given: Tensor) -> Tensor:
    """Logit of the given label minus the log-sum-exp of the others [b], which is log p - log(1 - p).

    Computed from p in float32, it would be lost near p = 1. NaN where the logits have no softmax, or it is infinite
    (masked classes).
    """
    own = given[:, None]
    phi = logits.gather(1, own)[:, 0] - logits.scatter(1, own, -torch.inf).logsumexp(1)
    return phi.where(logits.amax(dim=1).isfinite() & phi.isfinite(), torch.nan)


def _values(logits: Tensor, given: Tensor) -> tuple[Tensor, ...]:
    """The values of :data:`_FLOATS`, [b] each, from logits [b, K] and given labels [b]."""
    own = given[:, None]
    log_p = torch.log_softmax(logits, dim=1)
    own_log_p = log_p.gather(1, own)
    others = logits.scatter(1, own, -torch.inf).amax(dim=1)
    margin = logits.gather(1, own)[:, 0] - others
    # Infinite margins (a diverged network, or masked classes) would make the mean over epochs infinite or NaN.
    margin = margin.where(logits.amax(dim=1).isfinite() & (margin < torch.inf), torch.nan)
    # p - 1 of the given label by expm1: for a fitted sample, float32 would round p to 1.
    error = log_p.exp().scatter(1, own, torch.expm1(own_log_p))
    return (
        -own_log_p[:, 0],
        margin,
        own_log_p[:, 0].exp(),
        error.norm(dim=1),
        masked_entropy(logits),
    )
