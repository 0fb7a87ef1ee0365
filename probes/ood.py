"""Out-of-distribution detection by a run's network: the scores of its test samples and of foreign images."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memgate import console
from memgate.errors import require
from memgate.inputs import Inputs
from memgate.runs import Run
from noise.digests import image_digests
from probes.answers import answers
from probes.detectors import LOGIT_DETECTORS, knn_distance, msp
from probes.features import PENULTIMATE, features
from probes.network import PixelNetwork, pixel_network
from probes.oodsets import OodSet
from probes.oodtable import INSIDE, PROBE, split_of
from probes.result import ProbeResult, save_results
from probes.summary import gate_column
from probes.visits import Plan, Visit, probed_rows, visits

Scores = dict[str, NDArray[np.floating]]
"""Detector to a score of each image [n], high for foreign."""

PAPER_K = 50
"""Sun et al. 2022 for CIFAR-10, and OpenOOD for every set."""


@dataclass(frozen=True)
class OodConfig:
    """What the detectors are told."""

    k: int = PAPER_K
    """Which nearest training sample the k-NN detector measures the distance to."""
    support: int = 0
    """Training samples that it looks among, the first of a hash order; 0 for all."""

    def __post_init__(self) -> None:
        require(self.k >= 1, f"k {self.k} is no neighbour: 1 or more.")
        require(
            self.support >= 0, f"support {self.support} is no number of samples: 1 or more, or 0 for all."
        )


def probe_run(
    run: Run, config: OodConfig, sets: Sequence[OodSet], plan: Plan, batch_size: int | None = None
) -> Iterator[ProbeResult]:
    """Score the test samples of a run and foreign images by every detector, checkpoint by checkpoint.

    The test samples are clean. The k-NN detector looks among the training images as they were trained on.

    Args:
        run: whose checkpoints.
        config: of the detectors.
        sets: foreign images in the run's size.
        plan: which checkpoints; its split is the test split.
        batch_size: images in a pass; None for what suits the device.

    Yields:
        For each checkpoint the result of the test split and then of each set, already in ``probes/ood.h5``: a value
        for each detector (:mod:`probes.detectors`), high for foreign. A set is filed under ``ood-<name>``, its
        ``sample_id`` is the image's row.

    Raises:
        MemgateError: see :func:`probes.visits.visits`; or there are fewer training samples than ``k``.
    """
    require(batch_size is None or batch_size >= 1, f"batch_size {batch_size} holds no image: at least 1.")
    seen: Seen | None = None
    for visit in visits(run, plan, PROBE):
        seen = seen or Seen.of(visit.inputs)
        scorer = _Scorer.of(visit, config, batch_size)
        settings = {"k": config.k, "support": len(scorer.support)}
        origin = {"detectors": settings, "data": visit.images.name, "digest": visit.images.digest}
        scores = scorer.scores(visit.pixels, visit.label)
        yield _stored(run, visit, INSIDE, visit.images.sample_id, scores, origin)
        for foreign in sets:
            name = foreign.facts.name
            origin = {"detectors": settings, "set": asdict(foreign.facts), **seen.known(foreign)}
            scores = scorer.scores(_pixels(foreign.images), f"{name}, epoch {visit.epoch}")
            yield _stored(run, visit, split_of(name), foreign.rows, scores, origin)


def _stored(
    run: Run, visit: Visit, split: str, rows: NDArray[np.int64], scores: Scores, config: dict[str, object]
) -> ProbeResult:
    """One result, after it has been written."""
    result = ProbeResult(
        probe=PROBE,
        split=split,
        epoch=visit.epoch,
        variant="detectors",
        checkpoint=visit.checkpoint,
        sample_id=rows,
        values=scores,
        config=config,
        versions=visit.versions,
    )
    save_results(run, PROBE, [result])
    return result


@dataclass(frozen=True, eq=False)
class _Scorer:
    """A network with what its k-NN detector looks among."""

    network: PixelNetwork
    support: NDArray[np.float32]
    k: int
    batch_size: int | None

    @classmethod
    def of(cls, visit: Visit, config: OodConfig, batch_size: int | None) -> "_Scorer":
        inputs = visit.inputs
        rows = probed_rows(inputs, "train", config.support)
        require(
            config.k <= len(rows),
            f"k {config.k} is more than the {len(rows)} training samples to look among: lower it"
            f"{', or raise the support' if config.support else ''}.",
        )
        network = pixel_network(visit.model, inputs)
        with console.counter(len(rows), f"training features, epoch {visit.epoch}") as finished:
            pixels = _pixels(inputs.train.images[rows])
            found = features(network, pixels, [PENULTIMATE], batch_size=batch_size, finished=finished)
        return cls(network, found[PENULTIMATE], config.k, batch_size)

    def scores(self, pixels: Tensor, label: str) -> Scores:
        """Every detector's score of images uint8 [n, 3, H, W]."""
        with console.counter(len(pixels), label) as finished:
            outputs = answers(self.network, pixels, batch_size=self.batch_size, finished=finished)
        found: Scores = {name: score(outputs.logits) for name, score in LOGIT_DETECTORS.items()}
        with console.counter(len(pixels), f"{label}: nearest neighbours") as finished:
            found["knn"] = knn_distance(outputs.features, self.support, self.k, finished=finished)
        gates = list(outputs.gates)
        for gate, said in outputs.gates.items():
            own = {"gate_entropy": said.entropy, "gate_value": said.value, "gate_msp": msp(said.logits)}
            found |= {gate_column(name, gate, gates): score for name, score in own.items()}
        return found


@dataclass(frozen=True, eq=False)
class Seen:
    """The images of a run, to notice foreign ones that are not foreign to it."""

    train: NDArray[np.uint64]
    """Digests of the images that it was trained on."""
    test: NDArray[np.uint64]
    sources: NDArray[np.str_]
    """[N] what open-set noise took each training image from, without the row; empty for the run's own."""

    @classmethod
    def of(cls, inputs: Inputs) -> "Seen":
        """The images of a run as the network sees them."""
        sources = [reference.rpartition(":")[0] for reference in inputs.manifest.source.tolist()]
        train, test = (image_digests(inputs.image_set(split).images) for split in ("train", INSIDE))
        return cls(train, test, np.array(sources))

    def known(self, foreign: OodSet) -> dict[str, int]:
        """How many images of a set are in training and test, and how many training images share its source."""
        digests = image_digests(foreign.images)
        return {
            "in_train": int(np.isin(digests, self.train).sum()),
            "in_test": int(np.isin(digests, self.test).sum()),
            "open_set": int(np.isin(self.sources, [foreign.source, foreign.facts.name]).sum()),
        }


def _pixels(images: NDArray[np.uint8]) -> Tensor:
    """Images [n, H, W, 3] as uint8 [n, 3, H, W]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
