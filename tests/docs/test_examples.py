"""Every Python block of README and docs runs, and the loops that they record make runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from memgate.runs.run import Run
from noise.manifest.manifest import Manifest
from probes.report.report import report
from tests.helpers.documents import PAGES, blocks

LOOP = "docs/tutorial/own_training_loop.md"
WITH_CODE = [page for page in PAGES if any(block.runs for block in blocks(page, "python"))]

# Lightning's own use of torch, and its advice to machines with many cores.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
]


class FewPictures:
    """Stands in for torchvision's CIFAR10, which would be downloaded."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.data = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), np.uint8)
        self.targets = [number % 10 for number in range(50)]
        self.classes = [str(number) for number in range(10)]


def digits() -> Any:
    generator = torch.Generator().manual_seed(0)
    return torch.utils.data.TensorDataset(
        torch.rand(100, 3, 8, 8, generator=generator), torch.arange(100) % 10
    )


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 10))


def names_of(page: str) -> dict[str, Any]:
    """What the page's examples take from the reader: of README a training of his own, else nothing."""
    if page != "README.md":
        return {}
    data, model = digits(), network()
    indexed = torch.utils.data.TensorDataset(*data.tensors, torch.arange(len(data)))
    loader = torch.utils.data.DataLoader(indexed, batch_size=32)
    return {"loader": loader, "model": model, "step": lambda logits, labels: None}


def run_blocks(page: str) -> dict[str, Any]:
    """Execute a page's Python blocks one after the other; the names that they define."""
    names = names_of(page)
    for number, block in enumerate(blocks(page, "python"), start=1):
        if block.runs:
            exec(compile(block.code, f"{page}, block {number}", "exec"), names)
    return names


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE)
def test_the_examples_of_a_page_run(page: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", FewPictures)
    run_blocks(page)


def test_most_examples_are_run() -> None:
    every = [block for page in PAGES for block in blocks(page, "python")]
    assert len(every) > 15
    assert sum(not block.runs for block in every) < len(every) / 4


def test_the_readmes_examples_record_and_find_what_they_say(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", FewPictures)
    names = run_blocks("README.md")
    result = report(Run(workplace / "runs" / "mine"))
    assert (result.epoch, result.state, result.groups[0].n) == (3, "complete", 100)
    assert Manifest.load(workplace / "manifest.npz").label_corrupted.sum() == 20
    assert names["result"].critical.shape == (3, len(names["images"]))
    assert all(len(block.code.splitlines()) <= 10 for block in blocks("README.md", "python"))


@pytest.mark.slow
def test_the_plain_loop_records_a_run(workplace: Path) -> None:
    run_blocks(LOOP)  # the page calls its function on all digits
    result = report(Run(workplace / "runs" / "mine"))
    assert (result.epoch, result.state, result.groups[0].n) == (3, "complete", 1797)


@pytest.mark.slow
def test_the_lightning_callback_records_a_run(workplace: Path) -> None:
    names = run_blocks(LOOP)
    loader = torch.utils.data.DataLoader(names["Indexed"](digits()), batch_size=32, shuffle=True)
    names["fit"](network(), loader)
    run = Run(workplace / "runs" / "with-lightning")
    assert run.status().state == "complete"
    assert run.sample_log().epochs("train").tolist() == [1, 2, 3]
    assert all(record.flag("seen").all() for _, record in run.sample_log().records("train", [1, 2, 3]))
