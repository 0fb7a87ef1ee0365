"""Creates the directory of a new run, completely or not at all. Never imports torch."""

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from memgate.config.json_form import to_json
from memgate.config.run import RunConfig
from memgate.errors import MemgateError
from memgate.log.format import LogLayout
from memgate.log.gate_vector_files import VectorLayout
from memgate.log.identity import file_digests, manifest_path
from memgate.log.writer import SampleLogWriter, lock
from memgate.runs.config_file import write_config
from memgate.runs.run import Run, command, is_run
from noise.files.atomic import sync_folder
from noise.files.lock import unlocker
from noise.manifest.manifest import Manifest


def create_run(
    requested: RunConfig,
    config: RunConfig,
    environment: dict[str, Any],
    manifests: Mapping[str, Manifest],
    digests: Mapping[str, str],
    layout: LogLayout,
    fill: Callable[[Path], object] = lambda _: None,
    vectors: VectorLayout | None = None,
) -> Run:
    """A new run that memgate is going to train: its directory with an empty log.

    Args:
        requested: the configuration as requested, from which ``--like`` starts another run.
        config: the resolved configuration, which is trained.
        environment: of :func:`memgate.training.environment.describe`.
        manifests: corrupted split to its manifest; ``train`` is always among them.
        digests: split to the digest of its images and labels as they are on disk.
        layout: of the log.
        fill: as for :func:`make_folder`.
        vectors: of the files of gate vectors that the training will write. None: it writes none.

    Raises:
        MemgateError: the name is taken, the folder cannot be made, or the disk has no space for log and gate vectors.
    """
    assert config.name is not None, "resolve the configuration first"
    path = config.out / config.name
    if os.path.lexists(path):
        remedy = f", or go on with it by '{command('resume', path)}'" if is_run(path) else ""
        raise MemgateError(f"{path} exists already: choose another --name{remedy}.")
    stored = {
        "config": to_json(config),
        "requested": to_json(requested),
        "environment": environment,
        "digests": dict(digests),
    }
    return make_folder(path, stored, manifests, layout, fill, vectors)


def make_folder(
    path: Path,
    stored: Mapping[str, Any],
    manifests: Mapping[str, Manifest],
    layout: LogLayout | None,
    fill: Callable[[Path], object] = lambda _: None,
    vectors: VectorLayout | None = None,
    finish: Callable[[Run], object] = lambda _: None,
) -> Run:
    """A new run of any origin: its directory, with an empty log if it has one.

    Args:
        path: of the run; must not exist.
        stored: content of config.json without its schema: ``environment``, ``digests``, and either ``config`` and
            ``requested``, or ``recorded``, or ``curves`` and ``source``.
        manifests: as for :func:`create_run`.
        layout: of the log; None for a run without one.
        fill: called with the folder, to write further files into it.
        vectors: see :func:`create_run`.
        finish: called with the run while it has its name not yet, to write its epochs.

    Raises:
        MemgateError: the folder cannot be made, or the disk has no space for the log.
    """
    # Under another name until it is complete, so that a kill in between leaves no half of a run.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        (partial / "checkpoints").mkdir(parents=True)
        for split, manifest in manifests.items():
            manifest.save(manifest_path(partial, split))
        write_config(partial / "config.json", stored)
        Run(partial).set_status("running", 0)
        fill(partial)
        if layout is not None:
            SampleLogWriter.create(partial / "log.h5", layout, file_digests(partial))
        if vectors is not None:
            vectors.check_space(partial)  # beside the log, whose space is taken already
        finish(Run(partial))
        partial.rename(path)
        sync_folder(path.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise MemgateError(
                f"{path} has just been made by another process: wait for that one, or choose another --name."
            ) from error
        if isinstance(error, OSError):
            raise MemgateError(
                f"{path} cannot be made ({error.strerror or error}): free some space, or choose another --out."
            ) from error
        raise
    return Run(path)


def reserve(path: Path) -> Callable[[], None]:
    """Reserve the name of a run that will be made later.

    Args:
        path: of the run; its parent folder is made.

    Returns:
        A function that releases the name, to be called when the run exists or will not be made.

    Raises:
        MemgateError: another process has reserved it, or no run can be made there.
    """
    file = path.with_name(f".{path.name}.reserved")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise MemgateError(f"{path} cannot be made ({error.strerror}): choose another out folder.") from error
    try:
        lock(descriptor, f"{path} is being recorded already: close() that Recorder, or choose another name.")
    except BaseException:
        os.close(descriptor)
        raise
    owner, unlock = os.getpid(), unlocker(descriptor)

    def release() -> None:
        if os.getpid() == owner:  # not in a process that was forked from it
            file.unlink(missing_ok=True)
        unlock()

    return release
