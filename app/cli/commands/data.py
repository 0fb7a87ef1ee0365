"""Commands about the data: data info, data prepare."""

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from memgate import console
from memgate.config.run import DataConfig, DataName


@dataclass(frozen=True)
class DataInfo:
    """Say what a data set holds."""

    data: DataConfig = field(default_factory=DataConfig)

    def run(self) -> None:
        """Print sizes, digests, channel statistics and classes."""
        from memgate.data.image_set import describe, load_splits

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
        from memgate.data.image_set import prepare

        console.line(str(prepare(DataConfig(name=self.name, root=self.root))))
