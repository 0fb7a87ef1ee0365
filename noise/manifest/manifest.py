"""The manifest: one row per sample with what was done to it, and a header with everything to reproduce it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import NoiseError, require
from noise.files.digests import column_digest
from noise.files.npz import read_npz, write_npz
from noise.manifest.header import SCHEMA, Header

COLUMNS: dict[str, str] = {
    "sample_id": "int64",
    "clean_label": "int64",
    "given_label": "int64",
    "label_op": "int16",
    "image_op": "int16",
    "severity": "int8",
    "source": "str",
    "pixels": "uint64",
}
"""Column name to dtype, in the order of the file."""

MOST_HEADER, NPY_HEADER, MOST_SOURCE = 2**28, 10_000, 1_000
"""Bytes of the header's array and of the head of an array in the file; characters of a name in ``source``."""

CAUSES = ("clean", "label", "image", "label+image", "open")
"""What is corrupted in a sample: nothing, its label, its image, both, or the image is from another data set."""

CORRUPTED_CAUSES = CAUSES[1:]


def causes(
    label_corrupted: NDArray[np.bool_], image_corrupted: NDArray[np.bool_], open_set: NDArray[np.bool_]
) -> NDArray[np.str_]:
    """Cause of each sample, one of :data:`CAUSES` [N], from three masks [N].

    An image of another data set is ``open`` whatever its label, since no class is right for it.
    """
    return np.array(CAUSES)[np.where(open_set, 4, label_corrupted + 2 * image_corrupted)]


