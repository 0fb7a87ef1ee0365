"""Commands about the data: data info, data prepare."""

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from memgate import console
from memgate.config.data import DataConfig, DataName


@dataclass(frozen=True)
class DataInfo:
    """Print the contents of a data set."""

    data: DataConfig = field(default_factory=DataConfig)

    def run(self) -> None:
        """Print sizes, digests, channel statistics and classes."""
        from memgate.data.image_set import describe, load_splits

        splits = load_splits(self.data)
        console.warn(*splits.notes)
        facts = describe(splits)
        side, classes = facts["image_size"], facts["classes"]
        console.line(f"{facts['name']} from {facts['source']}: {side}x{side} pixels, {len(classes)} classes")
        for row in facts["splits"]:
            counts = row["class_images"]
            console.line(
                f"  {row['split']:5s} {row['images']:6d} images, {min(counts)} to {max(counts)} per class, "
                f"sha256 {row['digest'][:16]}"
            )
        for name in ("mean", "std"):
            console.line(f"  {name:5s} " + "  ".join(f"{value:.4f}" for value in facts[name]))
        console.line("  classes: " + ", ".join(classes))


@dataclass(frozen=True)
class DataPrepare:
    """Download a data set, check it and cache it as one file."""

    name: Positional[DataName] = "cifar10"
    """Name of the data set."""
    root: Path = Path("data")
    """Folder of the data."""

    def run(self) -> None:
        """Print the path of the file."""
        from memgate.data.image_set import prepare

        console.line(str(prepare(DataConfig(name=self.name, root=self.root))))
