"""The runs that are damaged, and the commands that then read them."""

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from injection.child import Ended, forked, memgate
from memgate import console
from memgate.config.run import DataConfig, GateConfig, LogConfig, ModelConfig, RunConfig, TrainConfig
from memgate.log.gate_vectors import vector_path
from memgate.runs.run import Run

TABLES = (
    "table.csv",
    "table.csv.meta.json",
    "table.meta.json",
    "scores.csv",
    "gates.npz",
    "gates.npz.meta.json",
)
"""Files that the commands write, in the folder ``out``."""

COMMANDS = {
    "report": "report {run} --bootstrap 0",
    "score": "score {run} --out {out}/scores.csv",
    "export": "export {run} --format csv --out {out}/table.csv",
    "probe show": "probe show {run}",
    "probe routing": "probe routing {run} --splits train --device cpu",
    "evaluate": "evaluate {run} --json --device cpu",
    "resume": "resume {run}",
    "runs": "runs {runs}",
    "export gates": "export {run} --shape gates --format npz --out {out}/gates.npz",
}
"""Command to its arguments. ``resume`` is given the run that was stopped after half of its epochs, ``export gates`` a
run of a network with gates of channels."""

EPOCHS, STOPPED = 4, 2

FILES = (
    "log.h5", "manifest.npz", "config.json", "status.json", "metrics.csv", "checkpoints/last.pt", "probes/csr.h5",
    "probes/routing.h5", vector_path(Path(), EPOCHS).name,
)  # fmt: skip
"""Every kind of file of a run directory."""

FAMILIES = {"resume": "stopped", "export gates": "channels"}
"""Command to the kind of run that it is given; ``complete`` where it is not named."""


@dataclass(frozen=True)
class Seen:
    """What a command did: how it ended, what it wrote, and the run that it left."""

    ended: Ended
    state: Any
    """JSON: digests of the files that it wrote and of the run that it trained, notes of an export."""


@dataclass(frozen=True)
class Lab:
    """Undamaged runs in ``whole``, and a folder ``runs`` in which copies of them are damaged."""

    folder: Path
    seconds: float
    """Limit of a command, see :func:`injection.child.forked`."""

    @property
    def runs(self) -> Path:
        """Folder with the run ``one``, which is damaged, and the run ``other``, which is not."""
        return self.folder / "runs"

    @property
    def one(self) -> Path:
        """The run that is damaged."""
        return self.runs / "one"

    @property
    def out(self) -> Path:
        """Folder for what commands write."""
        return self.folder / "out"

    def whole(self, command: str, name: str = "one") -> Path:
        """The undamaged run that a command is given."""
        return self.folder / "whole" / FAMILIES.get(command, "complete") / name

    def lay(self, command: str) -> None:
        """Lay out undamaged copies for a command."""
        for folder in (self.runs, self.out):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        shutil.copytree(self.whole(command), self.one)
        if command == "runs":
            shutil.copytree(self.whole(command, "other"), self.runs / "other")

    def arguments(self, command: str) -> list[str]:
        """The arguments of a command of :data:`COMMANDS`."""
        return [word.format(run=self.one, runs=self.runs, out=self.out) for word in COMMANDS[command].split()]

    def run(self, work: Callable[[], object]) -> Ended:
        """How a function ended in a child process."""
        return forked(work, self.folder, self.seconds)

    def see(self, command: str) -> Seen:
        """Run a command over the run as it is laid out, and look at what it did."""
        state = self.folder / "state.json"
        state.unlink(missing_ok=True)

        def work() -> None:
            memgate(self.arguments(command))
            state.write_text(json.dumps(self.state(command)))

        ended = self.run(work)
        return Seen(ended, json.loads(state.read_text()) if state.exists() else None)

    def state(self, command: str) -> Any:
        """What a command left: digests, and the notes of an export."""
        if command == "resume":
            return run_digests(Run(self.one))
        written = {name: self.out / name for name in TABLES if (self.out / name).is_file()}
        digests = {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in written.items()
            if path.suffix != ".json"
        }
        notes = [
            json.loads(path.read_text()).get("notes") for path in written.values() if path.suffix == ".json"
        ]
        return {"digests": digests, "notes": notes}


