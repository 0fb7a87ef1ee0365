"""Own data sets: an ``.npz`` file of arrays, or a folder with one folder of image files per class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memgate.config.data import MIN_SIDE, DataConfig
from memgate.data.picture_files import READ, PictureFiles, listing, picture_files, read_pictures, size_notes
from memgate.data.sources.source import Part, Source, as_source, load_arrays, named_classes, problem_with
from memgate.errors import MemgateError
from noise.errors import NoiseError
from noise.pixels import in_colour

LAYOUT = "train/CLASS/… and test/CLASS/… with pictures"
"""What a folder of pictures holds."""


def read_npz(config: DataConfig) -> Source:
    """The data set of an ``.npz`` file: square images from 8 pixels, in colour or grey, with any classes.

    Raises:
        MemgateError: there is no such file, or it is damaged or holds other arrays than a data set has.
    """
    path = config.place
    remedy = (
        "--data.root must be an .npz file with train_images and test_images uint8 [N,H,H,3] (H at least "
        f"{MIN_SIDE}) and train_labels and test_labels, integers from 0"
    )
    if not path.is_file():
        reason = "is no regular file" if path.exists() else "does not exist"
        raise MemgateError(f"There is no data file {path}, since it {reason}: {remedy}.")
    arrays = load_arrays(path, remedy)
    for key in arrays.keys() & {"train_images", "test_images"}:
        arrays[key] = in_colour(arrays[key])
    problem = problem_with(arrays)
    if problem is not None:
        raise MemgateError(f"The data file {path} cannot be used: {problem}. Remedy: {remedy}.")
    try:
        names = named_classes(arrays)
    except NoiseError as error:
        raise MemgateError(f"The data file {path} cannot be used: {error}") from error
    return as_source(arrays, names, path)


def read_folder(config: DataConfig) -> Source:
    """The data set of the pictures below ``root/train/CLASS`` and ``root/test/CLASS``; ids by class and file name.

    Raises:
        MemgateError: the splits have different or fewer than two classes, or an image cannot be read.
    """
    root = config.place
    if not root.is_dir():
        reason = "is no folder" if root.exists() else "does not exist"
        raise MemgateError(f"--data.root {root} {reason}: give the folder that holds {LAYOUT}.")
    names = _classes(root / "train")
    unmatched = sorted(set(names) ^ set(_classes(root / "test")))
    if unmatched:
        raise MemgateError(
            f"The class folder {unmatched[0]} is in only one of {root / 'train'} and {root / 'test'}: "
            "both splits must have the same classes."
        )
    files = {split: picture_files(root / split, classes=True) for split in ("train", "test")}
    parts, notes = {}, []
    for split, listed in files.items():
        parts[split], sizes = _read_classes(listed, names, config.image_size)
        notes += [*listed.notes, *size_notes(listed.folder, sizes, config.image_size)]
    return Source(parts["train"], parts["test"], names, root, tuple(notes))


def _classes(folder: Path) -> tuple[str, ...]:
    """Sorted names of the class folders of a split, without hidden folders."""
    if not folder.is_dir():
        raise MemgateError(f"There is no folder {folder}: --data.root must hold {LAYOUT}.")
    _, entries = listing(folder)
    names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    if len(names) < 2:
        raise MemgateError(
            f"{folder} holds {len(names)} class folders: --data.root must hold {LAYOUT} of at least 2 classes."
        )
    return tuple(names)


def _read_classes(files: PictureFiles, names: tuple[str, ...], side: int) -> tuple[Part, NDArray[np.int64]]:
    """All images of one split, class by class, and their heights and widths [N,2] in the files."""
    label_of = {name: label for label, name in enumerate(names)}
    labels = np.array([label_of[path.relative_to(files.folder).parts[0]] for path in files.paths], np.int64)
    for label, name in enumerate(names):
        if not (labels == label).any():
            raise MemgateError(
                f"The class folder {files.folder / name} holds no picture ({READ}): add some, or remove the class "
                "from both splits."
            )
    images, sizes = read_pictures(files.paths, side)
    return Part(images, labels, np.arange(len(labels))), sizes
