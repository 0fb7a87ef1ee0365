"""Sentences about one sample, and escaping of text for Markdown and figures."""

import html
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memgate.log.format import UNKNOWN


def escaped(text: str) -> str:
    """Text escaped for Streamlit's Markdown.

    Class names, folder names and paths come from the user or from a downloaded file: an image link in them would
    make the browser request another host.
    """
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~:$&])", r"\\\1", text)


def html_escaped(text: str) -> str:
    """Text escaped for a figure: Plotly interprets some HTML tags, among them links."""
    return html.escape(text, quote=False)


def class_name(label: int, names: Sequence[str]) -> str:
    """Name of a class; a dash for a number that is no class (of a sample that was not seen)."""
    return names[label] if 0 <= label < len(names) else "–"


def corruption(cause: str, given: str, clean: str, label_kind: str, image_kind: str) -> str:
    """How a sample was corrupted, in one sentence."""
    label = f"its label was changed from {clean} to {given} ({label_kind})"
    image = f"its image was corrupted ({image_kind})"
    if cause == "clean" and label_kind != "none":
        return f"Clean: {label_kind} selected it and drew its own label again."
    if cause == "open":
        image = f"its image was replaced by one of another data set ({image_kind})"
    if cause == UNKNOWN:
        return "It is not known whether its label or image is corrupted."
    texts = {"clean": "neither label nor image was changed", "label": label, "image": image}
    sentence = texts.get("image" if cause == "open" and given == clean else cause, f"{label}, and {image}")
    return f"{'Clean' if cause == 'clean' else 'Corrupted'}: {sentence}."


def fit(cause: str, correct_given: NDArray, correct_clean: NDArray, epochs: NDArray) -> str:
    """Whether the network fits the sample, in a sentence.

    Args:
        cause: what is corrupted; a fitted clean sample is learned, another one memorised.
        correct_given: [E'] of the epochs in which it has a prediction, whether that is its given label.
        correct_clean: [E'] likewise for its clean label.
        epochs: [E'].
    """
    if len(epochs) == 0:
        return "It has no prediction in any logged epoch yet: not seen, or NaN."
    if not correct_given.any():
        first = "It has never been predicted as its given label"
    else:
        first = f"It was first predicted as its given label at epoch {epochs[int(np.argmax(correct_given))]}"
    now = _fitted_word(cause)
    if correct_given[-1]:
        return f"{first}, and is fitted at epoch {epochs[-1]}: {now}."
    if correct_clean[-1]:
        return f"{first}; at epoch {epochs[-1]} the network predicts its clean label instead."
    other = "neither label" if "label" in cause else "another class"
    return f"{first}; at epoch {epochs[-1]} the network predicts {other}."


def label_state(cause: str, given: str, clean: str) -> str:
    """Corruption of a sample in a few words."""
    return {
        UNKNOWN: f"Unknown whether corrupted ({given})",
        "clean": f"Clean ({given})",
        "label": f"Mislabelled ({clean} → {given})",
        "image": f"Corrupted image ({given})",
        "label+image": f"Mislabelled ({clean} → {given}) on a corrupted image",
        "open": f"Image of another data set, labelled {given}",
    }.get(cause, f"Corrupted ({clean} → {given})")


def learning(cause: str, correct_given: NDArray, epochs: NDArray, predicted: str) -> str:
    """Fit of the given label in a few words.

    Args:
        cause: what is corrupted; a fitted clean sample is learned, another one memorised.
        correct_given: [E'] of the epochs in which it has a prediction.
        epochs: [E'].
        predicted: class at the last of them.
    """
    if len(epochs) == 0:
        return "no prediction in any logged epoch yet"
    if not correct_given.any():
        return f"never predicted as its given label, now as {predicted}"
    if not correct_given[-1]:
        last = epochs[np.flatnonzero(correct_given)[-1]]
        return f"last fitted at epoch {last} and forgotten since, now predicted as {predicted}"
    wrong = np.flatnonzero(~correct_given)
    since = epochs[wrong[-1] + 1] if len(wrong) else epochs[0]
    return f"{_fitted_word(cause)} since epoch {since}"


def _fitted_word(cause: str) -> str:
    """What a fitted sample is: learned where it is clean, memorised where it is corrupted."""
    return {"clean": "learned", UNKNOWN: "fitted"}.get(cause, "memorised")


