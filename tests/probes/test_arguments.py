"""What users give the public functions by mistake, and what they may give."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import memgate
import probes
from memgate.config.model import ModelConfig
from memgate.errors import MemgateError
from memgate.models.pixels import PixelNetwork

N, K = 6, 4


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(5, K))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).random((N, 3, 8, 8), np.float32)


LABELS = np.arange(N) % K

FUNCTIONS = {
    "critical_samples": lambda model, images: probes.critical_samples(model, images).critical_radius,
    "input_gradient_norm": lambda model, images: probes.input_gradient_norm(model, images, LABELS),
    "grand": lambda model, images: probes.grand(model, images, LABELS),
    "grand_last_layer": lambda model, images: probes.grand_last_layer(model, images, LABELS),
    "features": lambda model, images: probes.features(model, images, ["penultimate"])["penultimate"],
    "prediction_depths": lambda model, images: (
        probes.prediction_depths(model, images, (images, LABELS), 2, layers=["1", "penultimate"]).depth
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_arrays_give_what_tensors_give(model, images, name):
    ask = FUNCTIONS[name]
    expected = ask(model, torch.from_numpy(images))
    frozen = images.copy()
    frozen.setflags(write=False)
    for array in (images, frozen, images.astype(">f4"), np.asfortranarray(images)):
        np.testing.assert_array_equal(ask(model, array), expected)
    whole = np.round(images * 255).astype(np.uint8)
    np.testing.assert_array_equal(ask(model, whole), ask(model, torch.from_numpy(whole)))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda images: np.moveaxis(images, 1, 3), "with the channels last"),
        (lambda images: (images * 255).astype(np.int64), "images are an array of int64"),
        (lambda images: list(images), "images are a list"),
        (lambda images: images[0], "must be"),
    ],
)
def test_other_images_are_a_sentence(model, images, name, spoil, sentence):
    with pytest.raises(MemgateError, match=sentence):
        FUNCTIONS[name](model, spoil(images))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_no_network(model, images, name):
    with pytest.raises(MemgateError, match="model is a function and no torch.nn.Module"):
        FUNCTIONS[name](lambda batch: model(batch), images)


def test_a_network_without_its_normalisation_is_named(images):
    network = memgate.build_model(ModelConfig(depth=14), K, 0)
    with pytest.raises(MemgateError, match="without the normalisation.*memgate.load_model"):
        probes.critical_samples(network, images)
    wrapped = PixelNetwork(network, (0.5,) * 3, (0.2,) * 3).eval()
    assert probes.critical_samples(wrapped, images).critical.shape == (1, N)
    for wrong, sentence in ((torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "torch.uint8"), (images, "ndarray")):
        with pytest.raises(MemgateError, match=f"images are {sentence}: .*images / 255"):
            wrapped(wrong)


def test_radii_are_rising_and_the_result_says_so(model, images):
    result = probes.critical_samples(model, images, radius=(3, 0.3, 3))
    assert result.radii == (0.3, 3)
    np.testing.assert_array_equal(result.critical[1], result.at(3))


def test_layers_may_be_an_iterator_and_no_text(model, images):
    expected = probes.features(model, images, ["1", "penultimate"])
    names: Any = (name for name in ("1", "penultimate"))
    result = probes.features(model, images, names)
    assert list(result) == list(expected)
    with pytest.raises(MemgateError, match=r"layers is the text '1': give a list of names, \['1'\]"):
        probes.features(model, images, "1")


def test_a_path_is_no_run(make_run):
    path: Any = str(make_run(n=20, test_n=10, epochs=1).path)
    nothing: Any = None
    for ask in (
        probes.score_table,
        probes.summary,
        probes.routing_table,
        probes.export_run,
        memgate.load_model,
        memgate.resume,
        lambda run: probes.load_results(run, "csr"),
    ):
        with pytest.raises(MemgateError, match="run is the path .*: open it first, memgate.open_run"):
            ask(path)
    with pytest.raises(MemgateError, match="run is a NoneType and no run"):
        probes.score_table(nothing)
    assert memgate.Run(path).name == "run"


def test_misspelt_names_are_sentences(make_run):
    run = make_run(n=40, test_n=10)
    with pytest.raises(MemgateError, match="There is no probe 'crs': take csr, routing"):
        probes.load_results(run, "crs")
    table = probes.score_table(run)
    with pytest.raises(MemgateError, match="The table has no gate 'b9': the run has b3"):
        probes.separations(table, ["b9"])
    assert probes.separations(table, ["b3"])
