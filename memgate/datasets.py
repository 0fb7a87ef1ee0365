"""Where the pictures come from: one reader for each data set name.

A reader turns a :class:`DataConfig` into a :class:`Source`: plain arrays, whole, in the official order, of
which :mod:`memgate.data` makes image sets. Torch comes in only where torchvision reads official files.
"""

import errno
import http.client
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.config import DataConfig
from memgate.errors import MemgateError
from noise.atomic import atomic_write
from noise.choose import hash_order

DIGIT_NAMES = tuple("0123456789")
DIGITS_TEST_PER_CLASS = 36
"""Of scikit-learn's 1,797 digits, 360 are for testing; 1,437 are left for training."""
MIN_SIDE = 8
MAX_CLASSES = 65_535
"""The sample log keeps predictions as uint16, the largest of which means none."""
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100_NAMES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel
    can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur
    dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
    lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree
    pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea
    seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank
    telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"""
"""The fine classes, in the order of the official file ``meta``."""


@dataclass(frozen=True, eq=False)
class Part:
    """One split as it lies in the official file: images uint8 [N,H,H,3], labels and sample_id int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sample_id: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Source:
    """A whole data set: both splits, the classes' names, and the file or folder it was read from."""

    train: Part
    test: Part
    class_names: tuple[str, ...]
    path: Path


@dataclass(frozen=True)
class Official:
    """What torchvision's copy of a data set holds, so that a cache can be checked against it."""

    class_names: tuple[str, ...]
    counts: tuple[int, int]
    """Images for training and for testing, each 32 pixels wide."""
    files: str


OFFICIAL = {
    "cifar10": Official(CIFAR10_NAMES, (50_000, 10_000), "folder cifar-10-batches-py"),
    "cifar100": Official(tuple(CIFAR100_NAMES.split()), (50_000, 10_000), "folder cifar-100-python"),
    "svhn": Official(DIGIT_NAMES, (73_257, 26_032), "files train_32x32.mat and test_32x32.mat"),
}


def read_source(config: DataConfig) -> Source:
    """The whole data set that ``config`` names, before any limit or split.

    Raises:
        MemgateError: it is not there and cannot be fetched, or is not what it should be.
    """
    return READERS[config.name](config)


def _read_official(config: DataConfig) -> Source:
    """The cache when it is there, else the official files, fetched if need be, and then cached."""
    official = OFFICIAL[config.name]
    cache = config.root.expanduser() / f"{config.name}.npz"
    if cache.is_file():
        return _read_cache(cache, official)
    arrays = _fetch(config.name, config.root.expanduser())
    path = _write_cache(cache, {**arrays, "class_names": np.array(official.class_names)})
    return _source(arrays, official.class_names, path)


def _read_cache(cache: Path, official: Official) -> Source:
    """A cache, checked. It may hold fewer training images than the official file, its first ones."""
    remedy = "delete it, and it is made again from the official files"
    arrays = _load_arrays(cache, remedy)
    problem = _problem(arrays, official)
    if problem is not None:
        raise MemgateError(f"The data cache {cache} cannot be used: {problem}. Remedy: {remedy}.")
    return _source(arrays, official.class_names, cache)


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


def _fetch(name: str, root: Path) -> dict[str, NDArray[Any]]:
    """The official files through torchvision, which verifies their MD5 sums; downloaded only if missing."""
    arrays: dict[str, NDArray[Any]] = {}
    for split in ("train", "test"):
        try:
            images, labels = _torchvision(name, root, split, download=False)
        except RuntimeError:  # torchvision's word for "not found or corrupted"
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