def routed_through(gate: str, routed: NDArray, missing: int = 0) -> str:
    """In how many of the epochs that saw it a gate routed the sample, in a few words.

    Args:
        gate: its name.
        routed: [E'] of the epochs in which the route is known.
        missing: epochs that saw the sample and in which its route is not known.
    """
    if len(routed) == 0:
        return f"route through {gate.upper()} missing" if missing else ""
    epochs = "epoch" if len(routed) == 1 else "epochs"
    unknown = f" (missing in {missing} more)" if missing else ""
    return f"routed through {gate.upper()} in {int(routed.sum())} of {len(routed)} {epochs}{unknown}"


def answer_without(block: str, learned: str, skipped: str, memorised: bool) -> str:
    """Class predicted where a block is skipped, and whether the block memorised the sample, in a few words."""
    also = "also " if learned == skipped else ""
    text = f"without {block.upper()} the network {also}predicts {skipped}"
    return f"{text} (memorised by {block.upper()})" if memorised else text


def verdict(parts: Sequence[str], without: Sequence[str]) -> str:
    """The sentence at the top of a sample's page.

    Args:
        parts: corruption, fit and routes; empty ones are left out.
        without: the prediction without a block, for each block that was probed.
    """
    text = ", ".join(filter(None, parts))
    return f"{text}; {' and '.join(without)}." if without else f"{text}."


def routing(gate: str, routed: NDArray, missing: int = 0) -> str:
    """In how many of the epochs that saw it a gate routed the sample, as a sentence; see :func:`routed_through`."""
    if len(routed) == 0:
        return f"{gate.upper()}: its route is missing in every epoch (g is NaN)." if missing else ""
    last = "routed" if routed[-1] else "skipped"
    epochs = "epoch" if len(routed) == 1 else "epochs"
    unknown = f" Its route is missing in {missing} more (g is NaN)." if missing else ""
    return f"{gate.upper()}: routed in {int(routed.sum())} of {len(routed)} {epochs}, {last} in the last.{unknown}"


def skipping(block: str, cause: str, whole: bool, part: bool, recovered: bool, epoch: int) -> str:
    """Effect of skipping a block on the fit of one sample, in a sentence.

    Args:
        block: name of the block.
        cause: what is corrupted.
        whole: whether the given label is fitted by the whole network.
        part: whether it is fitted where the block is skipped.
        recovered: whether it is then predicted as its clean label, which is not the given one.
        epoch: of the checkpoint.
    """
    name = block.upper()
    if not whole:
        fits = f"only where {name} is skipped" if part else f"neither with {name} nor without"
        return f"At epoch {epoch} it fits its given label {fits}: skipping {name} loses no fit."
    if part:
        return (
            f"At epoch {epoch} it fits its given label without {name} as well: its fit does not need {name}."
        )
    text = f"At epoch {epoch} it fits its given label with {name} and not without: "
    text += f"its fit needs {name}" if cause in ("clean", UNKNOWN) else f"memorised by {name}"
    return (
        f"{text}, and recovered by skipping it: the network then predicts the clean label."
        if recovered
        else f"{text}."
    )


def critical_radius(
    variant: str, epoch: int, radius: float, radii: Sequence[float], critical: Sequence[bool]
) -> str:
    """Distance of one sample to the decision boundary, in a sentence.

    Args:
        variant: of the probe.
        epoch: of the checkpoint.
        radius: critical radius in grey levels; not finite where a search found none.
        radii: radii of the probe in grey levels.
        critical: whether there is another prediction within each radius.
    """
    inside = [f"{r:g}" for r, yes in zip(radii, critical, strict=True) if yes]
    outside = [f"{r:g}" for r, yes in zip(radii, critical, strict=True) if not yes]
    text = f"Critical at r = {', '.join(inside)}" if inside else "Not critical"
    text += f"{', not' if inside else ''} at r = {', '.join(outside)}" if outside else ""
    distance = ""
    if np.isfinite(radius):
        kind = (
            "estimated distance to the decision boundary"
            if variant == "first-order"
            else "smallest radius found"
        )
        distance = f": {kind} {radius:.3g} grey levels"
    return f"{text} ({variant}, epoch {epoch}){distance}."
