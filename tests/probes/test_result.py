"""Results of probes on disk: stored, added, replaced, and refused when damaged."""

import multiprocessing
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from memgate.errors import MemgateError
from probes.result import ProbeResult, load_results, probe_path, save_results


def result(split="train", epoch=3, variant="lass", n=5, seed=0, **changes):
    rng = np.random.default_rng(seed)
    values = {
        "critical": rng.random((2, n)) < 0.5,
        "rho": np.where(rng.random(n) < 0.3, np.inf, rng.random(n)).astype("f4"),
        "prediction": rng.integers(0, 9, n).astype("u2"),
    }
    fields = {
        "probe": "csr", "split": split, "epoch": epoch, "variant": variant, "checkpoint": f"epoch_{epoch:03d}",
        "sample_id": np.sort(rng.choice(10, n, replace=False)), "values": values,
        "config": {"radii": [0.3, 1.0], "seed": seed, "alpha": None}, "versions": {"torch": "2.15"},
    }  # fmt: skip
    return ProbeResult(**{**fields, **changes})


def assert_same(one, two):
    for name in ("probe", "key", "checkpoint", "config", "versions"):
        assert getattr(one, name) == getattr(two, name)
    np.testing.assert_array_equal(one.sample_id, two.sample_id)
    assert one.sample_id.dtype == two.sample_id.dtype
    assert list(one.values) == list(two.values)
    for name, array in one.values.items():
        np.testing.assert_array_equal(array, two.values[name])
        assert array.dtype == two.values[name].dtype


def saved(run, results):
    """Path of the file with these results of a probe."""
    bound = save_results(run, "csr", results)
    assert {entry.log for entry in bound} == {run.sample_log().identity}
    return probe_path(run, "csr")


def test_a_new_run_has_no_results(make_run):
    assert load_results(make_run(epochs=1, n=20, test_n=10), "csr") == ()


def test_results_are_added_replaced_and_kept(make_run):
    run = make_run(epochs=1, n=20, test_n=10)
    first, second = result(), result(split="test", n=7, seed=1)
    path = saved(run, [first])
    assert path == probe_path(run, "csr") == run.path / "probes" / "csr.h5"
    assert_same(load_results(run, "csr")[0], first)
    save_results(run, "csr", [second, result(epoch=2)])
    again = result(seed=4, n=9)  # the same key as the first, other content
    save_results(run, "csr", [again])
    by_key = {stored.key: stored for stored in load_results(run, "csr")}
    assert set(by_key) == {("train", 3, "lass"), ("test", 3, "lass"), ("train", 2, "lass")}
    assert_same(by_key["train", 3, "lass"], again)
    assert_same(by_key["test", 3, "lass"], second)
    assert [stored.epoch for stored in load_results(run, "csr")] == [2, 3, 3]
    assert [entry.name for entry in path.parent.iterdir()] == ["csr.h5"]
    with h5py.File(path) as handle:
        stored = handle["test/epoch_003/lass/values/critical"]
        assert isinstance(stored, h5py.Dataset)
        assert stored.shape == (2, 7)


def test_values_of_another_length_than_the_samples_are_refused():
    with pytest.raises(ValueError, match="does not end in"):
        result(values={"rho": np.zeros(4)})


def test_an_error_while_writing_leaves_the_old_file(make_run):
    run = make_run(epochs=1, n=20, test_n=10)
    path = saved(run, [result()])
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_results(run, "csr", [result(epoch=9, config={"path": object()})])  # no JSON
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["csr.h5"]


def damage(path, kind):
    content = bytearray(path.read_bytes())
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "text":
        path.write_text("nothing")
    elif kind == "foreign":
        with h5py.File(path, "w") as handle:
            handle["x"] = 1
    elif kind == "entry":
        with h5py.File(path, "a") as handle:
            del handle["train/epoch_003/lass/sample_id"]
    elif kind == "not-a-group":
        with h5py.File(path, "a") as handle:
            handle["val"] = 1
    else:
        with h5py.File(path) as handle:
            offset = handle["train/epoch_003/lass/values/rho"].id.get_chunk_info(0).byte_offset
        content[offset] ^= 1
        path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut", "text", "foreign", "entry", "not-a-group", "flipped-bit"])
