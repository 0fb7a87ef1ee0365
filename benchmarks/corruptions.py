"""Seconds of each corruption on a whole data set, and their ratio to randx in the same run.

    python benchmarks/corruptions.py [--count 50000] [--classes 10] [--only gaussian elastic]

Every kind corrupts all samples (rate 1; ``human`` and the lists: all samples that they change) of 32x32 colour images;
selection, random numbers, digests and manifest are included. The images are enlarged random patches, about as smooth
as photographs.

Ends with exit code 1 when a kind takes more than LIMIT times as long as randx, which draws a normal number per value.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from noise.apply import corrupt
from noise.kinds import KINDS
from noise.spec import parse_specs

LIMIT = 3.0
SIDE = 32


def smooth_images(count: int) -> np.ndarray:
    """Enlarged random 6x6 patches, uint8 [count, 32, 32, 3]."""
    draw = np.random.default_rng(0).integers(0, 256, (count, 6, 6, 3), np.uint8)
    size = (SIDE, SIDE)
    return np.stack(
        [np.asarray(Image.fromarray(patch).resize(size, Image.Resampling.BICUBIC)) for patch in draw]
    )


def write_files(folder: Path, images: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, str]:
    """Kind to the end of its spec, after writing the files that kinds read."""
    np.savetxt(folder / "T.csv", np.full((classes, classes), 1 / classes), delimiter=",")
    given = (labels + (np.arange(len(labels)) % 5 == 0)) % classes
    np.savez(folder / "human.npz", clean=labels, aggre=given)
    np.savez(folder / "foreign.npz", images=images[::-1])
    pairs = [[row, row] for row in range(len(labels))]
    (folder / "open.json").write_text(json.dumps({"noise_labels": given.tolist(), "open_noise": pairs}))
    source = f"source=npz={folder}/foreign.npz"
    return {
        "matrix": f":file={folder}/T.csv",
        "human": f":column=aggre:file={folder}/human.npz",
        "label-list": f":file={folder}/open.json",
        "open": f":1:{source}",
        "open-list": f":file={folder}/open.json:{source}",
        "asymmetric": ":1:convention=legacy-block5",
        "random": "",
    }


def main() -> int:
    """Print one line per kind; the exit code is 1 where one is too slow."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    images, labels = smooth_images(options.count), np.arange(options.count) % options.classes
    names = [str(label) for label in range(options.classes)]
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        spec_ends = write_files(Path(folder), images, labels, options.classes)
        for kind in dict.fromkeys(["randx", *options.only]):
            specs = parse_specs([kind + spec_ends.get(kind, ":1")])
            start = time.perf_counter()
            corrupt(images, labels, specs, seed=0, dataset="benchmark", class_names=names)
            seconds[kind] = time.perf_counter() - start
            print(
                f"{kind:16s} {seconds[kind]:6.2f} s  {seconds[kind] / seconds['randx']:5.2f} x randx",
                flush=True,
            )
    slow = [kind for kind, taken in seconds.items() if taken > LIMIT * seconds["randx"]]
    print(f"above {LIMIT} x randx: {', '.join(slow) or 'none'}")
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
