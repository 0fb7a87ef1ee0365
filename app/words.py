"""Sentences of the dashboard: the verdict on a sample, and text that is safe to show."""

import html
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def plain(text: str) -> str:
    """Text for Streamlit's Markdown that stays what it is.

    Class names, folder names and paths are the user's, or a downloaded file's: an image link among them would
    make the browser ask another host.
    """
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~:$&])", r"\\\1", text)


def in_figure(text: str) -> str:
    """Text for a figure, which reads some tags of HTML in what it draws, links among them."""
    return html.escape(text, quote=False)


def class_name(label: int, names: Sequence[str]) -> str:
    """A class by its name; a number that no class has (an unseen sample's) is a dash."""
    return names[label] if 0 <= label < len(names) else "–"


def happened(cause: str, given: str, clean: str, label_kind: str, image_kind: str) -> str:
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


def fitted(cause: str, correct_given: NDArray, correct_clean: NDArray, epochs: NDArray) -> str:
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


def routing(gate: str, routed: NDArray) -> str:
    """How often a gate let the sample through its block, from the epochs that saw it (bool [E'])."""
    if len(routed) == 0:
        return ""
    last = "routed" if routed[-1] else "skipped"
    epochs = "epoch" if len(routed) == 1 else "epochs"
    return f"{gate.upper()}: routed in {int(routed.sum())} of {len(routed)} {epochs}, {last} at the last."
