"""Out-of-distribution sets: from ``NAME=PATH`` texts to images of the run's size. No torch."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from memgate.config.data import MIN_SIDE, DataConfig, DataName
from memgate.data.picture_files import READ, picture_files, read_pictures
from memgate.data.plain_images import plain_notes
from memgate.data.sources.official import OFFICIAL, read_present
from memgate.errors import MemgateError, require
from noise.choose import hash_order
from noise.files.digests import pixels_digest
from noise.files.read import expanded
from noise.images.open_set import fitted, read_images

Group = Literal["near", "far"]

NEAR = ("cifar10", "cifar100", "tin", "tinyimagenet")
FAR = ("mnist", "svhn", "texture", "textures", "dtd", "places", "places365")
"""OpenOOD v1.5's groups for CIFAR as the in-distribution set, by names without - and _."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class OodName:
    """Name, path and group of one set."""

    name: str
    path: Path
    group: Group | None
    """As the user gives it, else as OpenOOD has it; None: in no group, and in no group's mean."""


@dataclass(frozen=True)
class OodFacts:
    """Origin of a set's images; stored with their scores."""

    name: str
    path: str
    part: str
    """Kind of source: ``arrays``, ``test images`` of a data set, or ``picture files``."""
    total: int
    """Number of images there; fewer may have been taken."""
    size: str
    """Height × width in pixels as they are stored; ``various`` for picture files."""
    digest: str
    """SHA-256 of the images in the size in which the network gets them."""
    group: Group | None


@dataclass(frozen=True, eq=False)
class OodSet:
    """Images of one set in the run's size."""

    facts: OodFacts
    rows: NDArray[np.int64]
    """[n] rising: positions of the images in the file, or in the order of the paths."""
    images: NDArray[np.uint8]
    """[n, H, W, 3] in the run's size."""
    source: str
    """Name that open-set noise stores for this source: the file's name, or the data set's."""
    file: str = ""
    """SHA-256 of the ``.npz`` file; empty for other sources."""
    notes: tuple[str, ...] = ()
    """Sentences for the user: what was left out, and images that show nothing."""


def parse_sets(
    texts: Sequence[str], data: str, near: Sequence[str] = (), far: Sequence[str] = ()
) -> tuple[OodName, ...]:
    """Names, paths and groups of the sets of ``--ood``.

    Args:
        texts: ``NAME=PATH`` each.
        data: name of the in-distribution data set: OpenOOD's groups are for CIFAR.
        near: names of sets that count as near, in place of OpenOOD's group.
        far: names of sets that count as far, likewise.

    Raises:
        MemgateError: a text is no such pair, a name occurs twice, a path does not exist, or ``near`` or ``far`` names
            an unknown set or both name the same.
    """
    require(bool(texts), "--ood names no set: give NAME=PATH each, such as svhn=svhn.npz.")
    pairs = [_pair(text) for text in texts]
    names = [name for name, _ in pairs]
    for name in names:
        require(names.count(name) == 1, f"--ood names {name!r} twice: give each set a name of its own.")
        require(name not in get_args(Group), f"--ood names a set {name!r}, as a group is called: rename it.")
    for flag, chosen in (("near", near), ("far", far)):
        for name in chosen:
            require(name in names, f"--{flag} {name!r} is none of the sets: {', '.join(names)}.")
    for name in near:
        require(name not in far, f"--near and --far both name {name!r}: it can be in one group only.")
    return tuple(OodName(name, path, _group(name, near, far, data)) for name, path in pairs)


