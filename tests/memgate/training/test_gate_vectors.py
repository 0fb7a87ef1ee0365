"""Gate vectors of trainings: those of the network, at the chosen epochs, the same after a resume."""

import io
import re
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memgate.config.run import DataConfig, LogConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.log.gate_vector_files import VectorLayout, write_gate_vectors
from memgate.log.gate_vectors import GateVectors
from memgate.models import Forward
from memgate.models.forward import Gate
from memgate.runs import health
from memgate.runs.epoch_files import no_vectors
from memgate.runs.inputs import inputs_of
from memgate.runs.run import Run, open_run
from memgate.training import checkpoint
from memgate.training.evaluate import load_network
from memgate.training.gate_vectors import VectorBuffer, pack_bits
from memgate.training.loader import DeviceImages
from memgate.training.loop import resume, train
from probes.report.report import report
from probes.samples.notes import damaged_vectors

CPU = torch.device("cpu")


def small(out: Path, name: str, log: LogConfig, epochs: int = 3) -> RunConfig:
    return RunConfig(
        name,
        out,
        noise=("symmetric:0.2",),
        device="cpu",
        data=DataConfig(name="digits", image_size=8, train_limit=60, test_limit=20),
        model=ModelConfig("channel-gate", depth=8),
        train=TrainConfig(epochs=epochs, batch_size=32, checkpoint_every=1),
        log=log,
    )


@pytest.fixture(scope="module")
def printed() -> io.StringIO:
    """What the training of ``kept`` prints."""
    return io.StringIO()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, printed: io.StringIO) -> Run:
    """A run of 3 epochs with the vectors of epochs 2 and 3."""
    with redirect_stdout(printed):
        return train(small(tmp_path_factory.mktemp("kept"), "kept", LogConfig(gates="every:2")))


def copy_of(run: Run, folder: Path, finished: int) -> Run:
    """A copy of a run as its process was killed before the checkpoint of the epoch after ``finished``."""
    shutil.copytree(run.path, folder / run.name)
    copy = open_run(folder / run.name)
    shutil.copy(copy.checkpoint(finished), copy.path / "checkpoints" / "last.pt")
    copy.set_status("stopped", finished)
    return copy


@pytest.mark.slow
def test_the_vectors_are_those_of_the_checkpoint(kept: Run) -> None:
    assert kept.gate_vector_epochs == (2, 3)
    inputs = inputs_of(kept)
    for epoch in kept.gate_vector_epochs:
        network = load_network(kept, epoch, CPU)[0].eval()
        vectors = kept.gate_vectors(epoch)
        assert vectors.gates == kept.config.model.gate_channels
        for split in ("train", "test"):
            images = DeviceImages(inputs, split, CPU)
            (batch,) = images.evaluation_batches(100)
            with torch.no_grad():
                gates = network(batch.images).gates
            for row, gate in enumerate(gates):
                np.testing.assert_array_equal(vectors.patterns(split, gate.name), gate.channels.numpy() > 0)
                shares = kept.log(split)["gate"][epoch - 1, row]
                np.testing.assert_allclose(vectors.patterns(split, gate.name).mean(1), shares, atol=1e-6)
                assert vectors.known(split, gate.name).all()


def test_the_size_is_printed_before_the_first_epoch(kept: Run, printed: io.StringIO) -> None:
    first = printed.getvalue().splitlines()[0]
    size = re.search(
        r"^Training \S+ on cpu \(log [\d.]+ kB, gate vectors of 2 epochs up to ([\d.]+) kB\);", first
    )
    assert size, first
    actual = sum((kept.path / f"gates_epoch_00{epoch}.h5").stat().st_size for epoch in (2, 3)) / 1000
    datasets = 2 * (len(kept.outline.gates) + 1)
    overhead = 2 * (4096 + 2 * 4096 + 512 * datasets) / 1000
    assert actual <= float(size[1]) + 0.05 <= actual + overhead


@pytest.mark.slow
def test_online_the_training_pass_s_own_vectors_are_kept(tmp_path: Path) -> None:
    run = train(small(tmp_path, "online", LogConfig(mode="online"), epochs=1))
    vectors = run.gate_vectors()
    assert (vectors.epoch, run.config.log.gates) == (1, "last")
    network = load_network(run, "last", CPU)[0].eval()
    (batch,) = DeviceImages(inputs_of(run), "train", CPU).evaluation_batches(100)
    with torch.no_grad():
        evaluated = [gate.channels.numpy() > 0 for gate in network(batch.images).gates]
    differ = 0
    for row, (gate, patterns) in enumerate(zip(vectors.gates, evaluated, strict=True)):
        mine = vectors.patterns("train", gate)
        np.testing.assert_allclose(mine.mean(1), run.log("train")["gate"][0, row], atol=1e-6)
        differ += int((mine != patterns).sum())
    assert differ > 0