@dataclass(frozen=True, eq=False)
class Manifest:
    """What was done to each of N samples.

    Attributes:
        header: facts about the whole data set.
        sample_id: [N] int64, distinct; the row of the sample in the official file.
        clean_label: [N] int64 in [0, K).
        given_label: [N] int64 in [0, K), the label that training is given.
        label_op: [N] int16, code of the label operation in the header; 0 for none.
        image_op: [N] int16, code of the image operation in the header; 0 for none.
        severity: [N] int8, 1 to 5 for image kinds that have one, else 0.
        source: [N] text, ``dataset:index`` for an image from another data set, else empty.
        pixels: [N] uint64, first eight bytes of the SHA-256 of the corrupted image; 0 without an image operation.

    Raises:
        NoiseError: a column has another length, dtype or range.

    Example:
        >>> import noise, numpy as np
        >>> images, labels = np.zeros((10, 8, 8, 3), np.uint8), np.arange(10)
        >>> names = [f"class {label}" for label in range(10)]
        >>> result = noise.corrupt(images, labels, ["pair:0.2"], seed=0, dataset="mine", class_names=names)
        >>> result.manifest.save(tmp_path / "manifest.npz")
        >>> manifest = noise.Manifest.load(tmp_path / "manifest.npz")
        >>> int(manifest.label_corrupted.sum()), manifest.header.operations[0].text
        (2, 'pair:0.2')
        >>> sorted(set(manifest.cause.tolist()))
        ['clean', 'label']
    """

    header: Header
    sample_id: NDArray[np.int64]
    clean_label: NDArray[np.int64]
    given_label: NDArray[np.int64]
    label_op: NDArray[np.int16]
    image_op: NDArray[np.int16]
    severity: NDArray[np.int8]
    source: NDArray[np.str_]
    pixels: NDArray[np.uint64]

    def __post_init__(self) -> None:
        count, kinds = self.header.count, len(self.header.operations)
        require(count >= 1, f"the header states {count} samples: a manifest has at least 1.")
        for name, column in self.columns().items():
            dtype = "str" if column.dtype.kind == "U" else column.dtype.name
            require(
                column.shape == (count,) and dtype == COLUMNS[name],
                f"column {name} is {dtype}{list(column.shape)} and must be {COLUMNS[name]}[{count}].",
            )
        for name, bound in (
            ("clean_label", self.header.class_count),
            ("given_label", self.header.class_count),
            ("label_op", kinds + 1),
            ("image_op", kinds + 1),
            ("severity", 6),
        ):
            column = self.columns()[name]
            within = bool(((column >= 0) & (column < bound)).all())
            require(
                within, f"column {name} holds {column.min()} to {column.max()}, outside 0 to {bound - 1}."
            )
        require(
            len(np.unique(self.sample_id)) == count,
            "column sample_id holds an id twice: ids must be distinct.",
        )
        for operation in self.header.operations:
            for target, column in (("label", self.label_op), ("image", self.image_op)):
                require(
                    target in operation.spec.targets or not (column == operation.code).any(),
                    f"column {target}_op names {operation.text}, which changes no {target}.",
                )

    def columns(self) -> dict[str, NDArray[Any]]:
        """Column name to array, in the order of the file."""
        return {name: getattr(self, name) for name in COLUMNS}

    @property
    def label_corrupted(self) -> NDArray[np.bool_]:
        """[N] whether the given label differs from the clean one (an operation may draw the clean label again)."""
        return self.given_label != self.clean_label

    @property
    def image_corrupted(self) -> NDArray[np.bool_]:
        """[N] whether an image operation touched the sample."""
        return self.image_op > 0

    @property
    def open_set(self) -> NDArray[np.bool_]:
        """[N] whether the image is from another data set."""
        return self.source != ""

    @property
    def corrupted(self) -> NDArray[np.bool_]:
        """[N] whether label or image is corrupted."""
        return self.label_corrupted | self.image_corrupted

    @property
    def cause(self) -> NDArray[np.str_]:
        """[N] one of :data:`CAUSES`."""
        return causes(self.label_corrupted, self.image_corrupted, self.open_set)

    @property
    def label_kinds(self) -> NDArray[np.str_]:
        """[N] kind of the sample's label operation, or ``none``."""
        return self._kinds()[self.label_op]

    @property
    def image_kinds(self) -> NDArray[np.str_]:
        """[N] kind of the sample's image operation, or ``none``."""
        return self._kinds()[self.image_op]

    def _kinds(self) -> NDArray[np.str_]:
        """[number of operations + 1] kind of each operation code; ``none`` for code 0."""
        return np.array(["none", *(operation.kind for operation in self.header.operations)])

    def verify_columns(self) -> list[str]:
        """Names of the columns whose digest differs from the header; empty when the manifest is undamaged."""
        digests = self.header.column_digests
        return [name for name, column in self.columns().items() if column_digest(column) != digests.get(name)]

    def damage(self) -> str:
        """Message that names the columns of :meth:`verify_columns`; empty when the manifest is undamaged."""
        names = ", ".join(self.verify_columns())
        return names and f"column {names} is not the one that was written: take an undamaged copy."

    def save(self, path: str | Path) -> None:
        """Write the manifest to ``path`` atomically, replacing an existing file; equal manifests give equal bytes.

        Raises:
            NoiseError: the file cannot be written.
        """
        write_npz(Path(path), {"header": np.array(self.header.to_json()), **self.columns()})

    @classmethod
    def load(cls, path: str | Path) -> "Manifest":
        """The manifest at ``path``.

        Raises:
            NoiseError: the file is missing, damaged, or not a manifest of this schema.
        """
        path = Path(path)
        # The header is read first: it says how large the columns can be, so that nothing larger is unpacked.
        arrays = read_npz(path, {"header": MOST_HEADER})
        require("header" in arrays, f"{path} is not a manifest ({SCHEMA}): it lacks header.")
        try:
            header = Header.from_json(str(arrays["header"]))
        except NoiseError as error:
            raise NoiseError(f"{path} is not a valid manifest: {error}") from error
        count = max(header.count, 0)
        arrays = read_npz(path, {name: NPY_HEADER + count * _item_size(name) for name in COLUMNS})
        missing = [name for name in COLUMNS if name not in arrays]
        require(not missing, f"{path} is not a manifest ({SCHEMA}): it lacks {', '.join(missing)}.")
        try:
            return cls(header, **arrays)
        except NoiseError as error:
            raise NoiseError(f"{path} is not a valid manifest: {error}") from error


def _item_size(column: str) -> int:
    """Largest number of bytes of one value of a column."""
    kind = COLUMNS[column]
    return 4 * MOST_SOURCE if kind == "str" else np.dtype(kind).itemsize
