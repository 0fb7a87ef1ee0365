"""Fixtures that the tests share with the examples in docstrings (``pytest --doctest-modules memgate``)."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a test imports torch

# A shell's background ignores Ctrl-C, and memgate leaves it so; tests of Ctrl-C are to pass there too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("memgate", deadline=None)  # other tests and jobs share the machine
settings.load_profile("memgate")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run trained on digits; see :func:`tests.helpers.trained_runs.train_two_gates`."""
    from tests.helpers.trained_runs import train_two_gates  # torch, which most tests need not wait for

    return train_two_gates(tmp_path_factory.mktemp("trained") / "runs").path


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Nothing that a test writes has to survive a power cut; a fifth of the time of made-up runs is such waiting."""

    def written(file: int) -> None:
        os.fstat(file)  # a file that is closed stays an error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", written)
        yield


@pytest.fixture(scope="session", autouse=True)
def _digits_are_read_once() -> Iterator[None]:
    """Every training and probe on digits reads all 1,797 of them; Pillow enlarges them once for each size."""
    from memgate.data import sources

    original, read = sources.READERS["digits"], dict[int, Any]()

    def cached(config: Any) -> Any:
        if config.image_size not in read:
            read[config.image_size] = original(config)
        return deepcopy(read[config.image_size])

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sources.READERS, "digits", cached)
        yield


@pytest.fixture(autouse=True)
def _doctest_names(request: pytest.FixtureRequest) -> None:
    """An example in a docstring gets ``tmp_path``, and where it says ``run`` a copy of :func:`trained`."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    namespace: dict[str, Any] = request.getfixturevalue("doctest_namespace")
    namespace["tmp_path"] = folder = request.getfixturevalue("tmp_path")
    if any(re.search(r"\brun\b", example.source) for example in request.node.dtest.examples):
        from memgate.runs.run import Run

        shutil.copytree(request.getfixturevalue("trained"), folder / "runs" / "one")
        namespace["run"] = Run(folder / "runs" / "one")
