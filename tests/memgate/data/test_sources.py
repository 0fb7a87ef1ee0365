"""Readers of all data sets: caches, official files, own files and folders; and their errors."""

import errno
import hashlib
import os
import pickle
import re
import shutil
import subprocess
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from memgate.config.run import DataConfig
from memgate.data.image_set import channel_statistics, load_splits, prepare
from memgate.data.sources import official as sources
from memgate.errors import MemgateError
from noise.files.atomic import atomic_write

SHARED = Path(__file__).resolve().parents[4] / "shared"


def arrays(side=32, train=20, test=10, classes=10) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    made: dict[str, np.ndarray] = {}
    for split, count in (("train", train), ("test", test)):
        made[f"{split}_images"] = rng.integers(0, 256, (count, side, side, 3), np.uint8)
        made[f"{split}_labels"] = np.arange(count) % classes
    return made


def save(path: Path, content: dict[str, np.ndarray]) -> Path:
    np.savez(path, **content)  # pyright: ignore[reportArgumentType]
    return path


@pytest.fixture(scope="session")
def cifar10_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: this test reads the data that lies beside the project")
    folder = tmp_path_factory.mktemp("cifar10")
    command = [sys.executable, str(SHARED / "data" / "unpack.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """torchvision without a network; returns the list of requested addresses."""
    asked: list[str] = []

    def unreachable(url: str, *args: object, **options: object) -> None:
        asked.append(url)
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", unreachable)
    monkeypatch.setattr("torchvision.datasets.svhn.download_url", unreachable)
    return asked


# The official data sets


@pytest.mark.slow
@pytest.mark.shared
def test_real_cifar10_comes_from_its_cache(cifar10_root, no_network):
    splits = load_splits(DataConfig(root=cifar10_root))
    assert splits.source == cifar10_root / "cifar10.npz"
    assert (splits.train.images.shape, splits.test.images.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    assert splits.train.class_names[6] == "frog"
    assert splits.train.labels[:5].tolist() == [6, 9, 9, 4, 1]
    assert splits.train.sample_id[-1] == 49_999
    mean, std = channel_statistics(splits.train.images)
    np.testing.assert_allclose(mean, (0.4914, 0.4822, 0.4465), atol=1e-4)
    np.testing.assert_allclose(std, (0.2470, 0.2435, 0.2616), atol=1e-4)
    assert no_network == []


@pytest.mark.slow
@pytest.mark.shared
def test_real_cifar10_limits_are_balanced_and_nested(cifar10_root):
    small, large = (
        load_splits(DataConfig(root=cifar10_root, train_limit=limit)).train for limit in (4000, 8000)
    )
    assert np.bincount(small.labels).tolist() == [400] * 10
    assert set(small.sample_id) <= set(large.sample_id)


def write_cifar100(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Files in CIFAR-100's own format: its real names of classes, and few made-up images."""
    from torchvision.datasets import CIFAR100

    content = arrays(train=200, test=100, classes=100)
    (folder / "cifar-100-python").mkdir()
    shutil.copy(SHARED / "data" / "cifar100" / "meta", folder / "cifar-100-python")
    for split in ("train", "test"):
        labels = content[f"{split}_labels"]
        entry = {
            "filenames": [f"{number}.png" for number in range(len(labels))],
            "fine_labels": labels.tolist(),
            "coarse_labels": (labels // 5).tolist(),
            "data": content[f"{split}_images"].transpose(0, 3, 1, 2).reshape(len(labels), -1),
        }
        packed = pickle.dumps(entry, protocol=2)
        (folder / "cifar-100-python" / split).write_bytes(packed)
        monkeypatch.setattr(CIFAR100, f"{split}_list", [[split, hashlib.md5(packed).hexdigest()]])
    return content


@pytest.mark.shared
@pytest.mark.usefixtures("shared")
def test_cifar100_is_read_by_torchvision_once(tmp_path, no_network, monkeypatch):
    from torchvision.datasets import CIFAR100

    content = write_cifar100(tmp_path, monkeypatch)
    config = DataConfig(name="cifar100", root=tmp_path)
    first = load_splits(config)
    assert no_network == []
    official = CIFAR100(tmp_path, train=True)
    assert first.source == tmp_path / "cifar100.npz"
    assert (first.train.images == official.data).all()
    assert first.train.labels.tolist() == official.targets
    assert list(first.train.class_names) == official.classes
    assert (first.test.images == content["test_images"]).all()
    for name in ("train", "test", "meta"):
        (tmp_path / "cifar-100-python" / name).unlink()
    second = load_splits(config)
    assert (second.train.digest, second.test.digest) == (first.train.digest, first.test.digest)
    assert prepare(config) == tmp_path / "cifar100.npz"


def write_svhn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Small files in SVHN's own format: X [32,32,3,N], y [N,1] where the digit 0 is labelled 10."""
    import scipy.io
    from torchvision.datasets import SVHN

    content, listed = arrays(), dict(SVHN.split_list)
    for split in ("train", "test"):
        path = folder / f"{split}_32x32.mat"
        labels = content[f"{split}_labels"]
        y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        scipy.io.savemat(path, {"X": content[f"{split}_images"].transpose(1, 2, 3, 0), "y": y})
        listed[split] = [*listed[split][:2], hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", listed)
    return content


def test_svhn_is_transposed_labelled_from_0_and_cached(tmp_path, monkeypatch, no_network):
    content = write_svhn(tmp_path, monkeypatch)
    config = DataConfig(name="svhn", root=tmp_path)
    first = load_splits(config)
    (tmp_path / "train_32x32.mat").unlink()
    second = load_splits(config)
    for splits in (first, second):
        assert (splits.train.images == content["train_images"]).all()
        assert splits.test.labels.tolist() == content["test_labels"].tolist()
        assert splits.source == tmp_path / "svhn.npz"
    assert no_network == []


def test_official_files_on_a_read_only_disk_are_read_without_a_cache(tmp_path, monkeypatch):
    write_svhn(tmp_path, monkeypatch)

    def refused(path, write):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(sources, "atomic_write", refused)
    assert load_splits(DataConfig(name="svhn", root=tmp_path)).source == tmp_path


def test_full_disk_is_reported_in_one_sentence(tmp_path, monkeypatch):
    write_svhn(tmp_path, monkeypatch)

    def full(stream, **content):
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(MemgateError, match=r"svhn.npz cannot be written \(No space left on device\): free"):
        load_splits(DataConfig(name="svhn", root=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test_32x32.mat", "train_32x32.mat"]


@pytest.mark.parametrize(
    ("name", "files"),
    [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python"), ("svhn", "train_32x32.mat")],
)
def test_no_network_is_reported_in_one_sentence(name, files, tmp_path, no_network):
    with pytest.raises(MemgateError) as caught:
        load_splits(DataConfig(name=name, root=tmp_path))
    message = str(caught.value)
    assert f"{name} is not in {tmp_path} and cannot be downloaded (Name or service not known)" in message
    assert files in message
    assert "--data.root" in message
    assert "\n" not in message
    assert len(no_network) == 1


def test_corrupted_download_is_reported_in_one_sentence(tmp_path, monkeypatch):
    def corrupted(*args, **options):
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", corrupted)
    with pytest.raises(MemgateError, match=r"cannot be downloaded \(File not found or corrupted.\)"):
        prepare(DataConfig(root=tmp_path))


# Wrong files


def without(key):
    return lambda content: content.pop(key)


def replaced(key, change):
    return lambda content: content.update({key: change(content[key])})


WRONG = {
    "missing": (without("train_labels"), "it lacks train_labels"),
    "floats": (replaced("test_images", lambda x: x / 255), "test_images is float64, not uint8"),
    "flat": (replaced("train_images", lambda x: x.reshape(20, -1)), r"train_images .* shape \[20, 3072\]"),
    "oblong": (replaced("train_images", lambda x: x[:, :9]), r"train_images has the shape \[20, 9, 32, 3\]"),
    "tiny": (replaced("train_images", lambda x: x[:, :7, :7]), r"train_images has the shape \[20, 7, 7, 3\]"),
    "sides differ": (replaced("test_images", lambda x: x[:, :16, :16]), r"\[10, 16, 16, 3\], not \[N,32"),
    "empty": (replaced("test_images", lambda x: x[:0]), "test_images holds no image"),
    "real labels": (replaced("train_labels", lambda x: x + 0.5), "train_labels is float64, not integers"),
    "few labels": (replaced("train_labels", lambda x: x[:3]), r"train_labels has the shape \[3\] beside 20"),
    "negative": (replaced("test_labels", lambda x: x - 1), "test_labels has the label -1, outside 0 to"),
}  # fmt: skip


@pytest.mark.parametrize("name", ["cifar10", "npz"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays_are_named_in_one_sentence(name, case, tmp_path, no_network):
    change, message = WRONG[case]
    content = arrays()
    change(content)
    path = save(tmp_path / "cifar10.npz", content)
    root, remedy = (tmp_path, "delete it") if name == "cifar10" else (path, "must be an .npz file")
    with pytest.raises(MemgateError, match=f"{re.escape(str(path))} cannot be used: .*{message}.*{remedy}"):
        load_splits(DataConfig(name=name, root=root))
    assert no_network == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (arrays(side=16), r"train_images has the shape \[20, 16, 16, 3\], not \[N,32,32,3\]"),
        (arrays(classes=11), "train_labels has the label 10, outside 0 to 9"),
        (arrays(test=10_001), "it has 10001 test images, but the official file has 10000"),
        (arrays(classes=1), "all labels are 0"),
    ],
)
def test_cache_of_other_data_is_refused(content, message, tmp_path):
    save(tmp_path / "cifar10.npz", content)
    with pytest.raises(MemgateError, match=message):
        load_splits(DataConfig(root=tmp_path))


def test_cache_may_hold_the_first_images_only(tmp_path):
    save(tmp_path / "cifar100.npz", arrays())
    splits = load_splits(DataConfig(name="cifar100", root=tmp_path))
    assert splits.train.sample_id.tolist() == list(range(20))
    assert splits.train.class_count == 100
    assert splits.train.class_names[99] == "worm"


@pytest.mark.parametrize("damage", ["text", "cut", "flipped", "pickle", "npy"])
def test_unreadable_file_is_reported_in_one_sentence(damage, tmp_path):
    path = save(tmp_path / "cifar10.npz", arrays())
    whole = path.read_bytes()
    middle = len(whole) // 2
    content = {
        "text": b"no zip at all",
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
    }
    if damage in content:
        path.write_bytes(content[damage])
    elif damage == "pickle":
        save(path, {**arrays(), "train_labels": np.array([{"code": 1}], object)})
    else:
        with path.open("wb") as stream:
            np.save(stream, np.zeros(3))
    with pytest.raises(
        MemgateError, match=r"cifar10.npz is damaged, truncated or not an .npz file \(.*\): delete it"
    ):
        load_splits(DataConfig(root=tmp_path))


# The user's own files


def test_npz_of_any_size_and_classes(tmp_path):
    content = arrays(side=17, train=9, test=6, classes=3)
    path = save(tmp_path / "mine.npz", {**content, "train_labels": content["train_labels"].astype(np.uint8)})
    splits = load_splits(DataConfig(name="npz", root=path))
    assert (splits.train.images == content["train_images"]).all()
    assert splits.train.labels.tolist() == content["train_labels"].tolist()
    assert (splits.test.sample_id == np.arange(6)).all()
    assert splits.test.class_names == ("0", "1", "2")
    assert splits.source == path


def test_npz_class_count_is_that_of_both_splits(tmp_path):
    content = arrays()
    content["test_labels"] = np.full(10, 10)
    splits = load_splits(DataConfig(name="npz", root=save(tmp_path / "a.npz", content)))
    assert splits.train.class_count == splits.test.class_count == 11


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda labels: labels + 1,
            "run from 1 to 10, and no image has the label 0: number the classes from 0",
        ),
        (
            lambda labels: np.where(labels == 9, 255, labels),
            "no image has the label 9 to 254: .* all 256 classes",
        ),
        (lambda labels: labels * 2, "no image has the label 1, 3, 5 and 6 more ranges"),
        (lambda labels: labels * 0 + 3, "all labels are 3: at least two classes are needed"),
    ],
)
def test_a_class_of_an_npz_without_an_image_is_named_and_refused(change, message, tmp_path):
    content = arrays()
    content |= {f"{split}_labels": change(content[f"{split}_labels"]) for split in ("train", "test")}
    config = DataConfig(name="npz", root=save(tmp_path / "a.npz", content))
    with pytest.raises(MemgateError, match=rf"a\.npz cannot be used: .*{message}"):
        load_splits(config)
    if "two classes" not in message:
        names = np.arange(content["train_labels"].max() + 1)
        save(config.root, {**content, "class_names": names})
        assert load_splits(config).train.class_names == tuple(map(str, names))


def test_npz_class_names_are_kept_and_must_cover_all_labels(tmp_path):
    content = arrays(classes=3)
    named = save(tmp_path / "a.npz", {**content, "class_names": np.array(["cat", "dog", "eel"])})
    assert load_splits(DataConfig(name="npz", root=named)).test.class_names == ("cat", "dog", "eel")
    named = save(tmp_path / "b.npz", {**content, "class_names": np.array(["cat", "dog"])})
    with pytest.raises(MemgateError, match="train_labels has the label 2, outside 0 to 1"):
        load_splits(DataConfig(name="npz", root=named))
    named = save(tmp_path / "c.npz", {**content, "class_names": np.array("cat")})
    with pytest.raises(MemgateError, match="class_names is array.* and must be a list of names"):
        load_splits(DataConfig(name="npz", root=named))
    named = save(tmp_path / "d.npz", {**content, "class_names": np.array([b"cat", b"dog", b"eel"])})
    assert load_splits(DataConfig(name="npz", root=named)).test.class_names == ("cat", "dog", "eel")
    named = save(tmp_path / "e.npz", {**content, "class_names": np.array(["cat", "dog", "cat"])})
    with pytest.raises(MemgateError, match="class_names hold 'cat' twice"):
        load_splits(DataConfig(name="npz", root=named))
    named = save(tmp_path / "f.npz", {**content, "class_names": np.arange(70_000)})
    with pytest.raises(MemgateError, match="class_names has 70000 names, and there may be at most 65535"):
        load_splits(DataConfig(name="npz", root=named))


@pytest.mark.parametrize("axis", [(), (None,)])
def test_grey_npz_gets_three_channels(axis, tmp_path):
    content = arrays(side=12)
    grey = content["train_images"][..., 0]
    content |= {
        f"{split}_images": content[f"{split}_images"][..., 0][..., *axis] for split in ("train", "test")
    }
    splits = load_splits(DataConfig(name="npz", root=save(tmp_path / "grey.npz", content)))
    assert (splits.train.images == grey[..., None]).all()


def test_missing_npz_is_reported_in_one_sentence(tmp_path):
    with pytest.raises(
        MemgateError, match=r"There is no data file .*none.npz, since it does not exist: --data.root must be"
    ):
        load_splits(DataConfig(name="npz", root=tmp_path / "none.npz"))


def write_folder(root: Path, side: int = 10) -> dict[str, np.ndarray]:
    """Write three images per class; returns path below ``root`` to image."""
    rng = np.random.default_rng(5)
    made = {}
    for split in ("train", "test"):
        for name in ("zebra", "ant"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for file in ("b.png", "a.PNG", "c.png"):
                made[f"{split}/{name}/{file}"] = rng.integers(0, 256, (side, side, 3), np.uint8)
                Image.fromarray(made[f"{split}/{name}/{file}"]).save(folder / file)
    (root / "train" / "ant" / "notes.txt").write_text("no picture")
    (root / "train" / ".cache").mkdir()
    return made


def test_folder_is_read_in_sorted_order(tmp_path):
    made = write_folder(tmp_path)
    splits = load_splits(DataConfig(name="folder", root=tmp_path, image_size=10))
    order = [f"train/{name}/{file}" for name in ("ant", "zebra") for file in ("a.PNG", "b.png", "c.png")]
    assert (splits.train.images == np.stack([made[path] for path in order])).all()
    assert splits.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert splits.train.sample_id.tolist() == list(range(6))
    assert splits.train.class_names == ("ant", "zebra")
    assert (len(splits.test), splits.source) == (6, tmp_path)


@pytest.mark.parametrize("image_size", [8, 21, 48])
def test_folder_images_of_any_mode_become_square_and_coloured(image_size, tmp_path):
    write_folder(tmp_path)
    ant = tmp_path / "train" / "ant"
    Image.new("L", (30, 12), 100).save(ant / "d.png")
    Image.new("RGBA", (9, 9), (10, 20, 30, 128)).save(ant / "e.png")
    Image.new("RGB", (40, 50), (0, 0, 0)).save(ant / "f.jpeg")
    images = load_splits(DataConfig(name="folder", root=tmp_path, image_size=image_size)).train.images
    assert images.shape == (9, image_size, image_size, 3)
    assert (images[3] == 100).all()
    assert (images[4] == (132, 137, 142)).all()
    assert (images[5] == 0).all()


def test_unreadable_picture_is_named(tmp_path):
    write_folder(tmp_path)
    bad = tmp_path / "test" / "zebra" / "b.png"
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(MemgateError, match=rf"{re.escape(str(bad))} cannot be read as an image \(.*\): save"):
        load_splits(DataConfig(name="folder", root=tmp_path))


def test_wrong_folders_are_reported_in_one_sentence(tmp_path):
    config = DataConfig(name="folder", root=tmp_path)
    with pytest.raises(
        MemgateError, match=r"There is no folder .*train: --data\.root must hold train/CLASS/…"
    ):
        load_splits(config)
    (tmp_path / "train" / "only").mkdir(parents=True)
    with pytest.raises(MemgateError, match=r"train holds 1 class folders: --data\.root must"):
        load_splits(config)
    (tmp_path / "train" / "only").rmdir()
    write_folder(tmp_path)
    (tmp_path / "test" / "yak").mkdir()
    with pytest.raises(MemgateError, match=r"The class folder yak is in only one of"):
        load_splits(config)
    (tmp_path / "train" / "yak").mkdir()
    with pytest.raises(MemgateError, match=r"The class folder .*train/yak holds no picture \(JPEG, PNG"):
        load_splits(config)


@pytest.mark.parametrize("name", ["npz", "folder", "cifar10"])
@pytest.mark.parametrize(
    ("root", "reason"),
    [
        ("HERE/none", "does not exist"),
        ("HERE/file", "file"),
        ("HERE/pipe", "pipe"),
        ("~no-such-user/x", r"is not a path \(Could not determine home"),
        ("x" * 300, r"is not a path \(.*File name too long"),
    ],
)
def test_a_root_that_holds_no_data_is_a_sentence(name, root, reason, tmp_path, no_network):
    (tmp_path / "file").write_text("no data")
    os.mkfifo(tmp_path / "pipe")
    config = DataConfig(name=name, root=Path(root.replace("HERE", str(tmp_path))))
    if (name, reason) == ("cifar10", "does not exist"):
        reason = "is not in .* and cannot be downloaded"
    with pytest.raises(MemgateError, match=rf"{reason}.*--data.root|--data.root.*{reason}") as caught:
        load_splits(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["method", "flags"])
def test_a_file_that_is_packed_oddly_is_a_sentence(field, tmp_path):
    path = save(tmp_path / "odd.npz", arrays(side=8))
    content = bytearray(path.read_bytes())
    places = {"method": (8, 10), "flags": (6, 8)}[field]
    for signature, place in zip((b"PK\x03\x04", b"PK\x01\x02"), places, strict=True):
        at = content.find(signature)
        while at >= 0:
            content[at + place] = 97 if field == "method" else 1  # not known to zipfile; encrypted
            at = content.find(signature, at + 4)
    path.write_bytes(content)
    with pytest.raises(MemgateError, match=r"odd.npz cannot be unpacked \(.*(compression|encrypted)"):
        load_splits(DataConfig(name="npz", root=path))


# Atomic writing


def test_atomic_write_replaces_whole_files_only(tmp_path):
    path = tmp_path / "file"
    atomic_write(path, lambda stream: stream.write(b"old"))

    def fails(stream):
        stream.write(b"half of the n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, fails)
    assert path.read_bytes() == b"old"
    atomic_write(path, lambda stream: stream.write(b"new"))
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_atomic_write_honours_the_umask(tmp_path):
    (tmp_path / "plain").touch()
    atomic_write(tmp_path / "file", lambda stream: stream.write(b"x"))
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_download_leaves_no_cache(tmp_path, no_network):
    with pytest.raises(MemgateError):
        prepare(DataConfig(root=tmp_path))
    assert list(tmp_path.iterdir()) == []
