"""The estimates of a group on disk, ``NAME.memorisation.h5`` beside its sweep's file. No torch.

Format memgate-memorisation/1, see docs/reference/memorisation_format.md: sealed, and written whole or not at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.log.format import UNKNOWN
from memgate.log.guard import CheckedFile, text
from memgate.log.new_file import fixed
from memgate.log.sealed_content import sealed_content
from memgate.sweeps.grid import ENDING, find_sweep
from memgate.sweeps.subsets import group_of
from noise.files.atomic import atomic_write
from noise.files.json_form import json_text
from noise.manifest.manifest import CAUSES
from probes.memorisation.influence import InfluencePairs
from probes.memorisation.source import cause_groups

SCHEMA = "memgate-memorisation/1"

AGAIN = "estimate again by memgate probe memorisation."
"""Remedy for a file that cannot be used."""

CAUSE_NAMES = (*CAUSES, UNKNOWN)
"""Causes in the order of their numbers in the file."""

PAIR_ARRAYS = ("source", "target", "influence", "low", "high")
"""Arrays of influence pairs; source and target are sample ids."""


@dataclass(frozen=True, eq=False)
class MemorisationResult:
    """Estimates of memorisation of the N training samples of a group of K models in J blocks."""

    group: str
    """Name of the group."""
    fraction: float
    """a/B, share of the models that contain a sample."""
    models: NDArray[np.int64]
    """[K] numbers of the models, block after block."""
    sample_id: NDArray[np.int64]
    """[N] ids of the training samples."""
    cause: NDArray[np.str_]
    """[N] cause of each sample's corruption, one of :data:`CAUSE_NAMES`."""
    epochs: NDArray[np.int64]
    """[E] epochs, counted from 1."""
    values: Mapping[str, NDArray[Any]]
    """Name to an array [E, N] (``mem_halves``, ``mem_p_halves``: [2, E, N]); float32, NaN: missing."""
    groups: Mapping[str, NDArray[np.float64]]
    """Group of samples, such as ``clean``, to the mean of ``mem`` and of ``mem_p`` by each block, [2, J, E]."""
    attack_epochs: NDArray[np.int64]
    """[A] epochs of the attacks."""
    vulnerability: Mapping[str, Mapping[str, NDArray[np.float32]]]
    """Attack to ``share``, ``low``, ``high`` and ``gap`` of :class:`probes.memorisation.attacks.Vulnerability`,
    [A, N] each."""
    figures: Mapping[str, NDArray[np.float64]]
    """Attack to [A, K, F] figures of each target, in the order of :data:`probes.memorisation.attacks.FIGURES`."""
    influence: Mapping[str, InfluencePairs]
    """``test`` and ``train`` to the largest influences at the last epoch, with sample ids as source and target."""
    fractions: NDArray[np.float64]
    """[F] fractions of the C-score, rising; a single one where the group has no other."""
    consistency: NDArray[np.float32]
    """[F, E, N] held-out consistency P_out at each of them, of 0/1 outcomes."""
    config: Mapping[str, Any]
    """Settings, as JSON values, with ``planned`` (models of the whole group) and ``left_out``."""
    versions: Mapping[str, Any]
    """Versions of the software, as JSON values."""
    logs: str
    """SHA-256 of the identities of the K logs, in hexadecimal digits."""

    @property
    def members(self) -> dict[str, NDArray[np.bool_]]:
        """Group of ``groups`` to its samples, bool [N]."""
        return cause_groups(self.cause)


def result_path(folder: Path, group: str) -> Path:
    """Path of a group's file, whether it exists or not.

    Args:
        folder: of the group's runs.
        group: its name.
    """
    return folder / f"{group}.memorisation.h5"


def save_result(result: MemorisationResult, path: Path) -> None:
    """Write a result, which replaces an earlier one.

    Raises:
        MemgateError: the file cannot be written.
    """
    content = sealed_content(SCHEMA, lambda handle: _fill(handle, result), ordered=True)
    try:
        atomic_write(path, lambda stream: stream.write(content))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error.strerror or error}): free some space, or check the permissions."
        ) from error