def _pair(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    require(
        bool(equals and path) and NAME.fullmatch(name) is not None,
        f"--ood {text!r} is no NAME=PATH with a name of letters, digits, '.', '-' and '_': such as svhn=svhn.npz.",
    )
    place = expanded(path)
    require(place.exists(), f"--ood {name}: there is no {place}: check the path.")
    return name, place


def plain(name: str) -> str:
    """A set's name in lower case without - and _: ``CIFAR-100`` becomes ``cifar100``."""
    return re.sub("[-_]", "", name.lower())


def has_groups(data: str) -> bool:
    """Whether OpenOOD has near and far sets for this in-distribution data set."""
    return plain(data) in ("cifar10", "cifar100")


def _group(name: str, near: Sequence[str], far: Sequence[str], data: str) -> Group | None:
    if name in near or name in far:
        return "near" if name in near else "far"
    if not has_groups(data):
        return None
    return "near" if plain(name) in NEAR else "far" if plain(name) in FAR else None


def read_set(named: OodName, side: int, n: int = 0) -> OodSet:
    """Images of a set in the run's size, resized bilinearly (Pillow) where they have another one.

    ``PATH`` may be an ``.npz`` file with ``images`` or ``test_images`` (uint8 [N, H, W, 3] or grey), for the names
    cifar10, cifar100 and svhn however they are spelt the folder that ``--data.root`` would be, of which the test
    images are taken, or else a folder with pictures in it or in any folder below it. Nothing is downloaded.

    Args:
        named: name, path and group.
        side: height and width of the run's images.
        n: how many images, the first of a hash order; 0 for all.

    Raises:
        MemgateError: there are no images, or they cannot be read.
        NoiseError: likewise, of an ``.npz`` file.
    """
    name, path = named.name, named.path
    opened = _opened(name, path, side)
    # The choice does not depend on the set's name, so that the same set under two names has the same digest.
    rows = np.sort(hash_order(np.arange(opened.count), "ood")[: n or None])
    images = opened.take(rows)
    digest = pixels_digest(images)
    facts = OodFacts(name, str(path), opened.part, opened.count, opened.size, digest, named.group)
    notes = tuple(f"--ood {name}: {note}" for note in (*opened.notes, *plain_notes(images, "images", rows)))
    return OodSet(facts, rows, images, opened.source, opened.file, notes)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A source of images; the fields are those of :class:`OodFacts` and :class:`OodSet`."""

    count: int
    size: str
    part: str
    source: str
    take: Callable[[NDArray[np.int64]], NDArray[np.uint8]]
    """Rows [n] to images [n, H, W, 3] of the run's size."""
    file: str = ""
    notes: tuple[str, ...] = ()


def _opened(name: str, path: Path, side: int) -> _Opened:
    if path.is_file():
        require(
            path.suffix != ".npy",
            f"--ood {name}: {path} is an array without a name: save it with np.savez({path.stem + '.npz'!r}, "
            "images=...).",
        )
        file = read_images(path, ("images", "test_images"))
        return _arrays(name, file.images, "arrays", file.name, side, file.record[1])
    require(
        path.is_dir(),
        f"--ood {name}: {path} is neither a regular file nor a folder: give a folder of pictures or an .npz file.",
    )
    official = plain(name)
    # Before pictures: a folder of several data sets may hold pictures of another one, at any depth.
    if official in OFFICIAL:
        stored = read_present(DataConfig(name=cast(DataName, official), root=path))
        if stored is not None:
            return _arrays(name, stored.test.images, "test images", official, side)
    files = picture_files(path)
    if files.paths:
        return _Opened(
            len(files.paths), "various", "picture files", path.name,
            lambda rows: read_pictures([files.paths[row] for row in rows], side)[0], notes=files.notes,
        )  # fmt: skip
    require(
        official in OFFICIAL,
        f"--ood {name}: {path} holds no {READ} picture, neither itself nor in its folders: give a "
        f"folder of pictures, an .npz file, or the data's folder under one of the names {', '.join(OFFICIAL)}.",
    )
    raise MemgateError(
        f"--ood {name}: {path} holds no picture, no cache {official}.npz and no sound official "
        f"{OFFICIAL[official].files}: put one of them there, or give the folder that holds one."
    )


def _arrays(
    name: str, images: NDArray[np.uint8], part: str, source: str, side: int, file: str = ""
) -> _Opened:
    """A source of stored images; arrays of another shape are refused."""
    height, width = images.shape[1:3]
    if min(height, width) < MIN_SIDE or images.shape[3:] not in ((), (1,), (3,)):
        raise MemgateError(
            f"--ood {name}: images of the shape {list(images.shape)} are no pictures: they must be [N, H, W, 3] or "
            f"grey [N, H, W], H and W at least {MIN_SIDE}."
        )
    return _Opened(
        len(images), f"{height} × {width}", part, source,
        lambda rows: fitted(images[rows], (side, side, 3)), file,
    )  # fmt: skip
