"""CIFAR-10, CIFAR-100 and SVHN: read from the official files through torchvision once, then from a cache file."""

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
    """The whole data set from the cache, or else from the official files, downloaded if needed and then cached.

    Raises:
        MemgateError: the cache is damaged or cannot be written, or the files are missing and cannot be downloaded.
    """
    official, root = OFFICIAL[config.name], config.place
    if root.exists() and not root.is_dir():
        raise MemgateError(f"--data.root {root} is no folder: give the folder that holds {config.name}.npz.")
    cache = root / f"{config.name}.npz"
    if cache.is_file():
        return _read_cache(cache, official)
    arrays = _fetch(config.name, root)
    path = _write_cache(cache, {**arrays, "class_names": np.array(official.class_names)})
    return as_source(arrays, official.class_names, path)


def read_present(config: DataConfig) -> Source | None:
    """The whole data set from the cache, or else from the official files; nothing is downloaded or written.

    Returns:
        None where neither exists, or the official files are damaged.

    Raises:
        MemgateError: the cache is damaged.
    """
    official, root = OFFICIAL[config.name], config.place
    cache = root / f"{config.name}.npz"
    if cache.is_file():
        return _read_cache(cache, official)
    try:
        arrays = _fetch(config.name, root, download=False)
    except RuntimeError:
        return None
    return as_source(arrays, official.class_names, root)


def _read_cache(cache: Path, official: Official) -> Source:
    """The data set of a cache file, checked; it may hold only the first training images of the official file."""
    remedy = "delete it; it will be made again from the official files"
    arrays = load_arrays(cache, remedy)
    problem = problem_with(arrays, official)
    if problem is not None:
        raise MemgateError(f"The data cache {cache} cannot be used: {problem}. Remedy: {remedy}.")
    return as_source(arrays, official.class_names, cache)


def _write_cache(cache: Path, arrays: dict[str, Any]) -> Path:
    """The path from which the data can be read next time: the cache just written, or the official files."""
    try:
        atomic_write(cache, lambda stream: np.savez(stream, **arrays))
    except OSError as error:
        # On a read-only file system the official files are read every time, a second slower.
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return cache.parent
        raise MemgateError(
            f"The data cache {cache} cannot be written ({error.strerror or error}): "
            "free some space, or choose another folder with --data.root."
        ) from error
    return cache


def _fetch(name: str, root: Path, download: bool = True) -> dict[str, NDArray[Any]]:
    """Arrays of the official files through torchvision, which verifies MD5 sums; downloaded only if missing.

    Raises:
        RuntimeError: they are missing or damaged, and may not be downloaded.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for split in ("train", "test"):
        try:
            images, labels = _torchvision(name, root, split, download=False)
        except RuntimeError:  # torchvision raises it for missing and for damaged files
            if not download:
                raise
            images, labels = _downloaded(name, root, split)
        arrays[f"{split}_images"] = np.ascontiguousarray(images, np.uint8)
        arrays[f"{split}_labels"] = np.asarray(labels, np.int64)
    return arrays


def _downloaded(name: str, root: Path, split: str) -> tuple[Any, Any]:
    """Images and labels of one split after a download; any failure of the download becomes a MemgateError."""
    try:
        return _torchvision(name, root, split, download=True)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError) as error:
        raise MemgateError(
            f"{name} is not in {root} and cannot be downloaded ({getattr(error, 'reason', error)}): put the "
            f"official {OFFICIAL[name].files} or a cache {name}.npz there, or choose another folder with "
            "--data.root; '--data.name digits' needs no download."
        ) from error


def _torchvision(name: str, root: Path, split: str, download: bool) -> tuple[Any, Any]:
    """Images [N,32,32,3] and labels [N] of one split (fine labels of CIFAR-100; label 0 for digit 0 of SVHN)."""
    from torchvision import datasets

    if name == "svhn":
        digits = datasets.SVHN(str(root), split=split, download=download)
        return np.transpose(digits.data, (0, 2, 3, 1)), digits.labels
    kind = datasets.CIFAR100 if name == "cifar100" else datasets.CIFAR10
    cifar = kind(root, train=split == "train", download=download)
    return cifar.data, cifar.targets
