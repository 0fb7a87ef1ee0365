"""What a training of another program returns for its samples, as values of the log. NumPy only."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from memgate.errors import MemgateError, require
from memgate.log.format import FLAGS, UNSEEN_CLASS, EpochRecord, missing_values

Outputs = ArrayLike | Mapping[str, ArrayLike]
"""p(given) [N] or logits [N, C] of the training samples, or split to such arrays."""


def epochs_of(returned: Any) -> Iterator[Any]:
    """The outputs of each epoch, one after another: those that an iterator yields, or the only one."""
    if hasattr(returned, "__next__"):
        yield from returned
    else:
        yield returned


def records_of(
    outputs: Outputs, labels: Mapping[str, NDArray[np.int64]], trained: NDArray[np.bool_], what: str
) -> dict[str, EpochRecord]:
    """The record of each split in one epoch.

    Args:
        outputs: of the training; a mapping has all splits.
        labels: split to its given labels [N].
        trained: whether the model is trained on each training sample [N].
        what: names the outputs in an error message.

    Raises:
        MemgateError: a split is missing, or an array has another shape, or holds no probabilities.
    """
    by_split = outputs if isinstance(outputs, Mapping) else {"train": outputs}
    require(
        set(by_split) == set(labels),
        f"{what} has the splits {', '.join(map(str, by_split)) or 'none'}, and the labels {', '.join(labels)}: return "
        "a mapping with an array for each of them.",
    )
    return {
        split: record_of(by_split[split], given, trained if split == "train" else None, f"{what}, {split},")
        for split, given in labels.items()
    }


def record_of(
    values: ArrayLike, given: NDArray[np.int64], trained: NDArray[np.bool_] | None, what: str
) -> EpochRecord:
    """The record of one split from p(given) [N] or logits [N, C]; other quantities are missing.

    Args:
        values: p(given), where a label counts as predicted above 1/2, and 0 and 1 as the nearest numbers of its type;
            or logits, from which p(given) and the prediction are computed. NaN is missing.
        given: given labels [N].
        trained: whether the model is trained on each sample [N]; None where that is not known.
        what: names the values in an error message.

    Raises:
        MemgateError: the shape is another, or p(given) is outside [0, 1].
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MemgateError(f"{what} cannot be converted to an array ({error}).") from error
    n = len(given)
    require(
        array.dtype.kind in "fiu" and array.shape[:1] == (n,) and array.ndim in (1, 2),
        f"{what} is {array.dtype}{list(array.shape)} and must be p(given) [{n}] or logits [{n}, C].",
    )
    if array.ndim == 1:
        p, phi, right, pred = _of_probabilities(array, given, what)
    else:
        require(
            int(given.max()) < array.shape[1],
            f"{what} has logits of {array.shape[1]} classes, and the labels go up to {given.max()}.",
        )
        p, phi, right, pred = _of_logits(array.astype(np.float64), given)
    flags = np.full(n, FLAGS["seen"], np.uint8) + (FLAGS["correct_given"] * right).astype(np.uint8)
    if trained is not None:
        flags += (FLAGS["trained"] * trained).astype(np.uint8)
    none = {name: missing_values(name, (n,)) for name in ("loss", "margin", "el2n", "out_entropy")}
    no_gates = {name: missing_values(name, (0, n)) for name in ("gate", "entropy", "gate_pred")}
    return EpochRecord(
        flags=flags[None],
        p_given=p.astype(np.float32),
        phi=phi.astype(np.float32),
        pred=pred,
        **none,
        **no_gates,
    )


def predicted_clean(record: EpochRecord, given: NDArray[np.int64], clean: NDArray[np.int64]) -> EpochRecord:
    """The record with the bit ``correct_clean``, as far as it follows from the predictions.

    Where only p(given) is known, it is that of ``correct_given`` for samples whose labels agree, and 0 for the others.
    """
    known = record.pred != UNSEEN_CLASS
    right = np.where(known, record.pred == clean, record.flag("correct_given") & (given == clean))
    record.flags[0] += (FLAGS["correct_clean"] * right).astype(np.uint8)
    return record


def _of_probabilities(
    p: NDArray[Any], given: NDArray[np.int64], what: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.uint16]]:
    """p(given), phi, whether the label is predicted, and no predicted class, of p(given) [N]."""
    wrong = (p < 0) | (p > 1)
    require(
        not wrong.any(),
        f"{what} holds {p[wrong][:1].tolist()} as p(given): it must be in [0, 1]; logits have a column for "
        "each class.",
    )
    step = np.finfo(p.dtype if p.dtype.kind == "f" else np.float64)
    inner = np.clip(p.astype(np.float64), float(step.tiny), 1 - float(step.epsneg))
    right = np.nan_to_num(p.astype(np.float64)) > 0.5
    return (
        p.astype(np.float64),
        np.log(inner) - np.log1p(-inner),
        right,
        np.full(len(given), UNSEEN_CLASS, np.uint16),
    )


def _of_logits(
    logits: NDArray[np.float64], given: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.uint16]]:
    """p(given), phi, whether the label is predicted, and the predicted class, of logits [N, C]."""
    rows = np.arange(len(given))
    top = logits.max(axis=1)  # NaN where any is
    sound = np.isfinite(top)
    safe = np.where(sound[:, None], logits, 0.0)
    own, others = safe[rows, given], safe.copy()
    others[rows, given] = -np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        phi = own - logsumexp(others, axis=1)
        p = np.exp(own - logsumexp(safe, axis=1))
    pred = np.where(sound, safe.argmax(axis=1), UNSEEN_CLASS).astype(np.uint16)
    phi = np.where(sound & np.isfinite(phi), phi, np.nan)
    return np.where(sound, p, np.nan), phi, pred == given, pred
