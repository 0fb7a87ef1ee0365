"""Commands about corruptions and their manifests: corrupt write, show, verify, export, import, kinds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from tyro.conf import Positional

from memgate import console
from memgate.config.data import DataConfig, DataName
from memgate.errors import MemgateError
from noise.errors import MissingFileError, NoiseError
from noise.files.atomic import atomic_write
from noise.files.read import absolute
from noise.spec import CorruptionSpec, parse_specs

if TYPE_CHECKING:
    from memgate.data.image_set import ImageSet
    from memgate.runs.corruption import CorruptedSplit
    from noise.manifest.manifest import Manifest

ExchangeFormat = Literal["dividemix", "evidentialmix", "csv", "cleanlab", "matrix"]


@dataclass(frozen=True)
class CorruptWrite:
    """Write the manifest of a corruption, one row per sample, and an image with examples."""

    noise: tuple[str, ...]
    """Corruptions as KIND:RATE[:KEY=VALUE...]; 'memgate corrupt kinds' lists them."""
    out: Path = Path("manifest.npz")
    """The file to write."""
    sheet: Path | None = None
    """Image with examples of each corruption to write (PNG). None: --out with the ending .png."""
    noise_seed: int = 0
    """Seed of the corruption."""
    split: Literal["train", "val", "test"] = "train"
    """Split to corrupt."""
    data: DataConfig = field(default_factory=DataConfig)

    def run(self) -> None:
        """Write both files and print the tables of 'memgate corrupt show'."""
        _corrupt_and_write(
            self.noise, "--noise", self.noise_seed, self.split, self.data, self.out, self.sheet
        )


@dataclass(frozen=True)
class CorruptShow:
    """Print a manifest's rates, requested and realised, overall and per class, and its label transitions."""

    file: Positional[Path]
    """The manifest."""
    format: console.Form = "terminal"
    """Format of the output."""

    def run(self) -> None:
        """Print the tables."""
        from probes.report.corruption import describe_manifest

        console.line(describe_manifest(_undamaged(self.file), self.format))


@dataclass(frozen=True)
class CorruptVerify:
    """Recompute a manifest from the clean data and print the differences."""

    file: Positional[Path]
    """The manifest."""
    data: DataConfig = field(default_factory=DataConfig)

    def run(self) -> None:
        """Print that all is equal, or print the differences and end with exit code 1."""
        from memgate.data.image_set import load_splits
        from memgate.runs.corruption import source_folders, sources_for
        from noise.manifest.manifest import Manifest
        from noise.verify import verify

        manifest = Manifest.load(self.file)
        header = manifest.header
        name, _, split = header.dataset.partition("/")
        # Another name was given by a program that used the package noise itself.
        if name != self.data.name and name in get_args(DataName):
            raise MemgateError(
                f"{self.file} is a manifest of {header.dataset} and the data is {self.data.name}: "
                f"verify it with --data.name {name}."
            )
        clean = _images_of(load_splits(self.data).present, split or "train", str(self.file))
        if clean.digest != header.source_digest:
            raise MemgateError(
                f"{self.file} was made from {header.count} other images or labels than these {len(clean)} "
                f"(SHA-256 {header.source_digest[:12]} and {clean.digest[:12]}): give the --data flags that it was "
                "written with."
            )
        sources = sources_for((operation.spec for operation in header.operations), self.data)
        folders = source_folders(self.data, self.file.parent)
        try:
            differences = verify(
                manifest,
                clean.images,
                clean.labels,
                class_names=clean.class_names,
                sources=sources,
                folders=folders,
            )
        except NoiseError as error:
            hint = " It may also lie beside the manifest." if isinstance(error, MissingFileError) else ""
            raise MemgateError(f"{self.file}: {error}{hint}") from error
        for sentence in differences:
            console.line(sentence)
        if differences:
            raise SystemExit(1)
        console.line(f"{self.file}: {header.count} samples, every column and every pixel as recorded.")


