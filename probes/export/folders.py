"""Exports that are a folder: images and labels for FiftyOne, points for TensorBoard's projector."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from memgate.errors import MemgateError, require
from memgate.log.format import UNKNOWN
from memgate.runs.pictures import pictures_of
from memgate.runs.run import Run
from probes.export.plan import ExportPlan, chosen_columns
from probes.export.samples import Chosen
from probes.export.shapes import columns_of
from probes.export.summary import export_summary
from probes.export.writers import arrow_table, write_csv
from probes.scores.catalogue import SCORES
from probes.scores.table import score_columns

SPRITE_SIDE = 8192
"""Largest side in pixels of an image that the projector accepts."""


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder to write."""

    columns: Sequence[str]
    rows: int
    write: Callable[[Path], None]
    """Fills an existing, empty folder."""
    notes: tuple[str, ...] = ()


def folder_content(run: Run, plan: ExportPlan, chosen: Chosen) -> Folder:
    """The folder of an export.

    Raises:
        MemgateError: a quantity is not known, FiftyOne's images are not available, or no sample has all values.
    """
    return {"fiftyone": _fiftyone, "tensorboard": _tensorboard}[plan.schema](run, plan, chosen)


def fiftyone_frame(run: Run, plan: ExportPlan, chosen: Chosen) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table ``labels.csv``, one row per sample: file name, class names and the summary; and its notes."""
    wanted = (*plan.quantities, "pred_last") if plan.quantities else ()
    table, notes = export_summary(run, chosen, wanted)
    predicted = table["pred_last"]
    if wanted and "pred_last" not in plan.quantities:
        table = table.drop(columns="pred_last")
    class_names, samples = chosen.snapshot.log.class_names, chosen.samples
    named = {
        "filepath": [f"{number}.png" for number in chosen.sample_id],
        "ground_truth": [class_names[label] for label in samples.given_label],
        "clean_class": [class_names[label] if samples.truth_known else None for label in samples.clean_label],
        "prediction": [None if pd.isna(label) else class_names[label] for label in predicted],
    }
    text = pd.DataFrame({name: pd.array(column, dtype="string") for name, column in named.items()})
    return pd.concat([text, table], axis=1), notes


def _fiftyone(run: Run, plan: ExportPlan, chosen: Chosen) -> Folder:
    """A FiftyOne ``CSVDataset``: ``data/<sample_id>.png``, the image given to the network, and ``labels.csv``.

        import fiftyone as fo

        dataset = fo.Dataset.from_dir(
            dataset_dir="sym40-train-fiftyone-summary",
            dataset_type=fo.types.CSVDataset,
            fields={"sample_id": int, "cause": None, "gate_last": float, "routed_last": lambda text: text == "true"},
        )
        for sample in dataset.iter_samples(autosave=True):  # text to labels that the app can colour
            sample["ground_truth"] = fo.Classification(label=sample["ground_truth"])

    Name ``ground_truth``, ``clean_class`` and ``prediction`` in ``fields`` (None: text) to load them as well.
    """
    table, notes = fiftyone_frame(run, plan, chosen)
    images = _images(run, chosen)

    def write(folder: Path) -> None:
        content = arrow_table(table)
        with (folder / "labels.csv").open("wb") as stream:
            write_csv(stream, content.schema, [content])
        (folder / "data").mkdir()
        for name, image in zip(table["filepath"], images, strict=True):
            Image.fromarray(image).save(folder / "data" / name, "PNG")

    return Folder([str(name) for name in table.columns], len(table), write, notes)


def _images(run: Run, chosen: Chosen) -> NDArray[np.uint8]:
    """The images given to the network, uint8 [n, H, W, 3].

    Raises:
        MemgateError: the run lacks an image.
    """
    pictures = pictures_of(run).get(chosen.snapshot.split)
    rows = [] if pictures is None else pictures.rows(chosen.sample_id)
    if pictures is None or len(rows) < len(chosen):
        raise MemgateError(
            f"{run.name} has no images of these samples of {chosen.snapshot.split}: take another schema."
        )
    return pictures.given[rows]


def projector_frame(chosen: Chosen) -> pd.DataFrame:
    """The table ``metadata.tsv``, one row per point: id, cause and class names of its sample."""
    class_names, samples = chosen.snapshot.log.class_names, chosen.samples
    return pd.DataFrame(
        {
            "sample_id": chosen.sample_id,
            "cause": samples.cause,
            "given": [class_names[label] for label in samples.given_label],
            "clean": [
                class_names[label] if samples.truth_known else UNKNOWN for label in samples.clean_label
            ],
        }
    )


def _tensorboard(run: Run, plan: ExportPlan, chosen: Chosen) -> Folder:
    """Points for TensorBoard's projector, one per sample (``tensorboard --logdir FOLDER``, or its web page).

    ``tensors.tsv`` holds the points. Of the shape ``matrix``: the sample's trajectory over the epochs (g of the last
    gate, p(given label) in a log without a gate, or the selected quantities one after the other). Of ``summary``: its
    scores, each standardised to mean 0 and standard deviation 1, without the scores that a sample lacks. Samples that
    an epoch has not seen (of ``summary``: that no epoch has seen) are left out, since a point needs all its numbers.
    ``metadata.tsv`` holds ids, causes and classes; ``sprite.png`` the images, where the run has them.
    """
    complete, points, names, notes = (_trajectories if plan.shape == "matrix" else _scores)(run, plan, chosen)
    require(
        points.size > 0,
        f"No sample of {run.name} has all the values of a point: choose other --epochs or --quantities.",
    )
    metadata = projector_frame(complete)
    if (missing := len(chosen) - len(complete)) > 0:
        notes = (*notes, f"{missing} samples lack values at these epochs and are left out.")
    try:
        sprite, side = _sprite(_images(run, complete))
    except MemgateError as error:
        sprite, side, notes = None, (0, 0), (*notes, f"Without images: {error}")

    def write(folder: Path) -> None:
        np.savetxt(folder / "tensors.tsv", points, fmt="%.9g", delimiter="\t")
        (folder / "metadata.tsv").write_text(_tsv(metadata), encoding="utf-8")
        if sprite is not None:
            sprite.save(folder / "sprite.png", "PNG")
        (folder / "projector_config.pbtxt").write_text(_config(plan.shape, None if sprite is None else side))

    return Folder(names, len(complete), write, notes)


Points = tuple[Chosen, NDArray[np.float64], list[str], tuple[str, ...]]
"""The samples with all numbers, their points [n, d], the names of the quantities, and notes about damaged files."""


def _trajectories(run: Run, plan: ExportPlan, chosen: Chosen) -> Points:  # noqa: ARG001 (as _scores)
    """Points of logged quantities, [n, quantities x E]."""
    gates, known = chosen.snapshot.log.gates, columns_of(chosen.snapshot)
    default = [name for name, source in known.items() if gates and source == ("gate", plan.gate or gates[-1])]
    names = chosen_columns(plan.quantities or default or ("p_given",), known)
    snapshot, places = chosen.snapshot, chosen.places
    rows = [
        np.where(snapshot.known_at(places, *known[name]), snapshot.values_at(places, *known[name]), np.nan)
        for name in names
    ]
    points = np.concatenate(rows).T.astype(np.float64)
    whole = np.isfinite(points).all(axis=1)
    return Chosen(chosen.snapshot, chosen.places[whole]), points[whole], names, ()


def _scores(run: Run, plan: ExportPlan, chosen: Chosen) -> Points:
    """Points of standardised scores, [n, scores]: those that every sample has and that differ between samples."""
    table, notes = export_summary(run, chosen)
    seen = (table["epochs_logged"] > 0).to_numpy(bool)
    names = chosen_columns(plan.quantities, score_names(table, chosen.snapshot.log.gates))
    values = np.stack([table[name].to_numpy(np.float64, na_value=np.nan)[seen] for name in names], axis=1)
    kept = np.isfinite(values).all(axis=0) & (values != values[:1]).any(axis=0)
    values = values[:, kept]
    points = (values - values.mean(axis=0)) / values.std(axis=0)
    names = [name for name, keep in zip(names, kept, strict=True) if keep]
    return Chosen(chosen.snapshot, chosen.places[seen]), points, names, notes


def score_names(table: pd.DataFrame, gates: Sequence[str]) -> list[str]:
    """Names of the columns of a summary that are scores."""
    return [score.column for score in score_columns(table, gates, tuple(SCORES.values()))]


def _sprite(images: NDArray[np.uint8]) -> tuple[Image.Image, tuple[int, int]]:
    """All images [n, H, W, 3] in one, row by row, and the width and height of each in pixels."""
    count, height, width = images.shape[:3]
    across = math.ceil(math.sqrt(count))
    largest = SPRITE_SIDE // across
    require(largest > 0, f"{count:,} images do not fit into one of {SPRITE_SIDE} pixels.")
    scale = min(1.0, largest / max(height, width))
    side = max(1, int(width * scale)), max(1, int(height * scale))
    sheet = Image.new("RGB", (across * side[0], math.ceil(count / across) * side[1]))
    for at, image in enumerate(images):
        tile = Image.fromarray(image)
        tile = tile if scale == 1 else tile.resize(side, Image.Resampling.BOX)
        sheet.paste(tile, (at % across * side[0], at // across * side[1]))
    return sheet, side


def _tsv(table: pd.DataFrame) -> str:
    """The table as text with a header; white space inside a cell becomes a space."""
    rows = [table.columns, *table.itertuples(index=False)]
    return "".join("\t".join(re.sub(r"\s", " ", str(cell)) for cell in row) + "\n" for row in rows)


def _config(name: str, side: tuple[int, int] | None) -> str:
    """The projector's configuration, with a sprite of images of that width and height."""
    sprite = "" if side is None else (
        '  sprite {\n    image_path: "sprite.png"\n'
        f"    single_image_dim: {side[0]}\n    single_image_dim: {side[1]}\n  }}\n"
    )  # fmt: skip
    return (
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "tensors.tsv"\n'
        f'  metadata_path: "metadata.tsv"\n{sprite}}}\n'
    )
