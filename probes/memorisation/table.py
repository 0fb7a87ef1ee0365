"""The estimates of a group as tables: memorisation by cause, attacks, reliability, influence. No torch."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from probes.memorisation.attacks import FIGURES, over_models
from probes.memorisation.config import MEMORISED
from probes.memorisation.over_blocks import mean_over_blocks, with_block_ends
from probes.memorisation.stored import MemorisationResult
from probes.stats.attenuation import reliability, with_ends
from probes.stats.estimate import Estimate, decimal, percent

TITLES = {
    "lira": "LiRA, fixed variance",
    "lira_sample": "LiRA, variance of each sample",
    "rmia": "RMIA",
}
"""Attack to its title."""

SIDES = {"test": "test samples", "train": "other training samples"}
"""Split to its name as the target of influence."""

FEWEST_BLOCKS = 6
"""Fewest blocks with which samples are counted as vulnerable: an attack that guesses is right in all of 5 blocks for
3 % of the samples."""

UNITS = (
    "mem: share of models that predict a sample's given label, of those that were trained on it (P_in) minus of those "
    "that were not (P_out), in [-1, 1]; mem by p: the same of mean probabilities. It is measured by leaving out "
    "{left} of the samples at once. In brackets 95 % intervals over blocks of models (Student's t; of the reliability "
    "over samples): they are about other models on these samples, and not about other samples. Attacks: was a model "
    "trained on a sample? Each model is the target in turn; chance is AUC 0.5 and TPR = FPR; no TPR where the samples "
    "are too few for its FPR. Vulnerable: samples of which the attack tells the two models of a block apart more "
    "often than by chance (with 95 % intervals: 2.5 % of samples that are not vulnerable are among them). "
    "Reliability: Spearman-Brown of the rank correlation of the two halves of the blocks."
)


def units(result: MemorisationResult) -> str:
    """The explanation of the tables."""
    return UNITS.format(left=f"{1 - result.fraction:.0%}")


def mean_mem(result: MemorisationResult, group: str, row: int = -1, outcome: int = 0) -> Estimate:
    """Mean memorisation of a group of samples with its 95 % interval over blocks, in [-1, 1].

    Args:
        result: of a group of models.
        group: a key of ``result.groups``.
        row: of the epoch.
        outcome: 0 of right predictions, 1 of probabilities.
    """
    of_block = mean_over_blocks(result.groups[group][outcome, :, row])
    return with_block_ends(of_block, int(result.members[group].sum()) if of_block.n else 0, limit=1)


def figures_of(result: MemorisationResult, attack: str, row: int = -1) -> dict[str, Estimate]:
    """Each figure of an attack, the mean over target models with its interval.

    Args:
        result: of a group of models.
        attack: a key of ``result.figures``.
        row: of the attacks' epoch.
    """
    columns = result.figures[attack][row].T
    return {name: over_models(column, result.fraction) for name, column in zip(FIGURES, columns, strict=True)}


def reliability_of(result: MemorisationResult, name: str = "mem", row: int = -1) -> Estimate:
    """Reliability of ``mem`` or ``mem_p`` at an epoch, by the halves of the blocks.

    In ranks, see :func:`probes.stats.attenuation.reliability`; its root is the noise ceiling of rank correlations.
    """
    return with_ends(reliability(*result.values[f"{name}_halves"][:, row]))


def counts_above(result: MemorisationResult, row: int = -1, level: float = MEMORISED) -> tuple[int, int, int]:
    """Samples whose ``mem`` is above a level; whose whole interval is; whose interval reaches above it."""
    return tuple(  # pyright: ignore[reportReturnType]
        int((result.values[name][row] > level).sum()) for name in ("mem", "mem_low", "mem_high")
    )


def to_terminal(result: MemorisationResult) -> str:
    """The tables as text, at the last epoch."""
    return "\n\n".join(_parts(result))


def _parts(result: MemorisationResult) -> Iterator[str]:
    models, epoch = len(result.models), int(result.epochs[-1])
    planned = result.config.get("planned", {}).get(f"{result.fraction:g}", models)
    yield (
        f"{result.group}: memorisation of {len(result.sample_id):,} samples at epoch {epoch}, from {models} of "
        f"{planned} models, each trained on {result.fraction:.0%} of them"
    )
    yield tabulate(
        [group_row(result, group, mask) for group, mask in result.members.items()],
        headers="keys",
        disable_numparse=True,
    )
    above, surely, perhaps = counts_above(result)
    yield (
        f"mem above {MEMORISED:g}: {above:,} samples ({surely:,} with their whole interval, {perhaps:,} with a part "
        "of it).\n"
        f"Reliability: mem {decimal(reliability_of(result))}, mem by p {decimal(reliability_of(result, 'mem_p'))}."
    )
    yield tabulate(
        [attack_row(result, attack) for attack in TITLES if attack in result.figures],
        headers="keys",
        disable_numparse=True,
    )
    if result.influence:
        yield "\n".join(_influence(result, split) for split in SIDES if split in result.influence)
    if len(result.fractions) > 1:
        score = result.consistency[:, -1].mean(axis=0)
        fractions = ", ".join(f"{value:g}" for value in result.fractions)
        yield f"C-score (mean P_out over the fractions {fractions}): {np.nanmean(score):.3f} on average."
    if left_out := result.config.get("left_out"):
        yield "\n".join(f"Left out with its block: {name} ({state})" for name, state in left_out.items())


def group_row(
    result: MemorisationResult, group: str, mask: NDArray[np.bool_], row: int = -1
) -> dict[str, str]:
    """Means of a group of samples as a row of a table.

    Args:
        result: of a group of models.
        group: a key of ``result.groups``.
        mask: its samples, bool [N].
        row: of the epoch.
    """
    last = {name: result.values[name][row, mask] for name in ("mem", "right_in", "right_out")}
    known = ~np.isnan(last["mem"])
    return {
        "samples": group,
        "n": f"{int(mask.sum())}",
        "P_in": f"{last['right_in'][known].mean():.3f}" if known.any() else "-",
        "P_out": f"{last['right_out'][known].mean():.3f}" if known.any() else "-",
        "mem": decimal(mean_mem(result, group, row)),
        "mem by p": decimal(mean_mem(result, group, row, outcome=1)),
        f"mem above {MEMORISED:g}": f"{int((last['mem'] > MEMORISED).sum()):,}",
    }


def attack_row(result: MemorisationResult, attack: str, row: int = -1) -> dict[str, str]:
    """Figures of an attack as a row of a table.

    Args:
        result: of a group of models.
        attack: a key of ``result.figures``.
        row: of the attacks' epoch.
    """
    figures = figures_of(result, attack, row)
    vulnerable = int((result.vulnerability[attack]["low"][row] > 0.5).sum())
    enough = result.values["blocks"][-1].max(initial=0) >= FEWEST_BLOCKS
    return {
        "attack": TITLES[attack],
        "AUC": decimal(figures["auc"]),
        "TPR at 0.1% FPR": percent(figures["tpr_at_0.001"], 2),
        "TPR at 1% FPR": percent(figures["tpr_at_0.01"], 2),
        "vulnerable": f"{vulnerable:,} of {len(result.sample_id):,}" if enough else "-",
    }


def _influence(result: MemorisationResult, split: str) -> str:
    pairs, least = result.influence[split], result.config["influence"]
    return (
        f"Influence on {SIDES[split]}: {pairs.above:,} of {pairs.pairs:,} pairs of at least {least:g}, from samples "
        f"with mem of at least {result.config['memorised']:g} ({pairs.below:,} of at most -{least:g}: about so many "
        f"are chance); {len(pairs.source):,} stored."
    )
