"""The images of a run for display, also of runs that a Recorder made. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memgate.data.sources.source import load_arrays
from memgate.errors import MemgateError
from memgate.log.format import places_of
from memgate.runs.inputs import inputs_of
from memgate.runs.run import Run
from noise.files.atomic import atomic_write

FILE = "images.npz"
"""File with the images of a recorded run: an array uint8 [N, H, W, 3] for each split that has images."""


@dataclass(frozen=True, eq=False)
class SplitPictures:
    """The images of one split."""

    sample_id: NDArray[np.int64]
    """[N]."""
    given: NDArray[np.uint8]
    """[N, H, W, 3], as given to the network."""
    clean: NDArray[np.uint8] | None
    """[N, H, W, 3], the same samples as they are on disk; None where only the given images are known."""

    def of(self, sample_id: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None] | None:
        """The given and the clean image [H, W, 3] of a sample; None where the split has no such id."""
        rows = self.rows([sample_id])
        if len(rows) == 0:
            return None
        return self.given[rows[0]], None if self.clean is None else self.clean[rows[0]]

    def rows(self, ids: NDArray[np.integer] | Sequence[int]) -> NDArray[np.intp]:
        """Rows [n] of samples in the order of ``ids``; ids that the split does not have are left out."""
        wanted = np.asarray(ids, np.int64)
        return places_of(self.sample_id, wanted[np.isin(wanted, self.sample_id)])


def pictures_of(run: Run) -> dict[str, SplitPictures]:
    """Split to its images.

    Raises:
        MemgateError: the run has no images, or its data is missing or differs from what the run recorded.
    """
    if run.recorded:
        return _recorded(run)
    inputs = inputs_of(run)
    pictures = {}
    for split in inputs.splits:
        images, clean = inputs.image_set(split), inputs.clean_images(split).images
        # 50,000 small images take 150 MB: one copy is enough where only labels were changed.
        pictures[split] = SplitPictures(
            images.sample_id, images.images, images.images if np.array_equal(images.images, clean) else clean
        )
    return pictures


def save_pictures(folder: Path, images: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write images uint8 [N, H, W, 3] by split into the folder of a run; no file where there are none."""
    if images:
        atomic_write(folder / FILE, lambda stream: np.savez(stream, allow_pickle=False, **images))


def _recorded(run: Run) -> dict[str, SplitPictures]:
    """Split to its images, of a run that a Recorder made."""
    path = run.path / FILE
    if not path.is_file():
        raise MemgateError(
            f"{run.name} was recorded without pictures: give the Recorder images= to have them shown here."
        )
    log = run.sample_log()
    arrays = load_arrays(path, "record the run again")
    touched = (run.manifest.image_op > 0).any()
    return {
        split: SplitPictures(
            log.samples(split).sample_id, images, None if split == "train" and touched else images
        )
        for split, images in arrays.items()
        if split in log.splits
    }
