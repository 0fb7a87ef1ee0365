"""CIFAR-10, CIFAR-100 and SVHN: the official files through torchvision, then one checked cache file."""

import errno
import http.client
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.config.run import DataConfig
from memgate.data.sources.source import Official, Source, as_source, load_arrays, problem_with
from memgate.errors import MemgateError
from noise.cifar import CIFAR10_NAMES, CIFAR100_NAMES
from noise.files.atomic import atomic_write

OFFICIAL = {
    "cifar10": Official(CIFAR10_NAMES, (50_000, 10_000), "folder cifar-10-batches-py"),
    "cifar100": Official(CIFAR100_NAMES, (50_000, 10_000), "folder cifar-100-python"),
    "svhn": Official(tuple("0123456789"), (73_257, 26_032), "files train_32x32.mat and test_32x32.mat"),
}


def read_official(config: DataConfig) -> Source:
    """The cache when it is there, else the official files, fetched if need be, and then cached."""
    official = OFFICIAL[config.name]
    cache = config.root.expanduser() / f"{config.name}.npz"
    if cache.is_file():
        return _read_cache(cache, official)
    arrays = _fetch(config.name, config.root.expanduser())
    path = _write_cache(cache, {**arrays, "class_names": np.array(official.class_names)})
    return as_source(arrays, official.class_names, path)


def read_present(config: DataConfig) -> Source | None:
    """The cache, or else the official files, where they are there already; nothing is fetched and nothing written.

    Returns:
        None where neither is there, or the official files are damaged.

    Raises:
        MemgateError: the cache is damaged.
    """
    official, root = OFFICIAL[config.name], config.root.expanduser()
    cache = root / f"{config.name}.npz"
    if cache.is_file():
        return _read_cache(cache, official)
    try:
        arrays = _fetch(config.name, root, download=False)
    except RuntimeError:
        return None
    return as_source(arrays, official.class_names, root)


def _read_cache(cache: Path, official: Official) -> Source:
    """A cache, checked. It may hold fewer training images than the official file, its first ones."""
    remedy = "delete it, and it is made again from the official files"
    arrays = load_arrays(cache, remedy)
    problem = problem_with(arrays, official)
    if problem is not None:
        raise MemgateError(f"The data cache {cache} cannot be used: {problem}. Remedy: {remedy}.")
    return as_source(arrays, official.class_names, cache)


def _write_cache(cache: Path, arrays: dict[str, Any]) -> Path:
    """Write the cache; return the path that the data can be read from next time."""
    try:
        atomic_write(cache, lambda stream: np.savez(stream, **arrays))
    except OSError as error:
        # Official files on a read-only share serve as they are, a second slower.
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return cache.parent
        raise MemgateError(
            f"The data cache {cache} cannot be written ({error.strerror or error}): "
            "free some space, or choose another folder with --data.root."
        ) from error
    return cache


def _fetch(name: str, root: Path, download: bool = True) -> dict[str, NDArray[Any]]:
    """The official files through torchvision, which verifies their MD5 sums; downloaded only if missing.

    Raises:
        RuntimeError: they are missing or damaged, and may not be downloaded.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for split in ("train", "test"):
        try:
            images, labels = _torchvision(name, root, split, download=False)
        except RuntimeError:  # torchvision's word for "not found or corrupted"
            if not download:
                raise
            images, labels = _downloaded(name, root, split)
        arrays[f"{split}_images"] = np.ascontiguousarray(images, np.uint8)
        arrays[f"{split}_labels"] = np.asarray(labels, np.int64)
    return arrays


def _downloaded(name: str, root: Path, split: str) -> tuple[Any, Any]:
    """The same after a download; whatever goes wrong on the way becomes one sentence."""
    try:
        return _torchvision(name, root, split, download=True)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError) as error:
        raise MemgateError(
            f"{name} is not in {root} and cannot be downloaded ({getattr(error, 'reason', error)}): put the "
            f"official {OFFICIAL[name].files} or a cache {name}.npz there, or choose another folder with "
            "--data.root; '--data.name digits' needs no download."
        ) from error


def _torchvision(name: str, root: Path, split: str, download: bool) -> tuple[Any, Any]:
    """Images [N,32,32,3] and labels of one split; CIFAR-100's fine ones; SVHN's digit 0 has label 0."""
    from torchvision import datasets

    if name == "svhn":
        digits = datasets.SVHN(str(root), split=split, download=download)
        return np.transpose(digits.data, (0, 2, 3, 1)), digits.labels
    kind = datasets.CIFAR100 if name == "cifar100" else datasets.CIFAR10
    pictures = kind(root, train=split == "train", download=download)
    return pictures.data, pictures.targets
