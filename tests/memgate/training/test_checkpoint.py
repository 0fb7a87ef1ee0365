"""Checkpoints: a damaged one, or one of another run, is refused by everything that loads weights."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from memgate.errors import MemgateError
from memgate.runs.inputs import inputs_of
from memgate.runs.run import Run
from memgate.training import checkpoint
from memgate.training.checkpoint import TrainState
from memgate.training.initial import new_state
from memgate.training.loop import resume

CPU = torch.device("cpu")


@pytest.fixture
def saved(make_run: Callable[..., Run]) -> tuple[Run, TrainState]:
    """A stopped run of 2 of 4 epochs with last.pt, and the state that is in it."""
    run = make_run(n=60, test_n=20, finished=2)
    state = new_state(run.config, inputs_of(run).clean.train, CPU)
    state.epoch = 2
    checkpoint.save(state, run, "last")
    return run, state


def without_seal(path: Path) -> bytes:
    """The bytes of a checkpoint as version 0.1.0 wrote it."""
    buffer = io.BytesIO()
    torch.save(torch.load(path, weights_only=True), buffer)
    return buffer.getvalue()


def as_before(run: Run) -> Run:
    """The run without the digest of its config.json, as version 0.1.0 made it."""
    path = run.path / "config.json"
    stored = json.loads(path.read_text())
    del stored["digest"]
    path.write_text(json.dumps(stored))
    return Run(run.path)


def damages(data: bytes) -> list[bytes]:
    """The file with a bit flipped at each of 60 places, with blocks zeroed, cut, and empty."""
    places = range(5, len(data), len(data) // 60)
    flipped = [data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :] for at in [*places, len(data) - 2]]
    blocks = [
        data[:at] + bytes(4096) + data[at + 4096 :] for at in range(0, len(data) - 4096, len(data) // 9)
    ]
    return [*flipped, *blocks, data[:-1], data[: len(data) // 2], data[:-300], b""]


@pytest.mark.slow
def test_every_damage_is_refused(saved: tuple[Run, TrainState]) -> None:
    run, _ = saved
    path = run.checkpoint("last")
    for content in damages(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(MemgateError, match=r"last\.pt .*(put a copy of it back|own file back)"):
            checkpoint.read_model(run, "last", CPU)


def test_a_checkpoint_of_version_0_1_0_is_read_where_its_parts_are_whole(
    saved: tuple[Run, TrainState],
) -> None:
    run, state = saved
    path = run.checkpoint("last")
    data = without_seal(path)
    path.write_bytes(data)
    with pytest.raises(MemgateError, match="does not say which run it is of"):
        checkpoint.read_model(run, "last", CPU)
    run = as_before(run)
    weights, epoch = checkpoint.read_model(run, "last", CPU)
    assert epoch == 2
    assert all(torch.equal(weights[name], value) for name, value in state.model.state_dict().items())
    with zipfile.ZipFile(path) as archive:
        part = max(archive.infolist(), key=lambda entry: entry.file_size)
    for at in range(part.header_offset + 200, part.header_offset + part.file_size, part.file_size // 9):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(MemgateError, match=r"last\.pt is damaged \(the checksum of its part "):
            checkpoint.read_model(run, "last", CPU)


def test_a_checkpoint_belongs_to_its_run_and_epoch(
    saved: tuple[Run, TrainState], make_run: Callable[..., Run]
) -> None:
    run, state = saved
    other = make_run(n=60, test_n=20, finished=2)  # the same configuration under another name
    checkpoint.save(state, other, "last")
    own = run.checkpoint("last").read_bytes()
    run.checkpoint("last").write_bytes(other.checkpoint("last").read_bytes())
    with pytest.raises(MemgateError, match=f"last.pt is of another run than {run.name}"):
        checkpoint.read_model(run, "last", CPU)
    (run.path / "checkpoints" / "epoch_002.pt").write_bytes(own)  # a copy of the run's own is none
    assert checkpoint.read_model(run, 2, CPU)[1] == 2


def test_a_place_may_be_changed_by_hand_and_a_number_may_not(saved: tuple[Run, TrainState]) -> None:
    run, _ = saved
    path = run.path / "config.json"
    stored = json.loads(path.read_text())
    stored["config"] |= {"out": "moved", "device": "auto"}
    stored["config"]["data"]["root"] = "elsewhere"
    path.write_text(json.dumps(stored))
    assert checkpoint.read_model(Run(run.path), "last", CPU)[1] == 2
    stored["config"]["train"]["lr"] = 0.2
    path.write_text(json.dumps(stored))
    with pytest.raises(MemgateError, match=r"config\.json is damaged, or was changed after memgate wrote it"):
        checkpoint.read_model(Run(run.path), "last", CPU)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["bit", "other manifest"])
def test_every_command_refuses_it_in_a_sentence(
    saved: tuple[Run, TrainState],
    make_run: Callable[..., Run],
    one_sentence: Callable[..., str],
    damage: str,
) -> None:
    run, _ = saved
    path = run.checkpoint("last")
    if damage == "bit":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        other = make_run(n=60, test_n=20, noise=("pair:0.2",))
        (run.path / "manifest.npz").write_bytes((other.path / "manifest.npz").read_bytes())
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    commands = [
        ["resume"], ["evaluate"], ["probe", "csr"], ["probe", "routing"], ["probe", "difficulty"],
        ["probe", "ood", "--ood", f"own={run.config.data.root}"],
    ]  # fmt: skip
    for first, *rest in commands:
        arguments = [first, *rest[:1], run.path, *rest[1:]]
        assert "last.pt is" in one_sentence(*arguments) or damage != "bit"
    written = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    del before[run.path / "status.json"], written[run.path / "status.json"]
    assert written == before


def test_a_run_without_its_last_checkpoint_is_not_trained_from_the_start(
    saved: tuple[Run, TrainState], one_sentence: Callable[..., str]
) -> None:
    run, _ = saved
    run.checkpoint("last").unlink()
    before = run.sample_log().values("train", "loss")[1]
    assert "last.pt is missing, though 2 epochs are finished" in one_sentence("resume", run.path)
    assert (run.sample_log().values("train", "loss")[1] == before).all()
    assert run.status().epoch == 2


@pytest.mark.slow
@pytest.mark.parametrize("threads", [0, 10**22, "many", None])
def test_a_damaged_number_of_threads_is_said(
    saved: tuple[Run, TrainState], one_sentence: Callable[..., str], threads: object
) -> None:
    run, _ = saved
    path = run.path / "config.json"
    stored = json.loads(path.read_text())
    del stored["digest"]
    stored["environment"]["threads"] = threads
    path.write_text(json.dumps(stored))
    (run.path / "status.json").unlink()  # it names the digest
    assert "has the number of threads" in one_sentence("resume", run.path)


@pytest.mark.slow
@pytest.mark.parametrize("probe", ["csr", "difficulty", "routing"])
def test_a_probe_whose_results_cannot_be_stored_computes_nothing(
    saved: tuple[Run, TrainState],
    one_sentence: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    probe: str,
) -> None:
    run, _ = saved

    def read_only(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    monkeypatch.setattr("probes.network.checkpoints.inputs_of", lambda _: pytest.fail("too late"))
    assert "probes cannot be written (Read-only file system)" in one_sentence("probe", probe, run.path)


def test_optimisers_and_counters_come_back(saved: tuple[Run, TrainState]) -> None:
    run, state = saved
    again = new_state(run.config, inputs_of(run).clean.train, CPU)
    checkpoint.restore(again, run, "last", CPU)
    assert again.epoch == 2
    for one, two in zip(state.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.slow
def test_a_resumed_run_reads_its_own_checkpoint(saved: tuple[Run, TrainState]) -> None:
    run, _ = saved
    resume(run)
    assert run.status().state == "complete"
    assert checkpoint.read_model(run, "last", CPU)[1] == 4
