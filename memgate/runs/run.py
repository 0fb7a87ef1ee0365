"""The run directory: opened, listed; its status and metrics. Never imports torch.

runs/<name>/
  config.json    resolved configuration, versions, git revision, command, device
  manifest.npz   what was done to each training sample (manifest-test_corrupted.npz: of a corrupted copy)
  log.h5         every sample, every epoch
  metrics.csv    one line per epoch
  checkpoints/   last.pt, epoch_NNN.pt, best.pt
  probes/        <probe>.h5: what was asked of checkpoints later
  exports/
                 (of imported curves there are only config.json, metrics.csv and status.json)
  images.npz, given_labels.csv   of a recorded run: pictures for the dashboard, labels that somebody corrupted
  status.json    running / complete / stopped / failed
"""

import json
import os
import shlex
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from memgate.config.json_form import from_json
from memgate.config.run import RunConfig
from memgate.errors import MemgateError
from memgate.log.reader import SampleLog
from memgate.runs import metrics
from memgate.runs.outline import Outline, outline_of
from noise.files.atomic import atomic_write
from noise.manifest.manifest import Manifest

SCHEMA = "memgate-run/1"

_SORTS = (("config", "requested"), ("recorded",), ("curves", "source"))
"""What config.json holds of a run that memgate trained, that another program did, and of imported curves."""


@dataclass(frozen=True)
class Status:
    """How far a run is."""

    state: str
    """running, complete, stopped (by the user) or failed."""
    epoch: int
    epochs: int
    message: str = ""
    pid: int = 0
    host: str = ""
    updated: float = 0.0
    """Unix time of the last change."""

    @property
    def shown(self) -> str:
        """The state; a run that says it is running although its process is gone has crashed."""
        if self.state != "running" or self.host != socket.gethostname():
            return self.state
        return "running" if _alive(self.pid) else "crashed"