def make_lab(folder: Path, seconds: float, short: bool = False) -> Lab:
    """A lab with two runs of the same shape, each complete with probes and as it was stopped after half its epochs.

    Two more are of a network with gates of channels.

    Args:
        folder: of the lab; must exist.
        seconds: limit of a command, see :func:`injection.child.forked`.
        short: make neither results of probes nor the runs with gates of channels.

    Raises:
        RuntimeError: one of them could not be made.
    """
    lab = Lab(folder, seconds)
    for name, seed in (("one", 0), ("other", 1)):
        for command in ("resume", "report", "export gates"):
            lab.whole(command, name).parent.mkdir(parents=True, exist_ok=True)
        made = lab.runs / name
        _checked(lab.run(partial(_train, lab.runs, name, seed)), 130)
        shutil.copytree(made, lab.whole("resume", name))
        probes = [["probe", "routing"], ["probe", "csr", "--n", "10", "--splits", "train"]]
        for arguments in (["resume"], *[[*probe, "--device", "cpu"] for probe in probes if not short]):
            _checked(lab.run(partial(memgate, [*arguments, str(made)])), 0)
        made.rename(lab.whole("report", name))
        if not short:
            _checked(lab.run(partial(_train_channels, lab.runs, name, seed)), 0)
            made.rename(lab.whole("export gates", name))
    return lab


def _checked(ended: Ended, code: int) -> None:
    if ended.code != code:
        raise RuntimeError(f"exit code {ended.code} instead of {code}:\n{ended.out}\n{ended.err}")


def configuration(out: Path, name: str, seed: int) -> RunConfig:
    """A training of a second or two: 90 digits of 8x8 pixels, a gated ResNet-14."""
    return RunConfig(
        name=name,
        out=out,
        seed=seed,
        noise=("symmetric:0.2", "randx:0.1"),
        noise_seed=seed,
        device="cpu",
        data=DataConfig(name="digits", image_size=8, train_limit=90, test_limit=30),
        model=ModelConfig(depth=14, gate=GateConfig(hidden_b3=8)),
        train=TrainConfig(epochs=EPOCHS, batch_size=45, lr=0.05),
    )


def channel_configuration(out: Path, name: str, seed: int) -> RunConfig:
    """The same training of a network with gates of channels, with their vectors at every second epoch."""
    model, log = ModelConfig("channel-gate", depth=8), LogConfig(gates=f"every:{STOPPED}")
    return replace(configuration(out, name, seed), model=model, log=log)


def _train_channels(out: Path, name: str, seed: int) -> None:
    """Train such a run."""
    from memgate.training.loop import train

    train(channel_configuration(out, name, seed))


def _train(out: Path, name: str, seed: int) -> None:
    """Train a run and press Ctrl-C after half of its epochs."""
    from memgate.training.loop import train

    line = console.epoch_line

    def interrupting(row: Any, *rest: Any) -> str:
        if row["epoch"] == STOPPED:
            os.kill(os.getpid(), signal.SIGINT)
        return line(row, *rest)

    console.epoch_line = interrupting
    train(configuration(out, name, seed))


def run_digests(run: Run) -> dict[str, str]:
    """Digests of all that a training computed: log, gate vectors, metrics without seconds, the last checkpoint."""
    log = run.sample_log()
    digests = {}
    for split in log.splits:
        content = hashlib.sha256(log.epochs(split).tobytes())
        for column in vars(log.samples(split)).values():
            content.update(np.ascontiguousarray(column).tobytes())
        for _, record in log.records(split, log.epochs(split).tolist()):
            for values in vars(record).values():
                content.update(np.ascontiguousarray(values).tobytes())
        digests[f"log of {split}"] = content.hexdigest()
    for epoch in run.gate_vector_epochs:  # without the log's identity, which has the time of the start
        vectors, content = run.gate_vectors(epoch), hashlib.sha256()
        for split in vectors.splits:
            for gate in vectors.gates:
                content.update(vectors.packed(split, gate).tobytes())
                content.update(vectors.known(split, gate).tobytes())
        digests[f"gate vectors of epoch {epoch}"] = content.hexdigest()
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in run.metrics()]
    digests["metrics"] = hashlib.sha256(repr(rows).encode()).hexdigest()
    content = torch.load(run.checkpoint("last"), weights_only=True)
    digests["checkpoint"] = hashlib.sha256(repr(_leaves(content)).encode()).hexdigest()
    return digests


def _leaves(content: Any) -> Any:
    """A checkpoint with the bytes of its tensors in their place; what identifies the file itself is left out."""
    if isinstance(content, dict):
        return {
            name: _leaves(value) for name, value in content.items() if name not in ("seal", "crc32", "digest")
        }
    if isinstance(content, list | tuple):
        return [_leaves(value) for value in content]
    return content.numpy().tobytes() if isinstance(content, torch.Tensor) else content
