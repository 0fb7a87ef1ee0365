"""Commands about the data and its corruption: data info, data prepare, corrupt, corrupt verify."""

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from memgate import console
from memgate.config import DataConfig, DataName, RunConfig
from memgate.errors import MemgateError


@dataclass(frozen=True)
class DataInfo:
    """Say what a data set holds."""

    data: DataConfig = field(default_factory=DataConfig)

    def run(self) -> None:
        """Print sizes, digests, channel statistics and classes."""
        from memgate.data import describe, load_splits

        found = describe(load_splits(self.data))
        side, classes = found["image_size"], found["classes"]
        console.line(f"{found['name']} from {found['source']}: {side}x{side} pixels, {len(classes)} classes")
        for row in found["splits"]:
            counts = row["class_images"]
            console.line(
                f"  {row['split']:5s} {row['images']:6d} images, {min(counts)} to {max(counts)} a class, "
                f"sha256 {row['digest'][:16]}"
            )
        for name in ("mean", "std"):
            console.line(f"  {name:5s} " + "  ".join(f"{value:.4f}" for value in found[name]))
        console.line("  classes: " + ", ".join(classes))


@dataclass(frozen=True)
class DataPrepare:
    """Download a data set, check it and cache it as one file."""

    name: Positional[DataName] = "cifar10"
    """The data set."""
    root: Path = Path("data")
    """Where to put it."""

    def run(self) -> None:
        """Print where the data is."""
        from memgate.data import prepare

        console.line(str(prepare(DataConfig(name=self.name, root=self.root))))


@dataclass(frozen=True)
class CorruptWrite:
    """Write the manifest of a corruption to a file: what would be done to each training sample."""

    noise: tuple[str, ...]
    """Corruptions as KIND:RATE[:KEY=VALUE...]."""
    out: Path = Path("manifest.npz")
    """The file to write."""
    noise_seed: int = 0
    """Seed of the corruption."""
    data: DataConfig = field(default_factory=DataConfig)

    def run(self) -> None:
        """Write the manifest and print its summary."""
        from memgate.inputs import load_inputs

        if self.out.exists():
            raise MemgateError(f"{self.out} exists already: choose another --out, or remove it.")
        config = RunConfig(noise=self.noise, noise_seed=self.noise_seed, data=self.data)
        manifest = load_inputs(config).manifest
        manifest.save(self.out)
        summary = manifest.summary()
        console.line(
            f"{self.out}: {summary['count']} samples of {summary['dataset']}, seed {summary['seed']}"
        )
        for operation in summary["operations"]:
            console.line(
                f"  {operation['text']}: requested {operation['requested']:.4f}, "
                f"realised {operation['realised']:.4f} ({operation['convention']})"
            )
        console.line("  " + ", ".join(f"{cause} {count}" for cause, count in summary["causes"].items()))


@dataclass(frozen=True)
class CorruptVerify:
    """Recompute a manifest from the clean data and say what differs."""

    file: Positional[Path]
    """The manifest."""
    data: DataConfig = field(default_factory=DataConfig)

    def run(self) -> None:
        """Print that all is equal, or end with exit code 1 after naming what differs."""
        from memgate.data import load_splits
        from noise.apply import verify
        from noise.manifest import Manifest

        manifest = Manifest.load(self.file)
        clean = load_splits(self.data).train
        differences = verify(manifest, clean.images, clean.labels)
        for sentence in differences:
            console.line(sentence)
        if differences:
            raise SystemExit(1)
        console.line(
            f"{self.file}: {len(manifest.sample_id)} samples, every column and every pixel as recorded."
        )
