"""Sentences of the dashboard: the verdict on a sample, and text that is safe to show."""

import html
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def escaped(text: str) -> str:
    """Text for Streamlit's Markdown that stays what it is.

    Class names, folder names and paths are the user's, or a downloaded file's: an image link among them would
    make the browser ask another host.
    """
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~:$&])", r"\\\1", text)


def html_escaped(text: str) -> str:
    """Text for a figure, which reads some tags of HTML in what it draws, links among them."""
    return html.escape(text, quote=False)


def class_name(label: int, names: Sequence[str]) -> str:
    """A class by its name; a number that no class has (an unseen sample's) is a dash."""
    return names[label] if 0 <= label < len(names) else "–"


def corruption(cause: str, given: str, clean: str, label_kind: str, image_kind: str) -> str:
    """What was done to a sample, in one sentence."""
    label = f"its label was changed from {clean} to {given} ({label_kind})"
    image = f"its image was corrupted ({image_kind})"
    if cause == "clean" and label_kind != "none":
        return f"Clean: {label_kind} chose it and drew its own label again."
    if cause == "open":
        image = f"its image was replaced by one of another data set ({image_kind})"
    told = {"clean": "nothing was done to it", "label": label, "image": image}
    sentence = told.get("image" if cause == "open" and given == clean else cause, f"{label}, and {image}")
    return f"{'Clean' if cause == 'clean' else 'Corrupted'}: {sentence}."


def fit(cause: str, correct_given: NDArray, correct_clean: NDArray, epochs: NDArray) -> str:
    """Whether the network has learned the sample, from the epochs that saw it (bool [E'], int [E'])."""
    if len(epochs) == 0:
        return "No logged epoch has seen it yet."
    if not correct_given.any():
        first = "It has never been predicted as its given label"
    else:
        first = f"It was first predicted as its given label at epoch {epochs[int(np.argmax(correct_given))]}"
    now = "memorised" if cause != "clean" else "learned"
    if correct_given[-1]:
        return f"{first}, and is so at epoch {epochs[-1]}: {now}."
    if correct_clean[-1]:
        return f"{first}; at epoch {epochs[-1]} the network predicts its clean label instead."
    return f"{first}; at epoch {epochs[-1]} the network predicts {'neither label' if 'label' in cause else 'another'}."


def label_state(cause: str, given: str, clean: str) -> str:
    """What is wrong with a sample, in a few words."""
    return {
        "clean": f"Clean ({given})",
        "label": f"Mislabelled ({clean} → {given})",
        "image": f"Corrupted picture ({given})",
        "label+image": f"Mislabelled ({clean} → {given}) on a corrupted picture",
        "open": f"Picture of another data set, labelled {given}",
    }.get(cause, f"Corrupted ({clean} → {given})")


def learning(cause: str, correct_given: NDArray, epochs: NDArray, predicted: str) -> str:
    """How the fit of the given label stands, in a few words.

    Args:
        cause: what was done to the sample; a clean one is learned, another one memorised.
        correct_given: [E'] of the epochs that saw it.
        epochs: [E'].
        predicted: class at the last of them.
    """
    if len(epochs) == 0:
        return "not seen by any logged epoch yet"
    if not correct_given.any():
        return f"never predicted as its given label, now as {predicted}"
    if not correct_given[-1]:
        last = epochs[np.flatnonzero(correct_given)[-1]]
        return f"last fitted at epoch {last} and forgotten since, now predicted as {predicted}"
    wrong = np.flatnonzero(~correct_given)
    since = epochs[wrong[-1] + 1] if len(wrong) else epochs[0]
    return f"{'learned' if cause == 'clean' else 'memorised'} since epoch {since}"


def routed_through(gate: str, routed: NDArray) -> str:
    """How often a gate let the sample through its block, in a few words; from the epochs that saw it (bool [E'])."""
    if len(routed) == 0:
        return ""
    epochs = "epoch" if len(routed) == 1 else "epochs"
    return f"routed through {gate.upper()} in {int(routed.sum())} of {len(routed)} {epochs}"


def answer_without(block: str, learned: str, skipped: str, memorised: bool) -> str:
    """What the network answers where a block is skipped, in a few words; and whether the block memorised it."""
    told = f"without {block.upper()} the network says {skipped}" + (" too" if learned == skipped else "")
    return f"{told} (memorised by {block.upper()})" if memorised else told


def verdict(parts: Sequence[str], cut: Sequence[str]) -> str:
    """The one sentence that a sample's page begins with.

    Args:
        parts: what is wrong with it, how it was learned, where it was routed; what is empty is left out.
        cut: what the network answers without a block, for each one that was probed.
    """
    told = ", ".join(filter(None, parts))
    return f"{told}; {' and '.join(cut)}." if cut else f"{told}."


def routing(gate: str, routed: NDArray) -> str:
    """How often a gate let the sample through its block, from the epochs that saw it (bool [E'])."""
    if len(routed) == 0:
        return ""
    last = "routed" if routed[-1] else "skipped"
    epochs = "epoch" if len(routed) == 1 else "epochs"
    return f"{gate.upper()}: routed in {int(routed.sum())} of {len(routed)} {epochs}, {last} at the last."


def skipping(block: str, cause: str, whole: bool, part: bool, recovered: bool, epoch: int) -> str:
    """What skipping a block does to one sample's fit, in a sentence.

    Args:
        block: which.
        cause: what was done to the sample.
        whole: whether it fits its given label as learned.
        part: whether it does where the block is skipped.
        recovered: whether it is then predicted as its clean label, which is not the given one.
        epoch: of the checkpoint.
    """
    name = block.upper()
    if not whole:
        fits = f"only where {name} is skipped" if part else f"neither with {name} nor without"
        return f"At epoch {epoch} it fits its given label {fits}: skipping it takes nothing away."
    if part:
        return (
            f"At epoch {epoch} it fits its given label without {name} as well: its fit does not need {name}."
        )
    told = f"At epoch {epoch} it fits its given label with {name} and not without: "
    told += f"memorised by {name}" if cause != "clean" else f"its fit needs {name}"
    return (
        f"{told}, and recovered by skipping it: the network then says the clean label."
        if recovered
        else f"{told}."
    )


def critical(variant: str, epoch: int, radius: float, radii: Sequence[float], found: Sequence[bool]) -> str:
    """How near the decision boundary one sample lies, in a sentence.

    Args:
        variant: of the probe.
        epoch: of the checkpoint.
        radius: critical radius in grey levels; not finite where a search found none.
        radii: those asked for, in grey levels.
        found: whether another prediction lies within each.
    """
    inside = [f"{r:g}" for r, yes in zip(radii, found, strict=True) if yes]
    outside = [f"{r:g}" for r, yes in zip(radii, found, strict=True) if not yes]
    told = f"Critical at r = {', '.join(inside)}" if inside else "Not critical"
    told += f"{', not' if inside else ''} at r = {', '.join(outside)}" if outside else ""
    far = ""
    if np.isfinite(radius):
        kind = (
            "estimated distance to the decision boundary"
            if variant == "first-order"
            else "smallest radius found"
        )
        far = f": {kind} {radius:.3g} grey levels"
    return f"{told} ({variant}, epoch {epoch}){far}."
