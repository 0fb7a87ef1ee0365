"""Input curvature: networks whose Hessian by the pixels is known, and directions that hang on the sample alone."""

import numpy as np
import pytest
import torch
from torch import nn

from memgate.errors import MemgateError
from probes.difficulty.curvature import _directions, input_curvature

SHAPE = (1, 4, 4)


class Logistic(nn.Module):
    """Logits (0, a^T x): the loss of class 1 has the Hessian s(1 - s) a a^T with s = sigmoid(a^T x)."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images):
        value = images.flatten(1) @ self.weight
        return torch.stack([torch.zeros_like(value), value], dim=1)


class Quadratic(nn.Module):
    """Logits (0, x^T A x / 2 + c): the Hessian has A in it, and is of full rank."""

    def __init__(self, matrix, offset):
        super().__init__()
        self.matrix, self.offset = nn.Parameter(matrix), offset

    def forward(self, images):
        x = images.flatten(1)
        value = ((x @ self.matrix) * x).sum(1) / 2 + self.offset
        return torch.stack([torch.zeros_like(value), value], dim=1)


def frobenius(model, image, label):
    """Frobenius norm of the Hessian of one image's loss, by automatic differentiation."""

    def loss(pixels):
        return nn.functional.cross_entropy(model(pixels.reshape(1, *SHAPE)), torch.tensor([label]))

    hessian = torch.autograd.functional.hessian(loss, image.flatten())
    return float(torch.as_tensor(hessian).norm())


def samples(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, *SHAPE, generator=generator, dtype=torch.float64), torch.arange(n) % 2


def test_one_weight_gives_the_closed_form_from_any_direction():
    """With a single pixel that counts, v^T a is +-a, so that every direction has the exact value s(1 - s) a^2."""
    weight = torch.zeros(16, dtype=torch.float64)
    weight[5] = 3.0
    images, labels = samples()
    chance = torch.sigmoid(3 * images.flatten(1)[:, 5])
    values = input_curvature(Logistic(weight), images, labels, directions=1, step=1e-5)
    np.testing.assert_allclose(values, chance * (1 - chance) * 9, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["logistic", "quadratic"])
def test_the_mean_over_many_directions_is_the_frobenius_norm(kind):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(16, generator=generator, dtype=torch.float64)
    matrix = torch.randn(16, 16, generator=generator, dtype=torch.float64)
    model = Logistic(weight) if kind == "logistic" else Quadratic(matrix + matrix.T, -1.0)
    images, labels = samples(3)
    values = input_curvature(model, images, labels, directions=400, step=1e-5)
    expected = [frobenius(model, image, int(label)) for image, label in zip(images, labels, strict=True)]
    np.testing.assert_allclose(values, expected, rtol=0.12)  # of rank one: 3.4 standard errors


def test_a_linear_loss_has_no_curvature_where_the_class_is_surely_wrong():
    """log(1 + e^z) - z with z = 60 x: the softmax is 0 or 1 to the last digit, and the gradient constant."""
    weight = torch.full((16,), 60.0, dtype=torch.float64)
    images, _ = samples()
    values = input_curvature(Logistic(weight), images, torch.zeros(6, dtype=torch.int64))
    np.testing.assert_allclose(values, 0, atol=1e-6)


def test_directions_are_signs_that_depend_on_the_sample_and_their_number():
    ways = torch.stack(_directions(np.array([7, 3, 9]), (3, 8, 9), 5, 0))
    assert ways.shape == (5, 3, 3, 8, 9)
    assert set(ways.unique().tolist()) == {-1, 1}
    assert abs(float(ways.double().mean())) < 0.06  # 3,240 signs: 3.4 standard errors
    alone = torch.stack(_directions(np.array([3]), (3, 8, 9), 2, 0))
    assert torch.equal(alone[:, 0], ways[:2, 1])
    assert not torch.equal(ways[0, 0], ways[0, 1])
    assert not torch.equal(ways[0], torch.stack(_directions(np.array([7, 3, 9]), (3, 8, 9), 1, 1))[0])


def test_order_batch_and_type_of_the_images_do_not_matter():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(4, 5))
    pixels = torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8)
    labels, ids = np.arange(7) % 5, np.array([4, 9, 1, 30, 31, 6, 2])
    whole = input_curvature(model, pixels, labels, step=0.05, sample_id=ids)
    assert whole.dtype == np.float32
    assert (whole > 0).all()
    turned = input_curvature(
        model, pixels.flip(0) / 255, labels[::-1], step=0.05, sample_id=ids[::-1], batch_size=3
    )
    np.testing.assert_allclose(turned, whole[::-1], rtol=1e-3)
    assert not np.allclose(input_curvature(model, pixels, labels, step=0.05), whole, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"directions": 0}, "directions 0 average nothing"),
        ({"step": 0.0}, "step 0 is out of range: from 1e-06 to 1"),
        ({"step": float("nan")}, "step nan is out of range"),
        ({"sample_id": [1, 2]}, "sample_id must be a whole number, 0 or above, for each of the 6 images"),
        ({"sample_id": [-1, 2, 3, 4, 5, 6]}, "sample_id must be a whole number"),
    ],
)
def test_what_is_out_of_range_is_a_sentence(arguments, message):
    with pytest.raises(MemgateError, match=message):
        input_curvature(Logistic(torch.ones(16, dtype=torch.float64)), *samples(), **arguments)
