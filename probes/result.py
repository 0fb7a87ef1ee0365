"""Results of a probe, values per sample, stored in the run's ``probes/<probe>.h5``. No torch.

The file (format memgate-probe/2) has a group ``/<split>/epoch_NNN/<variant>`` for each result, with the datasets
``sample_id`` [n] and ``values/<name>`` [..., n], and the attributes ``checkpoint``, ``epoch``, ``log``, ``config`` and
``versions`` (the last two as JSON). A seal (:mod:`memgate.log.seal`) covers the whole file.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from memgate.config.run import ModelConfig
from memgate.errors import MemgateError, require
from memgate.log.guard import CheckedFile, text
from memgate.log.new_file import fixed
from memgate.log.sealed_content import sealed_content
from memgate.runs.checks import check_run
from memgate.runs.run import Run, command
from noise.files.atomic import atomic_write
from noise.files.json_form import json_text
from noise.files.lock import locked_folder

SCHEMA = "memgate-probe/2"

UNSEALED = "memgate-probe/1"
"""The format of version 0.1.0, which is still read: it has no seal, and its results name no run."""

AGAIN = "remove it, and probe again."
"""Remedy for a file that cannot be used."""

DAMAGED = "is damaged ({}): " + AGAIN
"""The sentence about a file that cannot be read."""

PROBES = ("csr", "routing", "difficulty", "ood", "gates", "embed", "neighbours", "features")
"""Names of the probes that store results; ``neighbours`` are the images that the probe csr found, and ``features`` the
vectors that the probe embed took from checkpoints."""

FORMER_NAMES = {"difficulty": "inside"}
"""Probe to the name of its file in version 0.1.0; a run with such a file continues to use it."""


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """Result of one probe for one checkpoint and n samples of one split."""

    probe: str
    """Name of the probe and of its file, such as ``csr``."""
    split: str
    epoch: int
    """Epoch of the checkpoint, counted from 1."""
    variant: str
    """What distinguishes results of the same checkpoint and split, such as the method."""
    checkpoint: str
    """Name of the checkpoint, such as ``last`` or ``epoch_024``."""
    sample_id: NDArray[np.int64]
    """[n] ids of the probed samples."""
    values: Mapping[str, NDArray[Any]]
    """Name to an array [..., n]."""
    config: Mapping[str, Any]
    """Settings of the computation, as JSON values."""
    versions: Mapping[str, Any] = field(default_factory=dict)
    """Versions of the software and the device, as JSON values."""
    log: str = ""
    """Identity of the log of the run that was probed (:attr:`memgate.log.reader.SampleLog.identity`); set when the
    result is stored. Empty in a result of version 0.1.0, whose run is not known for certain."""

    def __post_init__(self) -> None:
        for name, array in self.values.items():
            if array.shape[-1:] != self.sample_id.shape:
                raise ValueError(f"{name} {array.shape} does not end in {self.sample_id.shape}")

    @property
    def key(self) -> tuple[str, int, str]:
        """Split, epoch and variant; a later result with the same key replaces this one."""
        return self.split, self.epoch, self.variant

    def of(self, mask: NDArray[np.bool_]) -> "ProbeResult":
        """The result for the samples of a mask, bool [n]."""
        return replace(
            self,
            sample_id=self.sample_id[mask],
            values={name: array[..., mask] for name, array in self.values.items()},
        )


def probe_path(run: Run, probe: str) -> Path:
    """Path of the file with a probe's results, whether it exists or not."""
    folder = run.path / "probes"
    former = folder / f"{FORMER_NAMES.get(probe, probe)}.h5"
    return former if former.exists() else folder / f"{probe}.h5"


def load_results(run: Run, probe: str) -> tuple[ProbeResult, ...]:
    """Every stored result of a probe, sorted by epoch and variant; () if there is none.

    Args:
        run: the run.
        probe: one of :data:`PROBES`.

    Raises:
        MemgateError: there is no such probe, or the file is damaged, has another format, or holds results of another
            run.

    Example:
        >>> import probes
        >>> probes.load_results(run, "ood")
        ()
    """
    check_run(run)
    require(
        probe in PROBES,
        f"There is no probe {probe!r}: take {', '.join(PROBES)}.",
    )
    path = probe_path(run, probe)
    if not path.exists():
        return ()
    with CheckedFile(
        path, SCHEMA, DAMAGED, "does not exist: probe again.", AGAIN, UNSEALED
    ).opened() as handle:
        results = list(_entries(probe, handle))
    _check_run(run, path, results)
    return tuple(sorted(results, key=lambda result: (result.epoch, result.variant)))


