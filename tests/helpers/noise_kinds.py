"""A small data set made by integer arithmetic, and one spec for every kind of corruption on it."""

import json
from pathlib import Path

import numpy as np

from noise.apply import Corrupted, corrupt
from noise.spec import parse_specs
from noise.task import Task

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASSES = len(NAMES)
FOREIGN = 40
"""Number of images in the open-set source."""


def pictures(count: int, side: int = 4, channels: int = 3) -> np.ndarray:
    """Images uint8 [count, side, side, channels], equal on every machine and with every library version.

    Ramps of another slope in each image, turned back at 0 and 255, as smooth as photographs are.
    """
    row, y, x, channel = np.indices((count, side, side, channels))
    ramp = (row * 37 + y * (3 + row % 11) + x * (5 + row % 7) + channel * 101 + x * y // 2) % 512
    return np.minimum(ramp, 511 - ramp).astype(np.uint8)


def labels_of(ids: np.ndarray) -> np.ndarray:
    """Clean label of each sample id."""
    return ids % CLASSES


def write_files(folder: Path, count: int) -> dict[str, Path]:
    """Name to path of the files that kinds read, written for samples 0 to count-1."""
    paths = {name: folder / name for name in ("T.csv", "human.npz", "list.json", "open.json", "foreign.npz")}
    matrix = np.full((CLASSES, CLASSES), 0.04) + np.eye(CLASSES) * 0.6
    np.savetxt(paths["T.csv"], matrix, delimiter=",", fmt="%.2f")
    clean = labels_of(np.arange(count))
    given = np.where(np.arange(count) % 7 == 0, (clean + 3) % CLASSES, clean)
    np.savez(paths["human.npz"], clean=clean, aggre=given)
    paths["list.json"].write_text(json.dumps(given.tolist()))
    pairs = [[row, (row * 7) % FOREIGN] for row in range(0, count, 6)]
    paths["open.json"].write_text(json.dumps({"noise_labels": given.tolist(), "open_noise": pairs}))
    np.savez(paths["foreign.npz"], images=255 - pictures(FOREIGN))
    return paths


def every_kind(paths: dict[str, Path], rate: float = 0.4) -> dict[str, str]:
    """Kind to the text of a spec, with ``rate`` for kinds that take one."""
    foreign = f"source=npz={paths['foreign.npz']}"
    rated = [
        "symmetric", "symmetric-incl", "symmetric-iid", "asymmetric", "pair", "instance", "randx",
        "random-pixels", "shuffled-pixels", "gaussian", "shot", "impulse", "speckle", "gaussian-blur",
        "defocus-blur", "glass-blur", "motion-blur", "zoom-blur", "brightness", "contrast", "saturate", "jpeg",
        "pixelate", "elastic",
    ]  # fmt: skip
    return {
        **{kind: f"{kind}:{rate!r}" for kind in rated},
        "occlusion": f"occlusion:{rate!r}:size=2",
        "random": "random",
        "matrix": f"matrix:file={paths['T.csv']}",
        "human": f"human:column=aggre:file={paths['human.npz']}",
        "label-list": f"label-list:file={paths['list.json']}",
        "open": f"open:{rate!r}:{foreign}",
        "open-list": f"open-list:file={paths['open.json']}:{foreign}",
    }


def task_of(text: str, count: int = 40, seed: int = 0, side: int = 4) -> Task:
    """The task of one spec on the small data set, every sample free."""
    (spec,) = parse_specs([text])
    ids = np.arange(count)
    free = np.ones(count, bool)
    return Task(spec, pictures(count, side), labels_of(ids), NAMES, ids, free, "pictures", seed, {})


def made(
    count: int, texts: list[str], seed: int = 0, sample_id: np.ndarray | None = None, side: int = 4
) -> Corrupted:
    """The small data set corrupted; image and label of a sample depend on its id, not on its position."""
    ids = np.arange(count) if sample_id is None else sample_id
    return corrupt(
        pictures(int(ids.max()) + 1, side)[ids],
        labels_of(ids),
        parse_specs(texts),
        seed=seed,
        dataset="pictures",
        class_names=NAMES,
        sample_id=sample_id,
    )
