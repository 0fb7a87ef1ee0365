"""Human label noise: CIFAR-10N and CIFAR-100N of Wei et al. 2022 (arXiv 2110.12088).

The labels are licensed CC BY-NC 4.0; they are read from the user's own copy and not distributed with this package.
"""

import _codecs
import dataclasses
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import NoiseError, require
from noise.files.read import ReadFile, read_file
from noise.files.tables import columns_of, ending
from noise.labels.lists import check_classes, check_clean, check_length, whole_numbers
from noise.task import Change, Task

COLUMNS = {
    "clean": "clean_label",
    "aggre": "aggre_label",
    "worse": "worse_label",
    "random1": "random_label1",
    "random2": "random_label2",
    "random3": "random_label3",
    "noisy": "noisy_label",
}
"""Our column name to the name in the official files; a file may use either."""


def human(task: Task) -> Change:
    """Change for ``human:column=…:file=FILE``: every free sample gets its label in the column.

    Row i of the file belongs to sample_id i of the training split in torchvision's order. This is checked: the clean
    labels in the file must equal those of the data.

    Raises:
        NoiseError: the file is missing, damaged, unsafe, lacks the column, or belongs to other data.
    """
    file = read_file(task.spec.parameter("file"))
    columns = known_columns(file)
    listed = labels_of(file, columns, task.spec.parameter("column"))
    clean = labels_of(file, columns, "clean")
    for column in (clean, listed):
        check_length(task, file.path, len(column))
    check_clean(task, file.path, clean[task.sample_id])
    given = listed[task.sample_id]
    check_classes(task, file.path, given)
    return dataclasses.replace(task.relabelled(given), files=(file.record,))


def known_columns(file: ReadFile) -> dict[str, Any]:
    """Columns of a CIFAR-N file (the official .pt file, or a table like it) by our names; others are left out.

    Raises:
        NoiseError: the file is damaged, unsafe, or not a file with named columns.
    """
    suffix = ending(file.path)
    require(
        suffix in (".npz", ".csv", ".parquet", ".pt"),
        f"{file.path} is neither an .npz nor a .pt file: use CIFAR-10_human.pt, CIFAR-100_human.pt or an "
        ".npz, .csv or .parquet file with the same columns.",
    )
    content: Any = _load_pt(file) if suffix == ".pt" else columns_of(file)
    require(isinstance(content, dict), f"{file.path} holds no named columns: use the official file.")
    columns = {name: content.get(name, content.get(official)) for name, official in COLUMNS.items()}
    return {name: values for name, values in columns.items() if values is not None}


def labels_of(file: ReadFile, columns: dict[str, Any], name: str) -> NDArray[np.int64]:
    """Labels of a column, [M] int64; row i belongs to sample_id i in torchvision's order.

    Raises:
        NoiseError: the file has no such column, or the column does not hold labels.
    """
    if name not in columns:
        raise NoiseError(
            f"{file.path} has no column {name} (it has {', '.join(columns) or 'none that is known'}): "
            + ("without it the order cannot be checked." if name == "clean" else "use one of those.")
        )
    values = columns[name]
    if ending(file.path) == ".csv":
        return whole_numbers(file, values)
    require(
        isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iu",
        f"{file.path}: column {name} is not a list of whole numbers: use the official file.",
    )
    return values.astype(np.int64)


def _load_pt(file: ReadFile) -> Any:
    """Content of a file of ``torch.save``: arrays, lists and dicts; anything else is refused and not executed."""
    try:
        import torch
    except ImportError as error:
        raise NoiseError(
            f"{file.path} can only be read with torch: install torch or use an .npz file."
        ) from error
    # The pickle of an array names the function that rebuilds it. The official files were written with numpy 1, in
    # which that function is in another module than in numpy 2; both names are allowed.
    rebuild = np.empty(0).__reduce__()[0]
    integers = [type(np.dtype(code)) for code in np.typecodes["AllInteger"]]
    allowed = [
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        _codecs.encode,
        *integers,
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(io.BytesIO(file.content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise any exception
        raise NoiseError(
            f"{file.path} was not read: it is damaged or holds more than arrays of whole numbers "
            f"({type(error).__name__}): use the official file."
        ) from error