@dataclass(frozen=True)
class CorruptExport:
    """Write a manifest in the format of another tool."""

    file: Positional[Path]
    """The manifest."""
    format: ExchangeFormat
    """dividemix: JSON list of given labels; evidentialmix: JSON with open-set images too; csv: one row per sample;
    matrix: realised shares with clean classes as rows; cleanlab: the same with clean classes as columns."""
    out: Path
    """The file to write."""

    def run(self) -> None:
        """Write the file and print its path."""
        from noise.manifest.exchange import FORMATS, left_out

        _check_new(self.out, "--out")
        manifest = _undamaged(self.file)
        try:
            content = FORMATS[self.format](manifest)
        except NoiseError as error:
            raise MemgateError(f"{self.file} cannot be written as {self.format}: {error}") from error
        _write(self.out, content)
        omission = left_out(manifest, self.format)
        if omission:
            console.warn(f"{self.out}: {omission}")
        console.line(str(self.out))


@dataclass(frozen=True)
class CorruptImport:
    """Make a manifest from the noise file of another tool: JSON of DivideMix or EvidentialMix, or CSV."""

    file: Positional[Path]
    """The file; a CSV (with columns sample_id and given_label) is recognised by its ending."""
    source: str | None = None
    """Source of the images that an EvidentialMix file inserts: cifar10, cifar100, svhn or npz=FILE."""
    out: Path = Path("manifest.npz")
    """The manifest to write."""
    sheet: Path | None = None
    """Image with examples to write (PNG). None: --out with the ending .png."""
    data: DataConfig = field(default_factory=DataConfig)

    def run(self) -> None:
        """Write both files and print the tables of 'memgate corrupt show'."""
        from noise.files.read import read_file
        from noise.labels.lists import open_pairs
        from noise.manifest.exchange import corrupted_images, format_of

        file = read_file(self.file)
        form = format_of(file)
        inserted = len(open_pairs(file)) if form == "evidentialmix" else 0
        noise = _imported(self.file, inserted, self.source)
        manifest = _corrupt_and_write(noise, str(self.file), 0, "train", self.data, self.out, self.sheet)
        _warn_of_chance(manifest)
        changed = corrupted_images(file) if form == "csv" else 0
        if changed:
            console.warn(
                f"{self.file} says that {changed} images were changed, and a CSV cannot say how: "
                "only its labels are imported."
            )


@dataclass(frozen=True)
class CorruptKinds:
    """List all kinds of corruption: meaning of the rate, parameters, convention."""

    format: console.Form = "terminal"
    """Format of the output."""

    def run(self) -> None:
        """Print the table."""
        from probes.report.corruption import kinds_table

        console.line(kinds_table(self.format))


def _warn_of_chance(manifest: "Manifest") -> None:
    """Warn when an imported list agrees with the clean labels no more often than by chance."""
    chance = 1 - 1 / manifest.header.class_count
    wrong = float(manifest.label_corrupted.mean())
    if wrong > 0.9 * chance:
        console.warn(
            f"{wrong:.1%} of the labels are wrong, about as many as by chance ({chance:.1%}): unless all labels "
            "are meant to be random, the list belongs to another data set or order."
        )


def _undamaged(path: Path) -> "Manifest":
    """The manifest at ``path``.

    Raises:
        MemgateError: a column differs from its digest.
    """
    from noise.manifest.manifest import Manifest

    manifest = Manifest.load(path)
    damage = manifest.damage()
    if damage:
        raise MemgateError(f"{path}: {damage}")
    return manifest


def _imported(path: Path, inserted: int, source: str | None) -> tuple[str, ...]:
    """The corruptions of a noise file, as texts for ``--noise``.

    Args:
        path: the noise file.
        inserted: number of open-set images that it inserts.
        source: source of these images.

    Raises:
        MemgateError: it inserts images and ``source`` is missing, or it inserts none and ``source`` is given.
    """
    if inserted and source is None:
        raise MemgateError(
            f"{path} inserts {inserted} images and does not say from which data set: "
            "add --source cifar100, svhn or npz=FILE."
        )
    if source is not None and not inserted:
        raise MemgateError(f"{path} inserts no images, so --source {source} has no use: leave it out.")
    labels = f"label-list:file={path}"
    return (labels, f"open-list:file={path}:source={source}") if inserted else (labels,)


