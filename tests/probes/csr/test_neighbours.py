"""Neighbours of critical samples: inside the box, as stored, and really with another prediction."""

import numpy as np
import pytest
import torch
from torch import nn

from app.cli import main
from memgate.errors import MemgateError
from memgate.runs.inputs import inputs_of
from memgate.training.evaluate import load_network, pixel_network
from probes.csr.critical import critical_samples
from probes.csr.neighbours import find_neighbours
from probes.network.checkpoints import probed_rows
from probes.network.pixels import as_pixels, load_batch
from probes.result import load_results, probe_path

SHAPE = (3, 4, 4)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(48, 3)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(3, 48, generator=torch.Generator().manual_seed(0)))
            self.layer.bias.copy_(-self.layer.weight.sum(1) / 2)

    def forward(self, images):
        return self.layer(images.flatten(1))


def pictures(n):
    return torch.rand((n, *SHAPE), generator=torch.Generator().manual_seed(1)).round(decimals=1)


def neighbours_of(images, result):
    """The images of the stored neighbours, in float64."""
    change = result.difference / 127 * result.distance[:, None, None, None] / 255
    return images.double().numpy()[result.row] + change


@pytest.mark.slow
@pytest.mark.parametrize("method", ["first-order", "lass", "fgsm", "pgd"])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_stored_neighbour_has_another_prediction(method, batch_size):
    model, images = Linear(), pictures(200)
    others = 2 if method == "first-order" else None
    result = critical_samples(model, images, method=method, radius=(1, 4, 10), others=others)
    beyond = find_neighbours(model, images, result, most=60, batch_size=batch_size)
    assert 50 <= len(beyond.row) <= 60
    pixels = neighbours_of(images, beyond)
    assert pixels.min() >= -1e-6
    assert pixels.max() <= 1 + 1e-6
    says = model(torch.from_numpy(pixels).float()).argmax(1).numpy()
    np.testing.assert_array_equal(says, beyond.prediction)
    assert (says != result.prediction[beyond.row]).all()
    moved = np.abs(pixels - images.double().numpy()[beyond.row]).reshape(len(says), -1).max(1) * 255
    np.testing.assert_allclose(moved, beyond.distance, rtol=1e-4)
    assert (beyond.distance <= 10.001).all()
    order = result.critical_radius[beyond.row]
    assert (np.diff(order) >= 0).all(), "the nearest first"
    assert order[-1] <= np.sort(result.critical_radius)[60]


def test_the_boundary_lies_just_before_the_neighbour():
    model, images = Linear(), pictures(200)
    result = critical_samples(model, images, radius=(1, 4, 10), others=2)
    beyond = find_neighbours(model, images, result, most=200)
    rho = result.critical_radius[beyond.row]  # exact, but for pixels at 0 and 1
    assert (beyond.distance >= 0.99 * rho).all()
    assert np.median(beyond.distance / rho) < 1.2


def test_the_neighbours_do_not_depend_on_the_batch():
    model, images = Linear(), pictures(100)
    result = critical_samples(model, images, radius=(1, 4), others=2)
    whole, parts = (find_neighbours(model, images, result, batch_size=size) for size in (256, 9))
    np.testing.assert_array_equal(whole.row, parts.row)
    np.testing.assert_allclose(whole.distance, parts.distance, rtol=0.02)


def test_without_critical_samples_or_with_none_requested_there_is_no_neighbour():
    model, images = Linear(), pictures(20)
    for radius, most in ((0, 50), (4, 0)):
        result = find_neighbours(model, images, critical_samples(model, images, radius=radius), most=most)
        assert result.difference.shape == (0, *SHAPE)
        assert len(result.row) == len(result.distance) == len(result.prediction) == 0


@pytest.mark.slow
def test_a_run_stores_them_beside_its_critical_samples(trained_run, capsys):
    main.parse(["probe", "csr", str(trained_run.path), "--splits", "train", "--neighbours", "20",
               "--radius", "0.3", "30", "--every", "2", "--checkpoints", "last"]).run()  # fmt: skip
    results = {result.key: result for result in load_results(trained_run, "csr")}
    beyond = {result.key: result for result in load_results(trained_run, "neighbours")}
    assert set(beyond) == set(results) == {("train", 2, "first-order"), ("train", 3, "first-order")}
    inputs = inputs_of(trained_run)
    for key, result in beyond.items():
        whole, values = results[key], result.values
        assert 10 <= len(result.sample_id) <= 20
        assert values["difference"].dtype == np.int8
        assert values["difference"].shape == (8, 8, 3, len(result.sample_id))
        mask = [whole.sample_id.tolist().index(one) for one in result.sample_id.tolist()]
        for name in ("prediction", "critical_radius"):
            np.testing.assert_array_equal(values[name], whole.values[name][mask])
        assert set(mask) <= set(np.argsort(whole.values["critical_radius"])[:20].tolist())
        images = inputs.image_set("train").subset(probed_rows(inputs, "train", 1000)).images
        given = load_batch(as_pixels(images), np.array(mask), torch.device("cpu"), torch.float32)
        change = (
            values["difference"].transpose(3, 2, 0, 1) * (values["distance"] / 127 / 255)[:, None, None, None]
        )
        model = load_network(trained_run, str(result.epoch), torch.device("cpu"))[0].eval()
        with torch.no_grad():
            says = pixel_network(model, inputs)(
                (given + torch.from_numpy(change).float()).clamp(0, 1)
            ).argmax(1)
        np.testing.assert_array_equal(says.numpy(), values["neighbour_prediction"])
        assert (values["neighbour_prediction"] != values["prediction"]).all()


def test_none_are_stored_where_none_are_requested(trained_run, capsys):
    main.parse(
        ["probe", "csr", str(trained_run.path), "--splits", "test", "--n", "5", "--neighbours", "0"]
    ).run()
    assert load_results(trained_run, "neighbours") == ()
    with pytest.raises(MemgateError, match="neighbours -1 is no number of samples"):
        main.parse(["probe", "csr", str(trained_run.path), "--neighbours", "-1"]).run()


def test_a_damaged_file_is_noticed_before_anything_is_computed(trained_run):
    probe_path(trained_run, "neighbours").parent.mkdir()
    probe_path(trained_run, "neighbours").write_bytes(b"no HDF5")
    with pytest.raises(MemgateError, match=r"neighbours.h5 is damaged"):
        main.parse(["probe", "csr", str(trained_run.path)]).run()
    assert load_results(trained_run, "csr") == ()
