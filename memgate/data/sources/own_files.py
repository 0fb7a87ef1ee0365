"""Own data sets: an ``.npz`` file of arrays, or a folder with one folder of image files per class."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.config.run import MIN_SIDE, DataConfig
from memgate.data.sources.source import Part, Source, as_source, load_arrays, problem_with
from memgate.errors import MemgateError
from noise.pixels import in_colour

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")


def read_npz(config: DataConfig) -> Source:
    """The data set of an ``.npz`` file: square images from 8 pixels, in colour or grey, with any classes.

    Raises:
        MemgateError: there is no such file, or it is damaged or holds other arrays than a data set has.
    """
    path = config.root.expanduser()
    remedy = (
        "--data.root must be an .npz file with train_images and test_images uint8 [N,H,H,3] (H at least "
        f"{MIN_SIDE}) and train_labels and test_labels, integers from 0"
    )
    if not path.is_file():
        raise MemgateError(f"There is no data file {path}: {remedy}.")
    arrays = load_arrays(path, remedy)
    for key in arrays.keys() & {"train_images", "test_images"}:
        arrays[key] = in_colour(arrays[key])
    problem = problem_with(arrays)
    if problem is not None:
        raise MemgateError(f"The data file {path} cannot be used: {problem}. Remedy: {remedy}.")
    largest = max(int(arrays["train_labels"].max()), int(arrays["test_labels"].max()))
    names = tuple(map(str, arrays.get("class_names", range(largest + 1))))
    return as_source(arrays, names, path)


def read_folder(config: DataConfig) -> Source:
    """The data set of ``root/train/CLASS/*.png`` and ``root/test/CLASS/*.png``; ids by class and file name.

    Raises:
        MemgateError: the splits have different or fewer than two classes, or an image cannot be read.
    """
    root = config.root.expanduser()
    names = _classes(root / "train")
    unmatched = sorted(set(names) ^ set(_classes(root / "test")))
    if unmatched:
        raise MemgateError(
            f"The class folder {unmatched[0]} is in only one of {root / 'train'} and {root / 'test'}: "
            "both splits must have the same classes."
        )
    train = _read_classes(root / "train", names, config.image_size)
    return Source(train, _read_classes(root / "test", names, config.image_size), names, root)


def _classes(folder: Path) -> tuple[str, ...]:
    """Sorted names of the class folders of a split, without hidden folders."""
    entries = folder.iterdir() if folder.is_dir() else ()
    names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if len(names) < 2:
        raise MemgateError(
            f"{folder} holds {len(names)} class folders: --data.root must hold train/CLASS/*.png and "
            "test/CLASS/*.png of at least 2 classes."
        )
    return tuple(names)


def _read_classes(folder: Path, names: tuple[str, ...], side: int) -> Part:
    """All images of one split, class by class."""
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        paths = picture_files(folder / name)
        if not paths:
            raise MemgateError(f"{folder / name} holds no {', '.join(IMAGE_ENDINGS)} file: add some.")
        images += [read_picture(path, side) for path in paths]
        labels += [label] * len(paths)
    return Part(np.stack(images), np.array(labels, np.int64), np.arange(len(labels)))


def picture_files(folder: Path) -> list[Path]:
    """The image files in a folder (not in its subfolders), sorted by name, without hidden files."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS]
    return sorted((path for path in paths if not path.name.startswith(".")), key=lambda path: path.name)


def read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """The image of a file, resized bilinearly, uint8 [side,side,3].

    Raises:
        MemgateError: the file cannot be read, or has more than 8 bits per channel.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            # Pillow clips 16- and 32-bit pixels at 255 instead of scaling them: a white image without a warning.
            if picture.mode.startswith(("I", "F")):
                raise ValueError("more than 8 bits per channel")
            return squared(picture, side)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MemgateError(
            f"{path} cannot be read as an image ({error}): save it again as an 8-bit PNG, or remove it."
        ) from error


def squared(picture: Any, side: int) -> NDArray[np.uint8]:
    """A Pillow image, resized bilinearly, uint8 [side,side,3]; grey images get three equal channels."""
    from PIL import Image

    return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