def memorisation_result(name: str, out: str | Path = "runs") -> MemorisationResult:
    """The stored estimates of a group.

    Args:
        name: name of the group, or path of its file NAME.sweep.json.
        out: folder of its runs.

    Raises:
        MemgateError: there is no such group, nothing was estimated yet, or the file is damaged.

    Example:
        >>> import memgate, probes
        >>> try:
        ...     probes.memorisation_result("mine", out="nowhere")
        ... except memgate.MemgateError as error:
        ...     print(error)
        There is no sweep mine under nowhere: there is none yet; give its folder by --out.
    """
    sweep, folder = find_sweep(name, Path(out))
    return read_result(result_path(folder, sweep.name))


def result_of_run(run: Path) -> MemorisationResult | None:
    """The stored estimates of the group that a run is a model of; None where there are none.

    Args:
        run: its folder.

    Raises:
        MemgateError: the file of the estimates is damaged.
    """
    path = path_of_run(run)
    return read_result(path) if path is not None and path.is_file() else None


def path_of_run(run: Path) -> Path | None:
    """Path of the estimates of the group that a run is a model of, whether it exists; None for a run in no group.

    Args:
        run: its folder.
    """
    group = group_of(run)
    return None if group is None else path_beside(group)


def path_beside(group: Path) -> Path:
    """Path of the estimates of a group by its file NAME.sweep.json."""
    return result_path(group.parent, group.name.removesuffix(ENDING))


def read_result(path: Path) -> MemorisationResult:
    """The result in a file.

    Raises:
        MemgateError: it is missing, damaged or of another format.
    """
    file = CheckedFile(
        path,
        SCHEMA,
        "is damaged ({}): remove it, and " + AGAIN,
        f"does not exist: {AGAIN}",
        f"remove it, and {AGAIN}",
    )
    with file.opened() as handle:
        return _read(handle)


def _fill(handle: h5py.File, result: MemorisationResult) -> None:
    handle.attrs.update(group=fixed(result.group), fraction=result.fraction, logs=fixed(result.logs))
    for name in ("config", "versions"):
        handle.attrs[name] = fixed(json_text(dict(getattr(result, name))))
    for name in ("models", "sample_id", "epochs", "attack_epochs", "fractions", "consistency"):
        _write(handle, name, getattr(result, name))
    _write(handle, "cause", np.array([CAUSE_NAMES.index(name) for name in result.cause.tolist()], np.uint8))
    for name in ("values", "groups", "figures"):
        for key, array in getattr(result, name).items():
            _write(handle, f"{name}/{key}", array)
    for attack, arrays in result.vulnerability.items():
        for key, array in arrays.items():
            _write(handle, f"vulnerability/{attack}/{key}", array)
    for split, pairs in result.influence.items():
        group = handle.create_group(f"influence/{split}")
        group.attrs.update(above=pairs.above, below=pairs.below, pairs=pairs.pairs)
        for name in PAIR_ARRAYS:
            _write(group, name, getattr(pairs, name))


def _write(group: Any, name: str, array: NDArray[Any]) -> None:
    checked = {"fletcher32": True, "chunks": True} if array.size else {}
    group.create_dataset(name, data=array, **checked)


def _read(handle: Any) -> MemorisationResult:
    def arrays(name: str) -> dict[str, NDArray[Any]]:
        return {key: dataset[:] for key, dataset in handle[name].items()} if name in handle else {}

    pairs = {
        split: InfluencePairs(
            *(group[name][:] for name in PAIR_ARRAYS),
            *(int(group.attrs[name]) for name in ("above", "below", "pairs")),
        )
        for split, group in (handle["influence"].items() if "influence" in handle else ())
    }
    return MemorisationResult(
        group=text(handle.attrs["group"]),
        fraction=float(handle.attrs["fraction"]),
        cause=np.array(CAUSE_NAMES)[handle["cause"][:]],
        values=arrays("values"),
        groups=arrays("groups"),
        figures=arrays("figures"),
        vulnerability={attack: arrays(f"vulnerability/{attack}") for attack in handle["vulnerability"]},
        influence=pairs,
        logs=text(handle.attrs["logs"]),
        **{name: json.loads(text(handle.attrs[name])) for name in ("config", "versions")},
        **{
            name: handle[name][:]
            for name in ("models", "sample_id", "epochs", "attack_epochs", "fractions", "consistency")
        },
    )