def _corrupt_and_write(
    noise: Sequence[str],
    origin: str,
    seed: int,
    split: str,
    data: DataConfig,
    out: Path,
    sheet: Path | None,
) -> "Manifest":
    """Corrupt a split, write its manifest and its image of examples, and print the tables of the manifest.

    Everything is computed before anything is written.

    Args:
        noise: corruptions as texts.
        origin: the flag or file of the corruptions, named in errors.
        seed: seed of the corruption.
        split: name of the split.
        data: the data set.
        out: the manifest to write.
        sheet: the image to write; None: ``out`` with the ending .png.

    Returns:
        The manifest.
    """
    from memgate.data.image_set import load_splits
    from memgate.runs.corruption import corrupted_split, foreign_notes, sources_for
    from probes.report.corruption import describe_manifest

    _check_new(out, "--out")
    sheet = sheet or out.with_suffix(".png")
    if sheet.suffix.lower() != ".png":
        raise MemgateError(f"--sheet {sheet} is written as PNG: give it the ending .png.")
    if sheet.absolute() == out.absolute():
        raise MemgateError(f"--out and --sheet are both {out}: give the sheet another name.")
    _check_new(sheet, "--sheet")
    specs = _specs(noise, origin)
    if not specs:
        raise MemgateError("--noise names no corruption: 'memgate corrupt kinds' lists them.")
    splits = load_splits(data)
    console.warn(*splits.notes)
    clean = _images_of(splits.present, split, f"--split {split}")
    name = data.name if split == "train" else f"{data.name}/{split}"
    try:
        result = corrupted_split(clean, specs, seed, name, sources_for(specs, data))
    except NoiseError as error:
        raise MemgateError(f"{origin}: {error}") from error
    console.warn(*foreign_notes(result))
    image, text = _sheet(clean, result), describe_manifest(result.manifest)
    _write(sheet, image)
    try:
        result.manifest.save(out)
    except BaseException:  # Ctrl-C too: a sheet without its manifest would stop the next try
        sheet.unlink()
        raise
    console.line(f"manifest  {out}\nexamples  {sheet}\n\n{text}")
    return result.manifest


def _specs(texts: Sequence[str], origin: str) -> tuple[CorruptionSpec, ...]:
    """Corruptions from their texts, with absolute paths, since a manifest is also verified from other folders."""
    try:
        return tuple(absolute(spec) for spec in parse_specs(texts))
    except NoiseError as error:
        raise MemgateError(f"{origin}: {error}") from error


def _images_of(splits: "dict[str, ImageSet]", split: str, origin: str) -> "ImageSet":
    """The images of a split; ``origin`` is the flag or file that names it, for the error."""
    if split not in splits:
        remedy = "add --data.val-fraction" if split == "val" else f"there are {', '.join(splits)}"
        raise MemgateError(f"{origin}: the data has no split {split!r}: {remedy}.")
    return splits[split]


def _sheet(clean: "ImageSet", result: "CorruptedSplit") -> bytes:
    """The image with examples of a corrupted split, as PNG."""
    from noise.apply import Corrupted
    from noise.contact_sheet import contact_sheet

    corrupted = Corrupted(result.images.images, result.images.labels, result.manifest)
    return contact_sheet(clean.images, corrupted)


def _check_new(path: Path, flag: str) -> None:
    """Raise MemgateError unless a file can be created at ``path``; called before the computation."""
    if not path.name:
        raise MemgateError(f"{flag} is no file name: give one, such as {flag} manifest.npz.")
    if path.exists():
        raise MemgateError(f"{path} exists already: choose another {flag}, or remove it.")
    if not path.absolute().parent.is_dir():
        raise MemgateError(f"{flag} {path}: there is no folder {path.parent}: create it, or choose another.")


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    try:
        atomic_write(path, lambda stream: stream.write(content))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error.strerror}): check the folder and the disk."
        ) from error
