"""The pictures of a run for people to look at, whoever trained it. No torch."""

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
"""Where a recorded run keeps its pictures: an array uint8 [N, H, W, 3] for each split that has some."""


@dataclass(frozen=True, eq=False)
class SplitPictures:
    """The pictures of one split."""

    sample_id: NDArray[np.int64]
    """[N]."""
    given: NDArray[np.uint8]
    """[N, H, W, 3], as the network was given them."""
    clean: NDArray[np.uint8] | None
    """The same samples as they are on disk; None where only the given ones are known."""

    def of(self, sample_id: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None] | None:
        """The given and the clean picture [H, W, 3] of a sample; None for an id that the split has not."""
        found = self.rows([sample_id])
        if len(found) == 0:
            return None
        return self.given[found[0]], None if self.clean is None else self.clean[found[0]]

    def rows(self, ids: NDArray[np.integer] | Sequence[int]) -> NDArray[np.intp]:
        """Rows of some samples in the order of ``ids``; ids that the split has not are left out."""
        wanted = np.asarray(ids, np.int64)
        return places_of(self.sample_id, wanted[np.isin(wanted, self.sample_id)])


def pictures_of(run: Run) -> dict[str, SplitPictures]:
    """Split to its pictures.

    Raises:
        MemgateError: the run has none, or its data is missing or no longer what the run recorded.
    """
    if run.recorded:
        return _recorded(run)
    inputs = inputs_of(run)
    found = {}
    for split in inputs.splits:
        images, clean = inputs.image_set(split), inputs.clean_images(split).images
        # 50,000 small pictures are 150 MB: one copy is enough where only labels were touched.
        found[split] = SplitPictures(
            images.sample_id, images.images, images.images if np.array_equal(images.images, clean) else clean
        )
    return found


def save_pictures(folder: Path, images: Mapping[str, NDArray[np.uint8]]) -> None:
    """Keep pictures uint8 [N, H, W, 3] by split in a run's folder; no file where there are none."""
    if images:
        atomic_write(folder / FILE, lambda stream: np.savez(stream, allow_pickle=False, **images))


def _recorded(run: Run) -> dict[str, SplitPictures]:
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
