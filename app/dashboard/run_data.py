"""Manifests and images of runs, cached by the manifest's time of change."""

from pathlib import Path

import streamlit as st

from memgate.errors import MemgateError, reading
from memgate.log.identity import manifest_path
from memgate.runs.pictures import SplitPictures, pictures_of
from memgate.runs.run import Run
from noise.manifest.manifest import Manifest


def operation_kinds(run: Run) -> list[str]:
    """Kind of each corruption by its code in the log (``label_op``, ``image_op``); the first is ``none``.

    Raises:
        MemgateError: the manifest is damaged.
    """
    path = run.path / "manifest.npz"
    with reading(str(path)):
        return _operation_kinds(str(run.path), path.stat().st_mtime_ns)


@st.cache_data(max_entries=256, show_spinner=False)
def _operation_kinds(path: str, mtime_ns: int) -> list[str]:
    return ["none", *(operation.kind for operation in Run(Path(path)).manifest.header.operations)]


def image_source(run: Run, split: str, sample_id: int) -> str:
    """Source of the image of an open-set sample of a corrupted split, as ``data set:row``.

    Raises:
        MemgateError: the manifest is damaged.
    """
    path = manifest_path(run.path, split)
    with reading(str(path)):
        manifest = Manifest.load(path)
        return str("".join(manifest.source[manifest.sample_id == sample_id]))


@st.cache_resource(max_entries=2, show_spinner="Reading the images …")
def _pictures(path: str, mtime_ns: int) -> dict[str, SplitPictures]:
    return pictures_of(Run(Path(path)))


def pictures(run: Run, split: str) -> SplitPictures:
    """Images of a split: as given, and as they were where that is known.

    Raises:
        MemgateError: the run has no images of the split, or its data is missing or has changed since training.
    """
    manifest = run.path / "manifest.npz"
    with reading(str(manifest)):
        splits = _pictures(str(run.path), manifest.stat().st_mtime_ns)
    if split not in splits:
        raise MemgateError(f"{run.name} has no images of the split {split}.")
    return splits[split]