def _read_digits(config: DataConfig) -> Source:
    """Scikit-learn's 1,797 handwritten digits, enlarged; ids are its rows, the split is ours and fixed."""
    import sklearn.datasets
    from PIL import Image

    bunch: Any = sklearn.datasets.load_digits()
    values, labels = bunch.images.astype(np.int64), bunch.target.astype(np.int64)
    small = ((values * 255 + 8) // 16).astype(np.uint8)  # 0..16 to 0..255, rounded
    images = np.stack([_squared(Image.fromarray(picture), config.image_size) for picture in small])
    sample_id = np.arange(len(labels))
    order = hash_order(sample_id, "data", "digits", "test")
    by_class = [order[labels[order] == digit][:DIGITS_TEST_PER_CLASS] for digit in range(10)]
    is_test = np.isin(sample_id, np.concatenate(by_class))
    return Source(
        train=Part(images[~is_test], labels[~is_test], sample_id[~is_test]),
        test=Part(images[is_test], labels[is_test], sample_id[is_test]),
        class_names=DIGIT_NAMES,
        path=Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz",
    )


def _squared(picture: Any, side: int) -> NDArray[np.uint8]:
    """A Pillow picture, resized bilinearly, as uint8 [side,side,3]; a grey one has three equal channels."""
    from PIL import Image

    return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))


def _read_npz(config: DataConfig) -> Source:
    """A user's own file: the keys of our caches, any square size from 8 pixels, any classes, grey too."""
    path = config.root.expanduser()
    remedy = (
        "--data.root must be an .npz file with train_images and test_images uint8 [N,H,H,3] (H at least "
        f"{MIN_SIDE}) and train_labels and test_labels, integers from 0"
    )
    if not path.is_file():
        raise MemgateError(f"There is no data file {path}: {remedy}.")
    arrays = _load_arrays(path, remedy)
    for key in arrays.keys() & {"train_images", "test_images"}:
        arrays[key] = _in_colour(arrays[key])
    problem = _problem(arrays)
    if problem is not None:
        raise MemgateError(f"The data file {path} cannot be used: {problem}. Remedy: {remedy}.")
    largest = max(int(arrays["train_labels"].max()), int(arrays["test_labels"].max()))
    names = tuple(map(str, arrays.get("class_names", range(largest + 1))))
    return _source(arrays, names, path)


def _in_colour(images: NDArray[Any]) -> NDArray[Any]:
    """Grey images [N,H,W] or [N,H,W,1] with their channel three times; others as they are."""
    if images.ndim == 3:
        images = images[..., None]
    return np.repeat(images, 3, axis=-1) if images.ndim == 4 and images.shape[-1] == 1 else images


def _load_arrays(path: Path, remedy: str) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file; objects (pickles) are refused, since they can run code."""
    try:
        with zipfile.ZipFile(path):  # np.load would take a bare .npy as well
            pass
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise MemgateError(f"{path} cannot be read as an .npz file ({error}). Remedy: {remedy}.") from error


def _problem(arrays: dict[str, NDArray[Any]], official: Official | None = None) -> str | None:
    """What keeps ``arrays`` from being a data set, or from being the official one, in words; or None."""
    keys = [f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels")]
    missing = [key for key in keys if key not in arrays]
    if missing:
        return f"it lacks {' and '.join(missing)}"
    names = official.class_names if official else arrays.get("class_names")
    if names is not None and np.ndim(names) != 1:
        return "class_names is no list"
    class_count = MAX_CLASSES if names is None else len(names)
    side = 32 if official else None
    for split, most in zip(("train", "test"), official.counts if official else (None, None), strict=True):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        problem = _split_problem(split, images, labels, class_count, side)
        if problem is not None:
            return problem
        if most is not None and len(images) > most:
            return f"it has {len(images)} {split} images, and the official file {most}"
        side = images.shape[1]
    if max(arrays["train_labels"].max(), arrays["test_labels"].max()) < 1:
        return "all labels are 0, and one class is nothing to learn"
    return None


def _split_problem(
    split: str, images: NDArray[Any], labels: NDArray[Any], class_count: int, side: int | None
) -> str | None:
    """The same for one split; ``side`` is the images' width, None for any."""
    if images.dtype != np.uint8:
        return f"{split}_images is {images.dtype}, not uint8"
    height = images.shape[1] if images.ndim == 4 else 0
    if height < MIN_SIDE or images.shape[1:] != (height, height, 3) or height != (side or height):
        wanted = f"[N,{side},{side},3]" if side else f"[N,H,H,3] with H at least {MIN_SIDE}"
        return f"{split}_images has the shape {list(images.shape)}, not {wanted}"
    if len(images) == 0:
        return f"{split}_images holds no image"
    if labels.dtype.kind not in "iu":
        return f"{split}_labels is {labels.dtype}, not integers"
    if labels.shape != images.shape[:1]:
        return f"{split}_labels has the shape {list(labels.shape)} beside {len(images)} images"
    if labels.min() < 0 or labels.max() >= class_count:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        return f"{split}_labels has the label {wrong}, outside 0 to {class_count - 1}"
    return None


