"""Reads all of an HDF5 file that could make the HDF5 library loop or crash; a program of its own.

:mod:`memgate.log.guard` runs it with a time limit on files that have no seal. It imports h5py alone, so that it
starts fast.
Arguments: the file, and the seconds of processor time that reading it may take, after which SIGXCPU ends the program.
Exit code 0: the file can be read. 3: it cannot, and the reason is on standard error.
"""

import resource
import sys
from contextlib import suppress
from typing import Any

import h5py

UNREADABLE = 3
"""Exit code where the file cannot be read: no other failure of Python has it."""

DEEPEST = 8
"""Levels of groups of the deepest file that memgate writes, and some more."""

MEMORY = 8 << 30
"""Bytes of address space: a damaged size must not take the machine's memory."""

CONTIGUOUS = 16 << 20
"""Bytes up to which a dataset without chunks is read; reading it is a plain copy, which cannot loop."""


def check_group(group: Any, depth: int = 0) -> None:
    """Read every attribute, link and dataset's layout of a group, and of the groups in it.

    Raises:
        ValueError: it holds links to elsewhere, datasets of other files, or too many levels.
    """
    if depth > DEEPEST:
        raise ValueError("its groups are nested too deeply")
    _check_attributes(group)
    for name in list(group):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{group.name}/{name} is a link to elsewhere, which no file of memgate has")
        member = group[name]
        if isinstance(member, h5py.Group):
            check_group(member, depth + 1)
        elif isinstance(member, h5py.Dataset):
            _check_dataset(member)


def _check_attributes(member: Any) -> None:
    for name in list(member.attrs):
        member.attrs[name]


def _check_dataset(dataset: Any) -> None:
    _check_attributes(dataset)
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{dataset.name} lies in another file, which no file of memgate has")
    if dataset.chunks is not None:
        for part in dataset.iter_chunks():
            dataset[part]
    elif dataset.nbytes <= CONTIGUOUS:
        dataset[()]


def limit(kind: int, amount: int) -> None:
    """Lower a limit of this process; one that is already lower stays, and one that the system refuses is left out."""
    hard = resource.getrlimit(kind)[1]
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (amount if hard == resource.RLIM_INFINITY else min(amount, hard), hard))


def problem(path: str) -> str | None:
    """Why a file cannot be read, in one line; None where it can."""
    try:
        with h5py.File(path, "r", locking=False) as handle:
            check_group(handle)
    except Exception as error:  # whatever the library raises of a damaged file
        return " ".join(str(error).split()) or type(error).__name__
    return None


if __name__ == "__main__":
    limit(resource.RLIMIT_AS, MEMORY)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, int(sys.argv[2]))  # then SIGXCPU ends this process
    if reason := problem(sys.argv[1]):
        sys.stderr.write(reason + "\n")
        sys.exit(UNREADABLE)