def test_a_resumed_run_drops_and_writes_again_what_the_checkpoint_has_not(
    kept: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (kept.path / "gates_epoch_003.h5").read_bytes()
    run = copy_of(kept, tmp_path, 2)
    save, at_checkpoint = checkpoint.save, []

    def saving(*arguments: Any) -> None:
        at_checkpoint.append(run.gate_vector_epochs)
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save", saving)
    resume(run)
    assert (run.path / "gates_epoch_003.h5").read_bytes() == before
    assert set(at_checkpoint) == {(2, 3)}  # whole before the checkpoint of its epoch


def test_a_full_disk_loses_the_vectors_and_the_training_continues(
    kept: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    run = copy_of(kept, tmp_path, 2)
    monkeypatch.setattr("memgate.training.gate_vectors.write_gate_vectors", full)
    resume(run)
    assert run.gate_vector_epochs == (2,)  # that of epoch 3 was of the epoch that was trained again
    assert "the gate vectors of epoch 3 could not be written" in capsys.readouterr().err
    with pytest.raises(MemgateError, match="has gate vectors of epoch 2, not of 3: take a kept epoch"):
        run.gate_vectors(3)


def test_a_disk_too_small_for_the_vectors_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(MemgateError, match=r"gate vectors of 3 epochs need [\d.]+ kB and 1.0 kB are free"):
        train(small(tmp_path, "full", LogConfig(gates="every:1")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_health_and_report_name_damaged_and_foreign_files(kept: Run, tmp_path: Path) -> None:
    assert [state.problem for state in health.vector_files(kept)] == ["", ""]
    assert health.sizes(kept.path)["gate vectors"] == sum(
        path.stat().st_size for path in kept.path.glob("gates_epoch_*.h5")
    )
    run = copy_of(kept, tmp_path, 3)
    path = run.path / "gates_epoch_002.h5"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    ids = {split: run.sample_log().samples(split).sample_id for split in ("train", "test")}
    foreign = {split: VectorBuffer({"b1u01": 3}, len(ids[split]), CPU).vectors() for split in ids}
    write_gate_vectors(run.path, VectorLayout({"b1u01": 3}, ids, (1,)), 1, "0" * 64, foreign)
    states = {state.name: state for state in health.files(run)}
    assert "is damaged" in states["gates_epoch_002.h5"].problem
    assert "of another run" in states["gates_epoch_001.h5"].problem
    assert states["gates_epoch_003.h5"].problem == ""
    named = [note for note in report(run, resamples=0).notes if "gates_epoch_" in note]
    assert len(named) == 2
    assert damaged_vectors(kept) == ()


def test_a_batch_with_nan_is_not_known() -> None:
    gates, draw = {"b1u01": 1, "b1u02": 9, "b2u01": 16}, np.random.default_rng(0)
    buffer = VectorBuffer(gates, 11, CPU)
    order = torch.tensor(draw.permutation(11))
    values = {
        name: torch.tensor(draw.random((11, count)) - 0.5).clamp_min(0) for name, count in gates.items()
    }
    values["b1u02"][3, 8] = torch.nan
    for index in order.split(4):
        forward = Forward(
            torch.zeros(len(index), 2),
            tuple(
                Gate(name, channels[index].mean(1), channels=channels[index])
                for name, channels in values.items()
            ),
        )
        buffer.update(index, forward)
    vectors = buffer.vectors()
    assert np.argwhere(~vectors.known).tolist() == [[1, 3]]
    for name, count in gates.items():
        expected = values[name].numpy() > 0
        if name == "b1u02":
            expected[3] = False
        np.testing.assert_array_equal(np.unpackbits(vectors.patterns[name], axis=1, count=count), expected)


@pytest.mark.parametrize("channels", [1, 7, 8, 9, 640])
def test_bits_are_packed_as_numpy_does(channels: int) -> None:
    bits = np.random.default_rng(channels).random((5, channels)) < 0.5
    np.testing.assert_array_equal(pack_bits(torch.tensor(bits)).numpy(), np.packbits(bits, axis=1))


def test_the_reader_s_file_alone_can_be_opened_elsewhere(kept: Run, tmp_path: Path) -> None:
    shutil.copy(kept.path / "gates_epoch_003.h5", tmp_path)
    alone, whole = GateVectors.open(tmp_path), kept.gate_vectors(3)
    np.testing.assert_array_equal(alone.patterns("test"), whole.patterns("test"))


@pytest.mark.parametrize(
    ("model", "log", "finished", "sentence"),
    [
        (ModelConfig("resnet"), LogConfig(), 3, "has no gate vectors: resnet has no gates. Take a run of"),
        (ModelConfig(), LogConfig(), 3, "has no gate vectors: the gates of entropy-gate do not open or close"),
        (ModelConfig("channel-gate"), LogConfig(gates="none"), 3, r"trained with --log.gates none: train it again by"),
        (ModelConfig("channel-gate"), LogConfig(gates="every:2"), 1, r"yet: .* kept of the epochs 2 and 3\.$"),
        (ModelConfig("channel-gate"), LogConfig(gates="every:2"), 2, "of epoch 2, are gone: put copies"),
    ],
)  # fmt: skip
def test_why_a_run_has_none(
    model: ModelConfig, log: LogConfig, finished: int, sentence: str, tmp_path: Path
) -> None:
    config = replace(small(tmp_path, "none", LogConfig()), model=model, log=log).resolved()
    assert re.search(sentence, no_vectors(tmp_path / "none", config, finished))