def stored_result(
    run: Run, probe: str, split: str, epoch: int | None, check: Callable[[str, ModelConfig], object]
) -> ProbeResult:
    """A stored result of a probe on a split.

    Args:
        run: a run that memgate trained.
        probe: name of the probe.
        split: a split of the run.
        epoch: of the checkpoint; None for the latest that was probed.
        check: refuses networks that the probe cannot be run on: a command that refuses is no remedy.

    Raises:
        MemgateError: the run has no such split, or no such result.
    """
    check_run(run)
    run.sample_log().samples(split)
    stored = [result for result in load_results(run, probe) if result.split == split]
    results = [result for result in stored if epoch in (None, result.epoch)]
    if not results:
        check(run.name, run.config.model)
        at = "" if epoch is None else f" --checkpoints {epoch}"
        which = "" if epoch is None else f" at epoch {epoch}"
        raise MemgateError(
            f"{run.name} has no {probe} results of {split}{which}: {command(f'probe {probe}', run.path)} "
            f"--splits {split}{at}."
        )
    return results[-1]


def save_results(run: Run, probe: str, results: Iterable[ProbeResult]) -> list[ProbeResult]:
    """Add results to a probe's file; a result replaces a stored one with the same key, the others remain.

    The new file is written completely before it replaces the old one. A lock makes concurrent calls wait.

    Returns:
        The results as they are stored: with the identity of the run's log.

    Raises:
        MemgateError: the existing file is damaged (it is left unchanged), or the file cannot be written.
    """
    path = probe_path(run, probe)
    try:
        path.parent.mkdir(exist_ok=True)
        with locked_folder(path.parent):
            kept = {result.key: result for result in load_results(run, probe)}
            identity = run.sample_log().identity
            bound = [replace(result, log=identity) for result in results]
            kept |= {result.key: result for result in bound}
            content = _content(kept.values())
            atomic_write(path, lambda stream: stream.write(content))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error.strerror or error}): free some space, or check the permissions."
        ) from error
    return bound


def _check_run(run: Run, path: Path, results: Iterable[ProbeResult]) -> None:
    """Raise MemgateError where a result names the log of another run, or has samples that the run has not."""
    results = list(results)
    if not results:
        return
    log = run.sample_log()
    identity = log.identity if any(result.log for result in results) else ""
    ids = {
        split: log.samples(split).sample_id for split in {result.split for result in results} & {*log.splits}
    }
    for result in results:
        known = result.split not in ids or bool(np.isin(result.sample_id, ids[result.split]).all())
        require(
            known and result.log in ("", identity),
            f"{path} holds results of another run than {run.name} ({result.split}, epoch {result.epoch}, "
            f"{result.variant}): {AGAIN}",
        )


def _content(results: Iterable[ProbeResult]) -> memoryview:
    """The bytes of an HDF5 file with these results."""

    def fill(handle: h5py.File) -> None:
        for result in results:
            group = handle.create_group(f"{result.split}/epoch_{result.epoch:03d}/{result.variant}")
            group.attrs["epoch"] = result.epoch
            for name in ("checkpoint", "log"):
                group.attrs[name] = fixed(getattr(result, name))
            for name in ("config", "versions"):
                group.attrs[name] = fixed(json_text(dict(getattr(result, name))))
            group.create_dataset("sample_id", data=result.sample_id, fletcher32=True, chunks=True)
            values = group.create_group("values", track_order=True)
            for name, array in result.values.items():
                values.create_dataset(name, data=array, fletcher32=True, chunks=True)

    return sealed_content(SCHEMA, fill, ordered=True)


def _entries(probe: str, handle: Any) -> Iterator[ProbeResult]:
    for split, epochs in handle.items():
        for variants in epochs.values():
            for variant, group in variants.items():
                yield ProbeResult(
                    probe=probe,
                    split=split,
                    epoch=int(group.attrs["epoch"]),
                    variant=variant,
                    checkpoint=text(group.attrs["checkpoint"]),
                    sample_id=group["sample_id"][:],
                    values={name: dataset[:] for name, dataset in group["values"].items()},
                    config=json.loads(text(group.attrs["config"])),
                    versions=json.loads(text(group.attrs["versions"])),
                    log=text(group.attrs.get("log", "")),
                )
