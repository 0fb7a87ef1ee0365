"""Accuracy, gate values and seconds per epoch of every network on the same 4,000 images.

    python benchmarks/models.py [--epochs 3] [--seeds 0,1,2] [--data-root data] [--out runs/models] [--only block-]

Each network has depth 14 and is trained by the recipe ``models-small``: 4,000 images of CIFAR-10, 20 % of them with a
wrong label. A seed determines weights, order and corruption. The runs are ordinary ones in one folder, and complete
runs are not trained again. Runs are trained one after another, all networks with the first seed, then with the next,
so that other load on the machine affects all networks.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tabulate import tabulate

from memgate import console
from memgate.config.run import GateConfig, RunConfig
from memgate.recipes import recipe
from memgate.runs.run import Run
from memgate.sweeps.grid import check_existing, state_of
from memgate.sweeps.local import run_here
from probes.report.several_runs import spread

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
    "layer-two-way-authors": ("layer-two-way", GateConfig(penalty=0.01, temperature=10_000, bias=0.0)),
}
"""Name in the table to network and gates, with the papers' settings where they state them."""


def configs(arguments: argparse.Namespace) -> dict[str, list[RunConfig]]:
    """Name to the configurations of its runs, one per seed; always with the ungated network as the reference."""
    epochs = arguments.epochs
    base = recipe("models-small")
    train = replace(base.train, epochs=epochs, milestones=(epochs * 2 // 3,) if epochs > 1 else ())
    data = replace(base.data, root=arguments.data_root)
    base = replace(base, train=train, out=arguments.out, device=arguments.device, data=data)
    return {
        label: [
            replace(
                base,
                name=f"{label}-e{epochs}-s{seed}",
                seed=seed,
                noise_seed=seed,
                model=replace(base.model, name=network, gate=gate),
            )
            for seed in arguments.seeds
        ]
        for label, (network, gate) in NETWORKS.items()
        if arguments.only in label or label == "resnet"
    }


def table_line(label: str, runs: list[Run], ungated: float) -> dict[str, str]:
    """One line of the table: mean ± standard deviation over the seeds."""
    spent = seconds(runs)
    line = {
        "network": label,
        "n": str(len(runs)),
        "gates": str(len(runs[0].outline.gates)),
        "test accuracy %": shown([100 * run.metrics()[-1]["test_accuracy"] for run in runs], 1),
        "g clean": "-",
        "corrupted": "-",
        "difference": "-",
    }
    if runs[0].outline.gates:
        gates = [mean_gate(run) for run in runs]
        line |= {
            "g clean": shown([clean for clean, _ in gates], 4),
            "corrupted": shown([corrupted for _, corrupted in gates], 4),
            "difference": shown([corrupted - clean for clean, corrupted in gates], 4),
        }
    return line | {"s/epoch": f"{spent:.1f}", "x ungated": f"{spent / ungated:.2f}"}


def shown(values: list[float], digits: int) -> str:
    """Mean ± standard deviation; the value alone where there is only one."""
    result = spread(values)
    return f"{result.mean:.{digits}f}" + ("" if result.sd is None else f" ± {result.sd:.{digits}f}")


def mean_gate(run: Run) -> tuple[float, float]:
    """Mean of g over all gates at the last epoch: of the clean and of the corrupted training samples."""
    log = run.sample_log()
    samples = log.samples("train")
    corrupted = samples.cause != "clean"
    last = np.mean([log.values("train", "gate", gate)[1][-1] for gate in run.outline.gates], axis=0)
    return float(last[~corrupted].mean()), float(last[corrupted].mean())


def seconds(runs: list[Run]) -> float:
    """Median seconds per epoch, including evaluation and log."""
    return float(np.median([row["seconds"] for run in runs for row in run.metrics()]))


def main() -> int:
    """Train missing runs and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2]
    )
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/models"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda", "auto"))
    parser.add_argument("--only", default="", help="networks with this text in their name")
    arguments = parser.parse_args()
    planned = configs(arguments)
    by_seed = [config for same_seed in zip(*planned.values(), strict=True) for config in same_seed]
    check_existing(by_seed)
    failed = run_here(by_seed)
    complete = {
        label: [run for config in runs if (run := finished(config))] for label, runs in planned.items()
    }
    if not complete["resnet"]:
        console.warn("No run of the ungated network, the reference of all others, is complete.")
        return 1
    ungated = seconds(complete["resnet"])
    lines = [table_line(label, runs, ungated) for label, runs in complete.items() if runs]
    console.line(tabulate(lines, headers="keys", tablefmt="github", disable_numparse=True))
    return int(bool(failed))


def finished(config: RunConfig) -> Run | None:
    """The run where it is complete, else None."""
    name = str(config.name)
    return Run(config.out / name) if state_of(config.out, name) == "complete" else None


if __name__ == "__main__":
    sys.exit(main())