def _source(arrays: dict[str, NDArray[Any]], class_names: tuple[str, ...], path: Path) -> Source:
    """Checked arrays under their cache keys as a source whose ids are the rows."""

    def part(split: str) -> Part:
        labels = arrays[f"{split}_labels"].astype(np.int64, copy=False)
        return Part(arrays[f"{split}_images"], labels, np.arange(len(labels)))

    return Source(part("train"), part("test"), class_names, path)


def _read_folder(config: DataConfig) -> Source:
    """``root/train/CLASS/*.png`` and ``root/test/CLASS/*.png``, ids in the order of class and file name."""
    root = config.root.expanduser()
    names = _classes(root / "train")
    one_sided = sorted(set(names) ^ set(_classes(root / "test")))
    if one_sided:
        raise MemgateError(
            f"The class folder {one_sided[0]} is in one of {root / 'train'} and {root / 'test'} only: "
            "both splits must have the same classes."
        )
    train = _read_classes(root / "train", names, config.image_size)
    return Source(train, _read_classes(root / "test", names, config.image_size), names, root)


def _classes(folder: Path) -> tuple[str, ...]:
    """Sorted names of the class folders of a split; hidden ones are no classes."""
    found = folder.iterdir() if folder.is_dir() else ()
    names = sorted(entry.name for entry in found if entry.is_dir() and not entry.name.startswith("."))
    if len(names) < 2:
        raise MemgateError(
            f"{folder} holds {len(names)} class folders: --data.root must hold train/CLASS/*.png and "
            "test/CLASS/*.png of at least 2 classes."
        )
    return tuple(names)


def _read_classes(folder: Path, names: tuple[str, ...], side: int) -> Part:
    """All pictures of one split, class by class."""
    pictures: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        paths = [path for path in (folder / name).iterdir() if path.suffix.lower() in IMAGE_ENDINGS]
        paths = sorted((path for path in paths if not path.name.startswith(".")), key=lambda path: path.name)
        if not paths:
            raise MemgateError(f"{folder / name} holds no {', '.join(IMAGE_ENDINGS)} file: add some.")
        pictures += [_read_picture(path, side) for path in paths]
        labels += [label] * len(paths)
    return Part(np.stack(pictures), np.array(labels, np.int64), np.arange(len(labels)))


def _read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """One picture file as uint8 [side,side,3]."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            # Pillow clips 16- and 32-bit pixels at 255 instead of scaling them: all white, without a word.
            if picture.mode.startswith(("I", "F")):
                raise ValueError("more than 8 bits a channel")
            return _squared(picture, side)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MemgateError(
            f"{path} cannot be read as a picture ({error}): save it again as an 8-bit PNG, or take it away."
        ) from error


READERS: dict[str, Callable[[DataConfig], Source]] = {
    **dict.fromkeys(OFFICIAL, _read_official),
    "digits": _read_digits,
    "npz": _read_npz,
    "folder": _read_folder,
}
