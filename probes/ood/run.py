"""Out-of-distribution detection with a run's network: scores of its test samples and of foreign images."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from memgate import console
from memgate.errors import require
from memgate.models.pixels import PixelNetwork
from memgate.runs.inputs import Inputs
from memgate.runs.run import Run
from memgate.training.evaluate import pixel_network
from noise.files.digests import image_digests
from probes.network.checkpoints import CheckpointSamples, checkpoint_samples, network_digest, probed_rows
from probes.network.features import features
from probes.network.layers import PENULTIMATE
from probes.network.outputs import outputs_of
from probes.network.pixels import as_pixels
from probes.network.plan import Plan
from probes.ood.config import PROBE, TEST_SPLIT, OodConfig
from probes.ood.detectors import LOGIT_DETECTORS, knn_distance, msp
from probes.ood.sets import OodSet, plain
from probes.ood.table import split_of
from probes.result import ProbeResult, load_results, save_results
from probes.samples.columns import gate_column

Scores = dict[str, NDArray[np.floating]]
"""Detector to a score of each image [n]; high is more out-of-distribution."""


def probe_run(
    run: Run, config: OodConfig, sets: Sequence[OodSet], plan: Plan, batch_size: int | None = None
) -> Iterator[ProbeResult]:
    """Scores by every detector of a run's test samples and of foreign images, checkpoint by checkpoint.

    The test samples are clean. The k-NN detector searches the training images as the network was trained on them.

    Args:
        run: a run with checkpoints.
        config: of the detectors.
        sets: foreign images in the run's size.
        plan: which checkpoints; its split is the test split, its n that of the config.
        batch_size: images in a pass; None for what suits the device.

    Yields:
        For each checkpoint the result of the test split and then of each set, already in ``probes/ood.h5``: a value
        for each detector (:mod:`probes.ood.detectors`), high for out-of-distribution. A set is stored under
        ``ood-<name>``, and its ``sample_id`` is the image's row. A result's variant is :attr:`OodConfig.variant`; only
        results of one variant are compared. Stored scores of test samples are reused where they are of the same
        network.

    Raises:
        MemgateError: see :func:`probes.network.checkpoints.checkpoint_samples`; or there are fewer training samples
            than ``k``.
    """
    require(batch_size is None or batch_size >= 1, f"batch_size {batch_size} holds no image: at least 1.")
    require(plan.n == config.n, f"n {plan.n} of the plan is not n {config.n} of the detectors.")
    seen: Seen | None = None
    for samples in checkpoint_samples(run, plan, PROBE):
        seen = seen or Seen.of(samples.inputs)
        scorer = _Scorer.of(samples, config, batch_size)
        settings = {
            "n": config.n, "k": config.k, "support": len(scorer.support),
            "network": network_digest(samples.model),
        }  # fmt: skip
        origin = {"detectors": settings, "data": samples.images.name, "digest": samples.images.digest}
        yield _reused(run, samples, config.variant, origin) or _stored(
            run,
            samples,
            TEST_SPLIT,
            config.variant,
            samples.images.sample_id,
            scorer.scores(samples.pixels, samples.label),
            origin,
        )
        for foreign in sets:
            name = foreign.facts.name
            origin = {"detectors": settings, "set": asdict(foreign.facts), **seen.known(foreign)}
            scores = scorer.scores(as_pixels(foreign.images), f"{name}, epoch {samples.epoch}")
            yield _stored(run, samples, split_of(name), config.variant, foreign.rows, scores, origin)


def _reused(
    run: Run, samples: CheckpointSamples, variant: str, config: dict[str, object]
) -> ProbeResult | None:
    """The stored result of the test samples; None unless it is of this network, samples and version of memgate."""
    for result in load_results(run, PROBE):
        same = result.key == (TEST_SPLIT, samples.epoch, variant) and result.config == config
        if same and result.versions.get("memgate") == samples.versions["memgate"]:
            return result
    return None


def _stored(
    run: Run,
    samples: CheckpointSamples,
    split: str,
    variant: str,
    rows: NDArray[np.int64],
    scores: Scores,
    config: dict[str, object],
) -> ProbeResult:
    """One result, already stored."""
    result = ProbeResult(
        probe=PROBE,
        split=split,
        epoch=samples.epoch,
        variant=variant,
        checkpoint=samples.checkpoint,
        sample_id=rows,
        values=scores,
        config=config,
        versions=samples.versions,
    )
    [result] = save_results(run, PROBE, [result])
    return result


@dataclass(frozen=True, eq=False)
class _Scorer:
    """A network with the training features [S, d] of its k-NN detector."""

    network: PixelNetwork
    support: NDArray[np.float32]
    k: int
    batch_size: int | None

    @classmethod
    def of(cls, samples: CheckpointSamples, config: OodConfig, batch_size: int | None) -> "_Scorer":
        inputs = samples.inputs
        rows = probed_rows(inputs, "train", config.support)
        require(
            config.k <= len(rows),
            f"k {config.k} is more than the {len(rows)} training samples to look among: lower it"
            f"{', or raise the support' if config.support else ''}.",
        )
        network = pixel_network(samples.model, inputs)
        with console.counter(len(rows), f"training features, epoch {samples.epoch}") as finished:
            pixels = as_pixels(inputs.subset("train", rows).images)
            values = features(network, pixels, [PENULTIMATE], batch_size=batch_size, finished=finished)
        return cls(network, values[PENULTIMATE], config.k, batch_size)

    def scores(self, pixels: Tensor, label: str) -> Scores:
        """Every detector's scores [n] of images uint8 [n, 3, H, W]."""
        with console.counter(len(pixels), label) as finished:
            outputs = outputs_of(self.network, pixels, batch_size=self.batch_size, finished=finished)
        scores: Scores = {name: detector(outputs.logits) for name, detector in LOGIT_DETECTORS.items()}
        with console.counter(len(pixels), f"{label}: nearest neighbours") as finished:
            scores["knn"] = knn_distance(outputs.features, self.support, self.k, finished=finished)
        gates = list(outputs.gates)
        for gate, output in outputs.gates.items():
            own = {"gate_entropy": output.entropy, "gate_value": output.value}
            own["gate_msp"] = None if output.logits is None else msp(output.logits)
            scores |= {
                gate_column(name, gate, gates): score for name, score in own.items() if score is not None
            }
        return scores


