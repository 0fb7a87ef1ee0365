"""Every network on the same few real images: accuracy, what its gates do, and seconds beside the ungated network's.

    python benchmarks/models.py [--epochs 3] [--seeds 0,1,2] [--data-root data] [--out runs/models] [--only block-]

Each is of depth 14 and trained from the recipe ``models-small``: 4,000 images of CIFAR-10, 20 % of them with a wrong
label; a seed is that of the weights, of the order and of the corruption. The runs are a folder of ordinary ones, and
what is finished is not trained again. They are trained one after another, every network once for each seed in turn, so
what else the machine did meanwhile strikes all of them alike.
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
"""Name to network and gates, with the papers' settings where they name one."""


def configs(arguments: argparse.Namespace) -> dict[str, list[RunConfig]]:
    """Network to its run of each seed; the ungated one always, because the others are held against it."""
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


def measured(label: str, runs: list[Run], ungated: float) -> dict[str, str]:
    """One line of the table: mean ± sd over the seeds."""
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
    """Mean ± sd, or the one value there is."""
    found = spread(values)
    return f"{found.mean:.{digits}f}" + ("" if found.sd is None else f" ± {found.sd:.{digits}f}")


def mean_gate(run: Run) -> tuple[float, float]:
    """Mean of g at the last epoch over the clean and over the corrupted training samples, and over all gates."""
    log = run.sample_log()
    samples = log.samples("train")
    corrupted = samples.cause != "clean"
    last = np.mean([log.values("train", "gate", gate)[1][-1] for gate in run.outline.gates], axis=0)
    return float(last[~corrupted].mean()), float(last[corrupted].mean())


def seconds(runs: list[Run]) -> float:
    """Median seconds of an epoch, evaluation and log included."""
    return float(np.median([row["seconds"] for run in runs for row in run.metrics()]))


def main() -> int:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=lambda text: [int(one) for one in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/models"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda", "auto"))
    parser.add_argument("--only", default="", help="networks whose name holds this text")
    arguments = parser.parse_args()
    planned = configs(arguments)
    in_turn = [config for same_seed in zip(*planned.values(), strict=True) for config in same_seed]
    check_existing(in_turn)
    failed = run_here(in_turn)
    complete = {
        label: [run for config in runs if (run := finished(config))] for label, runs in planned.items()
    }
    if not complete["resnet"]:
        console.warn("No run of the ungated network, which the others are held against, is complete.")
        return 1
    ungated = seconds(complete["resnet"])
    lines = [measured(label, runs, ungated) for label, runs in complete.items() if runs]
    console.line(tabulate(lines, headers="keys", tablefmt="github", disable_numparse=True))
    return int(bool(failed))


def finished(config: RunConfig) -> Run | None:
    """The run, if it is complete."""
    name = str(config.name)
    return Run(config.out / name) if state_of(config.out, name) == "complete" else None


if __name__ == "__main__":
    sys.exit(main())
