"""Every network on the same few real images: accuracy, what its gates do, and seconds beside the ungated network's.

    python benchmarks/models.py [--epochs 3] [--data-root data] [--out runs/models] [--device cpu] [--only block-]

Each is of depth 14 and trained from the recipe ``models-small``: 4,000 images of CIFAR-10, 20 % of them with a wrong
label. The runs are a folder of ordinary ones, and what is finished is not trained again. They are trained one after
another, so seconds depend on what else the machine did meanwhile.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tabulate import tabulate

from memgate import console
from memgate.config import GateConfig, RunConfig
from memgate.recipes import recipe
from memgate.runs import Run
from memgate.sweep import check_existing, state_of
from memgate.sweeprun import run_here

FLATTEN = GateConfig(input="flatten")

NETWORKS = {
    "resnet": ("resnet", GateConfig()),
    "entropy-gate": ("entropy-gate", GateConfig()),
    "entropy-gate-centred": ("entropy-gate", GateConfig(curve="centred")),
    "block-scalar": ("block-scalar", replace(FLATTEN, penalty=0.01)),
    "block-displacement": ("block-displacement", replace(FLATTEN, penalty=1e-4)),
    "block-entropy": ("block-entropy", replace(FLATTEN, curve="centred")),
    "block-two-way-ce": ("block-two-way", replace(FLATTEN, penalty=0.01)),
    "block-two-way-bce": ("block-two-way", replace(FLATTEN, penalty=0.01, target_loss="bce")),
    "layer-exclusive": ("layer-exclusive", GateConfig()),
    "layer-exclusive-l2": ("layer-exclusive", GateConfig(penalty=0.01)),
    "layer-shortcut-only": ("layer-shortcut-only", GateConfig()),
    "layer-two-way": ("layer-two-way", GateConfig(penalty=0.01)),
    "layer-two-way-authors": ("layer-two-way", GateConfig(penalty=0.01, temperature=10_000)),
}
"""Name to network and gates, with the papers' settings where they name one."""


def configs(epochs: int, data_root: Path, out: Path, device: str, only: str) -> list[RunConfig]:
    """The run of each network; the ungated one always, because the others are held against it."""
    base = recipe("models-small")
    train = replace(base.train, epochs=epochs, milestones=(epochs * 2 // 3,) if epochs > 1 else ())
    base = replace(base, train=train, out=out, device=device, data=replace(base.data, root=data_root))
    return [
        replace(base, name=f"{label}-e{epochs}", model=replace(base.model, name=network, gate=gate))
        for label, (network, gate) in NETWORKS.items()
        if only in label or label == "resnet"
    ]


def measured(run: Run, ungated: float) -> dict[str, str]:
    """One line of the table."""
    spent = seconds(run)
    return {
        "network": run.name,
        "gates": str(len(run.outline.gates)),
        "test accuracy": f"{run.metrics()[-1]['test_accuracy']:.1%}",
        "g clean": mean_gate(run, corrupted=False),
        "g corrupted": mean_gate(run, corrupted=True),
        "s/epoch": f"{spent:.1f}",
        "x ungated": f"{spent / ungated:.2f}",
    }


def mean_gate(run: Run, corrupted: bool) -> str:
    """Mean of g at the last epoch over the clean or the corrupted training samples and over all gates."""
    log = run.log()
    samples = log.samples("train")
    chosen = ((samples.label_op != 0) | (samples.image_op != 0)) == corrupted
    values = [log.values("train", "gate", gate)[1][-1][chosen].mean() for gate in run.outline.gates]
    return f"{np.mean(values):.4f}" if values else "-"


def seconds(run: Run) -> float:
    """Median seconds of an epoch, evaluation and log included."""
    return float(np.median([row["seconds"] for row in run.metrics()]))


def main() -> int:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/models"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda", "auto"))
    parser.add_argument("--only", default="", help="networks whose name holds this text")
    arguments = parser.parse_args()
    planned = configs(arguments.epochs, arguments.data_root, arguments.out, arguments.device, arguments.only)
    check_existing(planned)
    failed = run_here(planned)
    complete = [
        Run(config.out / str(config.name))
        for config in planned
        if state_of(config.out, str(config.name)) == "complete"
    ]
    if not complete or complete[0].name != planned[0].name:
        console.warn(
            f"{planned[0].name}, the ungated network that the others are held against, is not complete."
        )
        return 1
    ungated = seconds(complete[0])
    console.line(tabulate([measured(run, ungated) for run in complete], headers="keys", tablefmt="github"))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