@dataclass(frozen=True, eq=False)
class Seen:
    """Digests and sources of a run's images, to find images of a set that the run has too."""

    train: NDArray[np.uint64]
    """Digests of the training images [N]."""
    test: NDArray[np.uint64]
    """Digests of the test images [M]."""
    sources: NDArray[np.str_]
    """[N] source from which open-set noise took each training image, without the row; empty for the run's own."""
    files: tuple[frozenset[str], ...]
    """[N] SHA-256 of the files from which each training image was taken; empty for the run's own."""

    @classmethod
    def of(cls, inputs: Inputs) -> "Seen":
        """Digests of a run's images as the network gets them."""
        manifest = inputs.manifest
        sources = [reference.rpartition(":")[0] for reference in manifest.source.tolist()]
        read = {0: frozenset[str]()}
        operations = manifest.header.operations
        read |= {done.code: frozenset(digest for _, digest in done.files) for done in operations}
        files = tuple(
            read[code] if source else read[0]
            for code, source in zip(manifest.image_op.tolist(), sources, strict=True)
        )
        train, test = (inputs.image_digests(split) for split in ("train", TEST_SPLIT))
        return cls(train, test, np.array(sources), files)

    def known(self, foreign: OodSet) -> dict[str, int]:
        """Counts of a set's images that the run has, and of training images from the set's source.

        Returns:
            ``in_train`` and ``in_test``: images of the set that are in these splits; ``open_set_file``: training
            images from the set's file, by its SHA-256; ``open_set``: from another source of the set's name.
        """
        digests = image_digests(foreign.images)
        same_file = np.array([bool(foreign.file) and foreign.file in files for files in self.files])
        named = np.isin(self.sources, [foreign.source, foreign.facts.name, plain(foreign.facts.name)])
        return {
            "in_train": int(np.isin(digests, self.train).sum()),
            "in_test": int(np.isin(digests, self.test).sum()),
            "open_set_file": int(same_file.sum()),
            "open_set": int((named & ~same_file).sum()),
        }
