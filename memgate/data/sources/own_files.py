"""A user's own pictures: an ``.npz`` file of arrays, or a folder with a folder for each class."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.config.run import MIN_SIDE, DataConfig
from memgate.data.sources.source import Part, Source, as_source, load_arrays, problem_with
from memgate.errors import MemgateError

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")


def read_npz(config: DataConfig) -> Source:
    """A user's own file: the keys of our caches, any square size from 8 pixels, any classes, grey too."""
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


def in_colour(images: NDArray[Any]) -> NDArray[Any]:
    """Grey images [N,H,W] or [N,H,W,1] with their channel three times; others as they are."""
    if images.ndim == 3:
        images = images[..., None]
    return np.repeat(images, 3, axis=-1) if images.ndim == 4 and images.shape[-1] == 1 else images


def read_folder(config: DataConfig) -> Source:
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
        paths = picture_files(folder / name)
        if not paths:
            raise MemgateError(f"{folder / name} holds no {', '.join(IMAGE_ENDINGS)} file: add some.")
        pictures += [read_picture(path, side) for path in paths]
        labels += [label] * len(paths)
    return Part(np.stack(pictures), np.array(labels, np.int64), np.arange(len(labels)))


def picture_files(folder: Path) -> list[Path]:
    """The pictures that lie in a folder itself, by name; hidden files are none."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS]
    return sorted((path for path in paths if not path.name.startswith(".")), key=lambda path: path.name)


def read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """One picture file, resized bilinearly, as uint8 [side,side,3].

    Raises:
        MemgateError: it cannot be read, or has more than 8 bits a channel.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            # Pillow clips 16- and 32-bit pixels at 255 instead of scaling them: all white, without a word.
            if picture.mode.startswith(("I", "F")):
                raise ValueError("more than 8 bits a channel")
            return squared(picture, side)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MemgateError(
            f"{path} cannot be read as a picture ({error}): save it again as an 8-bit PNG, or take it away."
        ) from error


def squared(picture: Any, side: int) -> NDArray[np.uint8]:
    """A Pillow picture, resized bilinearly, as uint8 [side,side,3]; a grey one has three equal channels."""
    from PIL import Image

    return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
