"""The run directory: open it, list several, read what it holds. Never imports torch.

Its files are listed in docs/reference/run_directory.md.
"""

import importlib
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memgate.config.json_form import from_json
from memgate.config.run import RunConfig
from memgate.errors import MemgateError
from memgate.log.gate_vectors import GateVectors, kept_epochs
from memgate.log.identity import manifest_path
from memgate.log.reader import SampleLog
from memgate.log.split_log import SplitLog, open_split
from memgate.runs import metrics
from memgate.runs.config_file import configuration, read_config, run_identity
from memgate.runs.epoch_files import checkpoint_epochs, checkpoint_names, checkpoint_path, no_vectors
from memgate.runs.json_files import DIGEST
from memgate.runs.outline import Outline, outline_of
from memgate.runs.status import Status, read_status, write_status
from noise.manifest.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd

    from probes.report.report import Report


@dataclass(frozen=True)
class Run:
    """One run directory, opened for reading.

    Example:
        >>> import memgate
        >>> run = memgate.open_run(run.path)
        >>> run.log("train")["loss"].shape == (3, 128)  # 3 epochs, 128 training samples
        True
        >>> list(run.scores().columns)[:3]
        ['sample_id', 'split', 'given_label']
    """

    path: Path
    """The run's folder."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))  # text is taken too

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @cached_property
    def _stored(self) -> dict[str, Any]:
        """Content of config.json, checked."""
        return read_config(self.path / "config.json")

    @property
    def sealed(self) -> bool:
        """Whether checkpoints and JSON files have checksums; those of version 0.1.0 have none."""
        return DIGEST in self._stored

    @cached_property
    def identity(self) -> str:
        """Digest that no other run has (64 hexadecimal digits), of its configuration, its start and its manifest."""
        return run_identity(self._stored, self.manifest.header.column_digests)

    @property
    def recorded(self) -> bool:
        """Whether another program trained it (``memgate.Recorder``): it has a log and no network."""
        return "recorded" in self._stored

    @property
    def only_curves(self) -> bool:
        """Whether it was imported by ``memgate import-curves``: metrics by epoch, no log and no network."""
        return "curves" in self._stored

    @cached_property
    def outline(self) -> Outline:
        """Data set, model, gates, noise, seed and planned epochs, of a run of any origin."""
        for origin in ("recorded", "curves"):
            if origin in self._stored:
                return from_json(Outline, self._stored[origin], str(self.path / "config.json"))
        return outline_of(self.config)

    @cached_property
    def config(self) -> RunConfig:
        """The resolved configuration that the run was started with.

        Raises:
            MemgateError: another program trained the run, it is only curves, or config.json is damaged.
        """
        return self._config("config")

    @property
    def requested(self) -> RunConfig:
        """The configuration as it was requested, before it was resolved; raises as :attr:`config` does."""
        return self._config("requested")

    def _config(self, key: str) -> RunConfig:
        self._need_more_than_curves()
        if self.recorded:
            raise MemgateError(
                f"{self.name} was recorded by another program, so memgate has neither its configuration nor its "
                "network: train there, and probe the network by probes.critical_samples(model, images)."
            )
        return configuration(self._stored[key], self.path / "config.json")

    @property
    def digests(self) -> dict[str, str]:
        """Split to the digest of its images and labels as they were on disk."""
        return self._stored["digests"]

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, git revision, command, device and threads at the start of the run."""
        return self._stored["environment"]

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that a recorded or imported run was given as JSON values; empty for none."""
        return self._stored.get("settings", {})

    @cached_property
    def manifest(self) -> Manifest:
        """What was done to each training sample."""
        self._need_more_than_curves()
        return Manifest.load(manifest_path(self.path, "train"))

    @property
    def manifests(self) -> dict[str, Manifest]:
        """Corrupted split to its manifest: ``train``, and the copies of ``--noise-on``."""
        copies = {split: manifest_path(self.path, split) for split in self.outline.copies}
        return {"train": self.manifest, **{split: Manifest.load(path) for split, path in copies.items()}}

    def sample_log(self) -> SampleLog:
        """The reader of log.h5; raises MemgateError where there is none, because the run is only curves."""
        path = self.path / "log.h5"
        if not path.exists():  # a log can be read even where config.json is damaged
            self._need_more_than_curves()
        log = SampleLog(path)
        with suppress(MemgateError):  # of a run with a damaged config.json, whose log can be read by itself
            log.truth_known = self.outline.truth_known
        return log

    def log(self, split: str = "train") -> SplitLog:
        """Everything logged of one split, as arrays by name.

        Args:
            split: ``train``, ``test``, ``val``, or a corrupted copy such as ``test_corrupted``.

        Returns:
            ``log["gate"]`` [E, G, N], ``log["loss"]`` [E, N], ``log["sample_id"]`` [N], and the other names of
            :class:`memgate.log.split_log.SplitLog`, each read when it is asked for; ``log.to_frame()`` is a table.

        Raises:
            MemgateError: the run has no log, or its log has no such split.

        Example:
            >>> run.log("train")["gate"].shape  # 3 epochs, 2 gates, 128 samples
            (3, 2, 128)
        """
        return open_split(self.sample_log(), split)

    def gate_vectors(self, epoch: int | None = None) -> GateVectors:
        """Which channels of each gate were open for each sample after an epoch; None: the last that was kept.

        Raises:
            MemgateError: the vectors of the epoch were not kept (``--log.gates``), or their file cannot be used.
        """
        if not self.gate_vector_epochs:
            raise MemgateError(no_vectors(self.path, self.config, self.status().epoch))
        return GateVectors.open(self.path, epoch)

    @property
    def gate_vector_epochs(self) -> tuple[int, ...]:
        """Epochs whose gate vectors are there, rising."""
        return kept_epochs(self.path)

    def scores(self, split: str = "train") -> "pd.DataFrame":
        """Every score of every sample, one row per sample, by rising ``sample_id``: what ``memgate score`` writes.

        Columns and directions: :data:`probes.SCORES`.

        Raises:
            MemgateError: no epoch is finished, or there is no such split.

        Example:
            >>> {"sample_id", "cause", "loss_mean", "aum"} <= set(run.scores("train").columns)
            True
        """
        return _of_probes("scores.table", "score_table")(self, split)

    def report(self, **options: Any) -> "Report":
        """The numbers that ``memgate report`` prints, as a record; ``str`` of it is that text.

        Args:
            options: ``resamples``, ``over_epochs`` and ``externals``, see :func:`probes.report.report.report`.

        Returns:
            A :class:`probes.report.report.Report`: accuracies, groups of samples, and what each score detects.

        Raises:
            MemgateError: no epoch is finished.

        Example:
            >>> report = run.report()
            >>> report.epoch, report.groups[0].name, report.groups[0].n
            (3, 'all', 128)
        """
        return _of_probes("report.report", "report")(self, **options)

    def export(
        self, out: Path | str | None = None, *, yes: bool = False, overwrite: bool = False, **plan: Any
    ) -> Path:
        """Write a table of the run to a file, as ``memgate export`` does; with ``<name>.meta.json`` beside it.

        Args:
            out: the file, whose ending names the format, or a folder to put it into. None: the run's ``exports/``.
            yes: write a CSV or JSONL of more than 2,000,000 rows.
            overwrite: replace a foreign file.
            plan: fields of :class:`probes.ExportPlan`, such as ``shape="long"``, ``format="parquet"``.

        Returns:
            Path of the written file or folder.

        Raises:
            MemgateError: nothing matches the plan, its fields do not go together, or the file cannot be written.

        Example:
            >>> path = run.export(tmp_path / "train.csv", quantities=("cause", "loss_mean"))
            >>> path.read_text().splitlines()[0]
            'sample_id,cause,loss_mean'
        """
        made = _of_probes("export.plan", "ExportPlan")(**plan)
        return _of_probes("export.export", "export_run")(self, made, out, yes, overwrite)

    def _need_more_than_curves(self) -> None:
        if self.only_curves:
            raise MemgateError(
                f"{self.name} is only the curves that were imported from {Path(self._stored['source']).name}: it has "
                "means by epoch (metrics.csv), no network and no log of samples: choose a trained or recorded run."
            )

    def status(self) -> Status:
        """State and progress of the run; raises MemgateError where status.json is damaged."""
        return read_status(self.path, self.outline.epochs, self._stored.get(DIGEST, ""))

    def set_status(self, state: str, epoch: int, message: str = "") -> None:
        """Write status.json."""
        path, digest = self.path / "status.json", self._stored.get(DIGEST, "")
        write_status(path, state, epoch, self.outline.epochs, message, digest)

    def metrics(self) -> list[dict[str, float]]:
        """One dict per finished epoch; raises MemgateError where metrics.csv is damaged or lacks a finished epoch."""
        finished, digest, recorded = 0, "", False
        with suppress(MemgateError):  # read first, because a training may finish an epoch meanwhile
            finished, digest, recorded = (status := self.status()).epoch, status.metrics, self.recorded
        return metrics.read(self.path / "metrics.csv", finished, digest, recorded)

    def keep_metrics(self, last_epoch: int) -> None:
        """Drop the lines after ``last_epoch``: those epochs are going to be trained again."""
        metrics.keep(self.path / "metrics.csv", last_epoch)

    def append_metrics(self, row: Mapping[str, float]) -> None:
        """Add one epoch to metrics.csv and put it on the disk."""
        metrics.append(self.path / "metrics.csv", row)

    def checkpoint(self, which: str | int) -> Path:
        """Path of a checkpoint: ``last``, ``best`` or an epoch's number.

        Raises:
            MemgateError: the run has no such checkpoint.
        """
        path = checkpoint_path(self.path, str(which))
        if path is None or not path.exists():
            _ = self.config  # raises for a recorded run, which has no network at all
            present = ", ".join(checkpoint_names(self.path)) or "none yet"
            raise MemgateError(f"{self.name} has no checkpoint {str(which)!r}: it has {present}.")
        return path

    @property
    def checkpoint_epochs(self) -> tuple[int, ...]:
        """Epochs that have a checkpoint of their own (``epoch_NNN.pt``), rising."""
        return checkpoint_epochs(self.path)


def command(verb: str, path: Path) -> str:
    """A memgate command about a path, as it can be typed in a shell."""
    return f"memgate {verb} {shlex.quote(str(path))}"


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    try:
        return (path / "config.json").exists()  # a folder of that name is a damaged run
    except (OSError, ValueError):  # a folder that may not be read, a name that is too long, a zero byte
        return False


def open_run(name: str | Path, root: str | Path = "runs") -> Run:
    """The run at a path, or the run of that name under ``root``.

    Raises:
        MemgateError: there is no such run.

    Example:
        >>> import memgate
        >>> memgate.open_run(run.path).name
        'one'
        >>> memgate.open_run("one", root=run.path.parent).status().state
        'complete'
    """
    root = Path(root)
    for path in (Path(name), root / name):
        if is_run(path):
            return Run(path)
    known = [run.name for run in list_runs(root)]
    remedy = (
        f"Under {root} there are: {', '.join(known)}." if known else f"There are no runs under {root} yet."
    )
    raise MemgateError(f"{str(name)[:200]} is no run: it has no config.json. {remedy}")


def list_runs(root: str | Path = "runs") -> list[Run]:
    """Every run directly under a folder, the newest first; empty where there is no such folder.

    Example:
        >>> import memgate
        >>> [run.name for run in memgate.list_runs(run.path.parent)]
        ['one']
    """
    root = Path(root)
    if not root.is_dir():
        return []
    folders = [entry for entry in root.iterdir() if is_run(entry) and not entry.name.startswith(".")]
    folders.sort(key=lambda entry: (-(entry / "config.json").stat().st_mtime, entry.name))
    return [Run(entry) for entry in folders]


def _of_probes(module: str, name: str) -> Any:
    """A function or class of the package probes, imported when it is needed: imports go the other way."""
    return getattr(importlib.import_module(f"probes.{module}"), name)