@dataclass(frozen=True)
class Run:
    """One run directory, opened for reading."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @cached_property
    def _stored(self) -> dict[str, Any]:
        path = self.path / "config.json"
        stored = read_json(path)
        keys = {"environment", "digests", *next((keys for keys in _SORTS if keys[0] in stored), _SORTS[0])}
        if stored.get("schema") != SCHEMA or not keys <= stored.keys():
            raise MemgateError(
                f"{path} is no configuration of the format {SCHEMA}: the run is damaged or too old."
            )
        return stored

    @property
    def recorded(self) -> bool:
        """Whether another program trained it (``memgate.Recorder``): it has a log and no network."""
        return "recorded" in self._stored

    @property
    def only_curves(self) -> bool:
        """Whether it is somebody's curves (``memgate import-curves``): metrics by epoch, no log and no network."""
        return "curves" in self._stored

    @cached_property
    def outline(self) -> Outline:
        """What the run says of itself, whoever trained it."""
        for sort in ("recorded", "curves"):
            if sort in self._stored:
                return from_json(Outline, self._stored[sort], str(self.path / "config.json"))
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
        """The configuration as it was asked for, with all that was left open; raises as :attr:`config` does."""
        return self._config("requested")

    def _config(self, key: str) -> RunConfig:
        self._need_more_than_curves()
        if self.recorded:
            raise MemgateError(
                f"{self.name} was recorded by another program, so memgate has neither its configuration nor its "
                "network: train there, and probe the network by probes.csr.critical.critical_samples(model, images)."
            )
        values = self._stored[key]
        if values.get("log", {}).get("mode") == "sweep":  # the name of the mode in version 0.1.0
            values = {**values, "log": {**values["log"], "mode": "eval"}}
        return from_json(RunConfig, values, str(self.path / "config.json"))

    @property
    def digests(self) -> dict[str, str]:
        """Split to the digest of its images and labels as they were on disk."""
        return self._stored["digests"]

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, git revision, command, device and threads of the run's start."""
        return self._stored["environment"]

    @property
    def settings(self) -> dict[str, Any]:
        """What a run that memgate did not train was said to be trained with, as JSON values."""
        return self._stored.get("settings", {})

    @cached_property
    def manifest(self) -> Manifest:
        """What was done to each training sample."""
        self._need_more_than_curves()
        return Manifest.load(manifest_path(self.path, "train"))

    @property
    def manifests(self) -> dict[str, Manifest]:
        """Corrupted split to what was done to its samples: ``train``, and the copies of ``--noise-on``."""
        copies = {split: manifest_path(self.path, split) for split in self.outline.copies}
        return {"train": self.manifest, **{split: Manifest.load(path) for split, path in copies.items()}}

    def sample_log(self) -> SampleLog:
        """The per-sample log.

        Raises:
            MemgateError: there is none, because the run is only curves.
        """
        path = self.path / "log.h5"
        if not path.exists():  # a log can be read whatever has become of config.json
            self._need_more_than_curves()
        return SampleLog(path)

    def _need_more_than_curves(self) -> None:
        if self.only_curves:
            raise MemgateError(
                f"{self.name} is only the curves that were imported from {Path(self._stored['source']).name}: it has "
                "accuracies, losses and rates by epoch (metrics.csv), and no network and no log of samples, so choose "
                "a run that was trained or recorded."
            )

    def status(self) -> Status:
        """How far the run is."""
        path = self.path / "status.json"
        if not path.exists():
            return Status("failed", 0, self.outline.epochs, "it ended before it began")
        try:
            return Status(**read_json(path))
        except TypeError as error:
            raise MemgateError(
                f"{path} has other keys than a status ({error}): the run is damaged."
            ) from error

    def set_status(self, state: str, epoch: int, message: str = "") -> None:
        """Write status.json atomically."""
        status = Status(
            state, epoch, self.outline.epochs, message, os.getpid(), socket.gethostname(), time.time()
        )
        write_json(self.path / "status.json", asdict(status))

    def metrics(self) -> list[dict[str, float]]:
        """One dict per finished epoch, from metrics.csv; a half-written last line is left out."""
        return metrics.read(self.path / "metrics.csv")

    def keep_metrics(self, last_epoch: int) -> None:
        """Drop the lines after ``last_epoch``: those epochs are going to be trained again."""
        metrics.write(
            self.path / "metrics.csv", [row for row in self.metrics() if row["epoch"] <= last_epoch]
        )

    def append_metrics(self, row: Mapping[str, float]) -> None:
        """Add one epoch to metrics.csv and put it on the disk."""
        metrics.append(self.path / "metrics.csv", row)

    def checkpoint(self, which: str) -> Path:
        """Path of a checkpoint: ``last``, ``best`` or an epoch's number.

        Raises:
            MemgateError: the run has no such checkpoint.
        """
        folder = self.path / "checkpoints"
        path = folder / (f"epoch_{int(which):03d}.pt" if which.isdecimal() else f"{which}.pt")
        if not path.exists():
            _ = self.config  # of a recorded run, this says that it has no network at all
            found = sorted(entry.stem for entry in folder.glob("*.pt"))
            raise MemgateError(
                f"{self.name} has no checkpoint {which!r}: it has {', '.join(found) or 'none yet'}."
            )
        return path

    @property
    def checkpoint_epochs(self) -> tuple[int, ...]:
        """Epochs that have a checkpoint of their own (``epoch_NNN.pt``), rising."""
        stems = [path.stem.removeprefix("epoch_") for path in (self.path / "checkpoints").glob("epoch_*.pt")]
        return tuple(sorted(int(stem) for stem in stems if stem.isdecimal()))


def manifest_path(run: Path, split: str) -> Path:
    """Where a run keeps the manifest of a corrupted split."""
    return run / ("manifest.npz" if split == "train" else f"manifest-{split}.npz")


def command(verb: str, path: Path) -> str:
    """A memgate command about a path, as it can be typed in a shell."""
    return f"memgate {verb} {shlex.quote(str(path))}"


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    return (path / "config.json").is_file()


def open_run(name: str | Path, root: Path = Path("runs")) -> Run:
    """The run at a path, or of that name under ``root``.

    Raises:
        MemgateError: there is no such run.
    """
    for path in (Path(name), root / name):
        if is_run(path):
            return Run(path)
    known = [run.name for run in list_runs(root)]
    raise MemgateError(
        f"{name} is no run: it has no config.json. "
        + (
            f"Under {root} there are: {', '.join(known)}."
            if known
            else f"There are no runs under {root} yet."
        )
    )


def list_runs(root: Path) -> list[Run]:
    """Every run directly under ``root``, the newest first."""
    if not root.is_dir():
        return []
    found = [entry for entry in root.iterdir() if is_run(entry) and not entry.name.startswith(".")]
    found.sort(key=lambda entry: (-(entry / "config.json").stat().st_mtime, entry.name))
    return [Run(entry) for entry in found]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises MemgateError where the file holds none."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise MemgateError(f"{path} cannot be read ({error}): the run is damaged.") from error
    if not isinstance(value, dict):
        raise MemgateError(f"{path} holds no JSON object: the run is damaged.")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    text = json.dumps(value, indent=2) + "\n"
    atomic_write(path, lambda stream: stream.write(text.encode()))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