def test_a_damaged_file_gives_one_sentence_and_is_left_unchanged(make_run, kind):
    run = make_run(epochs=1, n=20, test_n=10)
    path = saved(run, [result()])
    damage(path, kind)
    before = path.read_bytes()
    for action in (lambda: load_results(run, "csr"), lambda: save_results(run, "csr", [result(epoch=4)])):
        with pytest.raises(MemgateError) as caught:
            action()
        assert str(path) in str(caught.value)
        assert str(caught.value).endswith("remove it, and probe again.")
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_results_of_another_run_are_refused(make_run):
    run, other = (make_run(epochs=1, n=20, test_n=10, seed=seed) for seed in (0, 1))
    path = saved(other, [result()])
    target = probe_path(run, "csr")
    target.parent.mkdir()
    shutil.copy(path, target)
    with pytest.raises(
        MemgateError, match="holds results of another run than run .train, epoch 3, lass.: remove it"
    ):
        load_results(run, "csr")
    before = target.read_bytes()
    with pytest.raises(MemgateError, match="holds results of another run"):
        save_results(run, "csr", [result(epoch=4)])
    assert target.read_bytes() == before


def as_written_by_0_1_0(path):
    """The same file without seal, and without the identity of the run."""
    plain = path.with_suffix(".plain")
    with h5py.File(path, "r") as source, h5py.File(plain, "w") as target:
        target.attrs["schema"] = "memgate-probe/1"
        for name in source:
            source.copy(name, target)
        target.visititems(lambda _, member: member.attrs.pop("log", None))
    plain.replace(path)


@pytest.mark.slow
def test_a_result_of_a_former_version_stays_unbound_when_others_are_added(make_run):
    run = make_run(epochs=1, n=20, test_n=10)
    as_written_by_0_1_0(saved(run, [result()]))
    assert [one.log for one in load_results(run, "csr")] == [""]
    save_results(run, "csr", [result(epoch=4)])
    assert [one.log for one in load_results(run, "csr")] == ["", run.sample_log().identity]
    unknown = replace(load_results(run, "csr")[0], sample_id=np.array([1, 2, 3, 4, 5000]))
    as_written_by_0_1_0(saved(run, [unknown]))
    with pytest.raises(MemgateError, match="holds results of another run"):  # the run has no such sample
        load_results(run, "csr")


def test_no_flipped_byte_changes_a_result(make_run):
    run = make_run(epochs=1, n=20, test_n=10)
    path = saved(run, [result()])
    content = path.read_bytes()
    for offset in [*range(0, 200, 17), *range(512, len(content), 331)]:  # between them: padding
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 4]) + content[offset + 1 :])
        with pytest.raises(MemgateError, match="csr.h5 is damaged .*: remove it, and probe again.$"):
            load_results(run, "csr")


def _save(run, epoch):
    save_results(run, "csr", [result(epoch=epoch)])


@pytest.mark.slow
def test_concurrent_probes_lose_nothing(make_run):
    run = make_run(epochs=1, n=20, test_n=10)
    context = multiprocessing.get_context("forkserver")
    workers = [context.Process(target=_save, args=(run, epoch)) for epoch in range(1, 7)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert [stored.epoch for stored in load_results(run, "csr")] == [1, 2, 3, 4, 5, 6]


def test_a_folder_that_cannot_be_written(make_run):
    run = make_run(epochs=1, n=20, test_n=10)
    (run.path / "probes").write_text("a file instead of a folder")
    with pytest.raises(MemgateError, match=r"csr.h5 cannot be written"):
        save_results(run, "csr", [result()])
