"""Out-of-distribution detection by a run's network: the scores of its test samples and of foreign images."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from memgate import console
from memgate.errors import require
from memgate.models.pixels import PixelNetwork
from memgate.runs.inputs import Inputs
from memgate.runs.run import Run
from memgate.training.evaluate import pixel_network
from noise.files.digests import image_digests
from probes.network.checkpoints import CheckpointSamples, checkpoint_samples, probed_rows
from probes.network.features import features
from probes.network.layers import PENULTIMATE
from probes.network.outputs import answers
from probes.network.pixels import as_pixels
from probes.network.plan import Plan
from probes.ood.config import PROBE, TEST_SPLIT, OodConfig
from probes.ood.detectors import LOGIT_DETECTORS, knn_distance, msp
from probes.ood.sets import OodSet, plain
from probes.ood.table import split_of
from probes.result import ProbeResult, load_results, save_results
from probes.samples.columns import gate_column

Scores = dict[str, NDArray[np.floating]]
"""Detector to a score of each image [n], high for foreign."""


def probe_run(
    run: Run, config: OodConfig, sets: Sequence[OodSet], plan: Plan, batch_size: int | None = None
) -> Iterator[ProbeResult]:
    """Score the test samples of a run and foreign images by every detector, checkpoint by checkpoint.

    The test samples are clean. The k-NN detector looks among the training images as they were trained on.

    Args:
        run: whose checkpoints.
        config: of the detectors.
        sets: foreign images in the run's size.
        plan: which checkpoints; its split is the test split, its n that of the config.
        batch_size: images in a pass; None for what suits the device.

    Yields:
        For each checkpoint the result of the test split and then of each set, already in ``probes/ood.h5``: a value
        for each detector (:mod:`probes.ood.detectors`), high for foreign. A set is filed under ``ood-<name>``, its
        ``sample_id`` is the image's row. A result's variant is :attr:`OodConfig.variant`: it is compared with those of
        the same variant only. Test samples that the same network has been asked about before are not asked again.

    Raises:
        MemgateError: see :func:`probes.network.checkpoints.checkpoint_samples`; or there are fewer training samples
            than ``k``.
    """
    require(batch_size is None or batch_size >= 1, f"batch_size {batch_size} holds no image: at least 1.")
    require(plan.n == config.n, f"n {plan.n} of the plan is not n {config.n} of the detectors.")
    seen: Seen | None = None
    for visit in checkpoint_samples(run, plan, PROBE):
        seen = seen or Seen.of(visit.inputs)
        scorer = _Scorer.of(visit, config, batch_size)
        settings = {
            "n": config.n, "k": config.k, "support": len(scorer.support),
            "network": network_digest(visit.model),
        }  # fmt: skip
        origin = {"detectors": settings, "data": visit.images.name, "digest": visit.images.digest}
        yield _before(run, visit, config.variant, origin) or _stored(
            run,
            visit,
            TEST_SPLIT,
            config.variant,
            visit.images.sample_id,
            scorer.scores(visit.pixels, visit.label),
            origin,
        )
        for foreign in sets:
            name = foreign.facts.name
            origin = {"detectors": settings, "set": asdict(foreign.facts), **seen.known(foreign)}
            scores = scorer.scores(as_pixels(foreign.images), f"{name}, epoch {visit.epoch}")
            yield _stored(run, visit, split_of(name), config.variant, foreign.rows, scores, origin)


def network_digest(model: nn.Module) -> str:
    """SHA-256 of a network's parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def _before(
    run: Run, visit: CheckpointSamples, variant: str, config: dict[str, object]
) -> ProbeResult | None:
    """The stored result of the test samples, where it is of this network, of these samples and by this memgate."""
    for result in load_results(run, PROBE):
        same = result.key == (TEST_SPLIT, visit.epoch, variant) and result.config == config
        if same and result.versions.get("memgate") == visit.versions["memgate"]:
            return result
    return None


def _stored(
    run: Run,
    visit: CheckpointSamples,
    split: str,
    variant: str,
    rows: NDArray[np.int64],
    scores: Scores,
    config: dict[str, object],
) -> ProbeResult:
    """One result, after it has been written."""
    result = ProbeResult(
        probe=PROBE,
        split=split,
        epoch=visit.epoch,
        variant=variant,
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
    def of(cls, visit: CheckpointSamples, config: OodConfig, batch_size: int | None) -> "_Scorer":
        inputs = visit.inputs
        rows = probed_rows(inputs, "train", config.support)
        require(
            config.k <= len(rows),
            f"k {config.k} is more than the {len(rows)} training samples to look among: lower it"
            f"{', or raise the support' if config.support else ''}.",
        )
        network = pixel_network(visit.model, inputs)
        with console.counter(len(rows), f"training features, epoch {visit.epoch}") as finished:
            pixels = as_pixels(inputs.subset("train", rows).images)
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
            own = {"gate_entropy": said.entropy, "gate_value": said.value}
            own["gate_msp"] = None if said.logits is None else msp(said.logits)
            found |= {
                gate_column(name, gate, gates): score for name, score in own.items() if score is not None
            }
        return found


@dataclass(frozen=True, eq=False)
class Seen:
    """The images of a run, to notice foreign ones that are not foreign to it."""

    train: NDArray[np.uint64]
    """Digests of the images that it was trained on."""
    test: NDArray[np.uint64]
    sources: NDArray[np.str_]
    """[N] what open-set noise took each training image from, without the row; empty for the run's own."""
    files: tuple[frozenset[str], ...]
    """[N] SHA-256 of the files that made each of these images; empty for the run's own."""

    @classmethod
    def of(cls, inputs: Inputs) -> "Seen":
        """The images of a run as the network sees them."""
        manifest = inputs.manifest
        sources = [reference.rpartition(":")[0] for reference in manifest.source.tolist()]
        read = {0: frozenset[str]()}
        read |= {one.code: frozenset(digest for _, digest in one.files) for one in manifest.header.operations}
        files = tuple(
            read[code] if source else read[0]
            for code, source in zip(manifest.image_op.tolist(), sources, strict=True)
        )
        train, test = (inputs.image_digests(split) for split in ("train", TEST_SPLIT))
        return cls(train, test, np.array(sources), files)

    def known(self, foreign: OodSet) -> dict[str, int]:
        """How many images of a set are in training and test, and how many training images come from where it does.

        ``open_set_file``: from this very file, by its SHA-256; ``open_set``: from another source of its name.
        """
        digests = image_digests(foreign.images)
        file = np.array([bool(foreign.file) and foreign.file in files for files in self.files])
        named = np.isin(self.sources, [foreign.source, foreign.facts.name, plain(foreign.facts.name)])
        return {
            "in_train": int(np.isin(digests, self.train).sum()),
            "in_test": int(np.isin(digests, self.test).sum()),
            "open_set_file": int(file.sum()),
            "open_set": int((named & ~file).sum()),
        }
