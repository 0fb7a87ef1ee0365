"""Critical samples: exact where the answer is known, the same in every batch, and the network left as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from memgate.errors import MemgateError
from probes.csr.config import PAPER_RADIUS, configure
from probes.csr.critical import critical_samples
from probes.csr.search import away
from probes.network.frozen import frozen

SIDE = 4
PIXELS = 3 * SIDE * SIDE
METHODS = ("first-order", "lass", "fgsm", "pgd")
WALKS = METHODS[1:]


class Linear(nn.Module):
    def __init__(self, classes=2, scale=1.0, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.layer = nn.Linear(PIXELS, classes)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(classes, PIXELS, generator=generator))
            # The boundary goes through the middle of the images.
            self.layer.bias.copy_(-self.layer.weight.sum(1) / 2)
        self.scale = scale

    def forward(self, images):
        return self.scale * self.layer(images.flatten(1))


class Small(nn.Module):
    """Convolutions and BatchNorm with uneven statistics, so that batch statistics would show."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1),
                nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5),
            )  # fmt: skip
        with torch.no_grad():
            self.train()
            for _ in range(20):
                self(pictures(64, seed=9))
        self.eval()

    def forward(self, images):
        return self.body((images - 0.5) / 0.1)


def pictures(n, seed=0, side=SIDE):
    """Images [n, 3, side, side] away from 0 and 1."""
    return 0.3 + 0.4 * torch.rand((n, 3, side, side), generator=torch.Generator().manual_seed(seed))


def exact_rho(model, images):
    """Smallest distance over all other classes and that to the runner-up, by numpy in float64."""
    weight = model.layer.weight.detach().double().numpy()
    flat = images.flatten(1).double().numpy()
    logits = flat @ weight.T + model.layer.bias.detach().double().numpy()
    order = np.argsort(-logits, 1)
    rows, own = np.arange(len(flat)), order[:, 0]
    distance = np.full(logits.shape, np.inf)
    for other in range(logits.shape[1]):
        slope = np.abs(weight[own] - weight[other]).sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            distance[:, other] = np.where(
                own == other, np.inf, (logits[rows, own] - logits[:, other]) / slope
            )
    return 255 * distance.min(1), 255 * distance[rows, order[:, 1]], own


# What is known exactly


def test_the_radius_of_a_linear_network_is_exact():
    model, images = Linear(), pictures(400)
    nearest, _, own = exact_rho(model, images)
    result = critical_samples(model, images, radius=(1, 4, 10))
    np.testing.assert_allclose(result.critical_radius, nearest, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(result.prediction, own)
    np.testing.assert_array_equal(result.critical, [nearest < radius for radius in (1, 4, 10)])
    assert result.critical_radius.dtype == np.float32
    assert 0.05 < result.critical[0].mean() < result.critical[2].mean() < 0.95
    assert result.gradient_evaluations == 400


def test_runner_up_and_all_classes():
    model, images = Linear(classes=6), pictures(300)
    nearest, runner_up, _ = exact_rho(model, images)
    assert (nearest < runner_up * 0.99).any(), "the nearest boundary is not always the runner-up's"
    result = critical_samples(model, images, others=9)
    np.testing.assert_allclose(result.critical_radius, nearest, rtol=1e-4, atol=1e-4)
    assert result.gradient_evaluations == 5 * 300
    result = critical_samples(model, images, others=1)
    np.testing.assert_allclose(result.critical_radius, runner_up, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", WALKS)
def test_searches_agree_with_the_closed_form(method):
    model, images = Linear(), pictures(400)
    nearest, _, _ = exact_rho(model, images)
    radii = (1.0, 4.0, 10.0)
    result = critical_samples(model, images, method=method, radius=radii)
    for row, radius in enumerate(radii):
        # LASS's noise keeps some pixels off the corner of the box, so it may miss what lies just inside.
        surely = nearest < (0.85 if method == "lass" else 0.999) * radius
        assert result.critical[row][surely].all()
        assert not result.critical[row][nearest > 1.001 * radius].any()
        np.testing.assert_array_equal(result.at(radius), result.critical[row])
    hit = np.isfinite(result.critical_radius)
    np.testing.assert_array_equal(hit, result.critical[-1])
    assert (result.critical_radius[hit] >= 0.999 * nearest[hit]).all()
    assert (result.critical_radius[hit] <= 10.001).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_membership_grows_with_the_radius_from_nothing_at_zero(method):
    result = critical_samples(Small(), pictures(60), method=method, radius=(8, 0, 2, 0.3, 30), seed=3)
    assert result.config.radii == (0, 0.3, 2, 8, 30)
    assert not result.critical[0].any()
    assert (result.critical[:-1] <= result.critical[1:]).all()
    assert result.critical[-1].mean() > 0.5
    never = result.first_hit_step == -1
    assert never.all() if method == "first-order" else (never == ~result.critical).all()


def test_any_radius_of_first_order_and_only_searched_ones_of_a_search():
    model, images = Linear(), pictures(50)
    result = critical_samples(model, images)
    np.testing.assert_array_equal(result.at(3.7), result.critical_radius < 3.7)
    with pytest.raises(MemgateError, match=r"radius 3.7 was not searched: there are 0.3 grey levels"):
        critical_samples(model, images, method="fgsm").at(3.7)


def test_ties_zero_gradients_and_constants():
    images = pictures(3)
    model = Linear()
    with torch.no_grad():
        model.layer.bias.zero_()
    tied = torch.zeros_like(images)  # exactly on the boundary
    assert critical_samples(model, tied).critical_radius.tolist() == [0, 0, 0]
    assert critical_samples(model, tied).critical.all()
    assert not critical_samples(model, tied, radius=0).critical.any()

    class Constant(nn.Module):
        def __init__(self, *logits):
            super().__init__()
            self.logits = torch.tensor([logits])

        def forward(self, images):
            return self.logits.repeat(len(images), 1)

    for constant in (Constant(1.0, 2.0, 0.0), Constant(1.0, 1.0, 1.0)):
        for method in METHODS:
            result = critical_samples(constant, images, method=method, radius=255)
            assert np.isinf(result.critical_radius).all()
            assert not result.critical.any()


def test_a_saturated_softmax_does_not_hide_the_boundary():
    images = pictures(200)
    sure, unsure = Linear(scale=1e5), Linear()
    logits = sure(images[:1].requires_grad_())
    assert (nn.functional.cross_entropy(logits, logits.argmax(1)) == 0).all(), "float32 sees no loss here"
    for method in METHODS:
        one, two = (
            critical_samples(model, images.detach(), method=method, radius=4) for model in (sure, unsure)
        )
        np.testing.assert_array_equal(one.critical, two.critical)
        np.testing.assert_allclose(one.critical_radius, two.critical_radius, rtol=1e-3, atol=1e-4)


def test_the_objective_of_a_search_has_the_signs_of_the_cross_entropy():
    logits = torch.randn(
        (50, 7), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).requires_grad_()
    label = logits.argmax(1)
    (one,) = torch.autograd.grad(away(logits, label).sum(), logits)
    (two,) = torch.autograd.grad(nn.functional.cross_entropy(logits, label, reduction="sum"), logits)
    torch.testing.assert_close(one.sign(), two.sign())
    ratio = two / one
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))


# The same whatever the batch


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_batch_size_order_and_other_samples_do_not_matter(method):
    model, images = Small(), pictures(36, side=8)
    ids = np.random.default_rng(0).permutation(1000)[:36]

    def result(rows, batch_size):
        return critical_samples(
            model, images[rows], method=method, radius=(1, 3), sample_id=ids[rows], batch_size=batch_size, seed=5,
            restarts=2 if method in ("lass", "pgd") else 1,
        )  # fmt: skip

    rows = np.arange(36)
    whole = result(rows, 256)
    assert 0.1 < whole.critical[1].mean() < 0.9
    shuffled = np.random.default_rng(1).permutation(36)
    for some, batch_size in ((rows[::3], 1), (rows, 7), (shuffled, 16), (rows[::3], 10)):
        part = result(some, batch_size)
        np.testing.assert_array_equal(part.critical, whole.critical[:, some])
        np.testing.assert_array_equal(part.prediction, whole.prediction[some])
        np.testing.assert_array_equal(part.first_hit_step, whole.first_hit_step[:, some])
        np.testing.assert_allclose(part.critical_radius, whole.critical_radius[some], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_noise_depends_on_the_sample_and_the_seed():
    model, images = Small(), pictures(90, side=8)

    def steps(**options):
        return critical_samples(model, images, method="pgd", radius=3, **options).first_hit_step

    np.testing.assert_array_equal(steps(seed=1), steps(seed=1))
    assert (steps(seed=1) != steps(seed=2)).any()
    assert (steps() != steps(sample_id=np.arange(90) + 1)).any()


@pytest.mark.slow
@pytest.mark.parametrize("method", WALKS)
def test_early_exit_changes_only_the_cost(method):
    model, images = Small(), pictures(60, side=8)
    early, naive = (
        critical_samples(model, images, method=method, radius=3, early_exit=flag, batch_size=16)
        for flag in (True, False)
    )
    np.testing.assert_array_equal(early.critical, naive.critical)
    np.testing.assert_array_equal(early.first_hit_step, naive.first_hit_step)
    np.testing.assert_array_equal(early.critical_radius, naive.critical_radius)
    assert naive.gradient_evaluations == 60 * naive.config.steps
    if method != "fgsm":
        assert early.gradient_evaluations < naive.gradient_evaluations


def test_restarts_only_add_critical_samples():
    model, images = Small(), pictures(60, side=8)
    options = {"method": "pgd", "steps": 1, "alpha": 0.1, "radius": 4}
    once, often = (critical_samples(model, images, restarts=restarts, **options) for restarts in (1, 8))
    assert (once.critical <= often.critical).all()
    assert often.critical.sum() > once.critical.sum()
    assert (often.first_hit_step[often.critical] <= 8).all()


def test_a_search_stays_in_its_box_and_in_the_range_of_pixels():
    images = torch.rand((20, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).round(decimals=1)
    seen = []

    class Watched(Linear):
        def forward(self, images):
            seen.append(images.detach().clone())
            return super().forward(images)

    for method in WALKS:
        seen.clear()
        critical_samples(Watched(), images, method=method, radius=40, batch_size=20, early_exit=False)
        assert len(seen) == 2 + {"lass": 10, "fgsm": 1, "pgd": 20}[method]  # prediction, and a check a step
        for point in seen:
            assert float(point.min()) >= 0
            assert float(point.max()) <= 1
            assert float((point - images).abs().max()) <= 40 / 255 + 1e-6
        assert float((seen[-1] - images).abs().max()) > 39 / 255


def test_lass_constants_are_the_papers_and_grow_with_the_radius():
    config = configure("lass", (PAPER_RADIUS, 3))
    assert config.alpha == pytest.approx((0.25, 2.5))
    assert config.beta == pytest.approx((0.2, 2.0))
    assert config.steps == 10
    fixed = configure("lass", (0.3, 3), alpha=0.1, beta=0.0)
    assert (fixed.alpha, fixed.beta) == ((0.1, 0.1), (0.0, 0.0))
    assert configure("pgd", 2).alpha == (0.5,)
    assert configure("fgsm", 2).alpha == (2,)


# The network is left as it was


def fingerprint(model):
    return (
        {name: value.clone() for name, value in model.state_dict().items()},
        [module.training for module in model.modules()],
        [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()],
    )


def assert_untouched(before, model):
    state, modes, flags = fingerprint(model)
    assert (modes, flags) == before[1:]
    for name, value in state.items():
        torch.testing.assert_close(value, before[0][name], rtol=0, atol=0)


def test_modes_flags_and_buffers_are_restored():
    model, images = Small(), pictures(40)
    expected = [critical_samples(model, images, method=method).critical for method in METHODS]
    model.train()
    model.body[1].eval()  # pyright: ignore
    model.body[0].weight.requires_grad_(False)  # pyright: ignore
    before = fingerprint(model)
    for method, members in zip(METHODS, expected, strict=True):
        result = critical_samples(model, images, method=method)
        np.testing.assert_array_equal(result.critical, members, err_msg="batch statistics were used")
        assert_untouched(before, model)


def test_they_are_restored_after_an_error_too():
    class Counting(Small):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))
            self.register_buffer("again", torch.zeros(()))
            self.limit = 1e9

        def forward(self, images):
            if hasattr(self, "calls"):
                self.calls += 1  # some modules keep books in eval mode too
                self.again = self.again + 1
                if self.calls > self.limit:
                    raise ValueError("enough")
            return super().forward(images)

    model = Counting().train()
    before = fingerprint(model)
    critical_samples(model, pictures(10), method="lass", radius=3)
    assert_untouched(before, model)
    model.limit = 2
    with pytest.raises(ValueError, match="enough"):
        critical_samples(model, pictures(10), method="lass", radius=3)
    assert_untouched(before, model)


def test_gradients_work_where_the_caller_switched_them_off():
    model, images = Small(), pictures(20)
    expected = critical_samples(model, images, method="lass", radius=3)
    for guard in (torch.no_grad, torch.inference_mode):
        with guard():
            result = critical_samples(model, images.clone(), method="lass", radius=3)
            assert torch.is_grad_enabled() is False
        np.testing.assert_array_equal(result.critical, expected.critical)


def test_uint8_other_channels_and_float64():
    levels = torch.randint(60, 200, (30, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).byte()
    model = Linear()
    one, two = critical_samples(model, levels), critical_samples(model, levels / 255)
    np.testing.assert_array_equal(one.critical_radius, two.critical_radius)
    double = critical_samples(model.double(), levels)
    np.testing.assert_allclose(double.critical_radius, one.critical_radius, rtol=1e-3, atol=1e-3)
    assert (double.config.precision, one.config.precision) == ("float64", "float32")
    grey = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    assert critical_samples(grey, pictures(5)[:, :1]).critical.shape == (1, 5)


def test_progress_counts_every_sample_once_a_round():
    for method in METHODS:
        done = []
        result = critical_samples(
            Small(), pictures(30), method=method, radius=(0, 2, 4), finished=done.append
        )
        assert sum(done) == 30 * result.config.rounds


# What makes no sense

WRONG = [
    ({"radius": -1}, "radius -1 is no distance"),
    ({"radius": float("nan")}, "radius nan is no distance"),
    ({"radius": ()}, "radius is empty"),
    ({"method": "cw"}, "method 'cw' is none of first-order, lass, fgsm, pgd"),
    ({"steps": 3}, "steps 3 does not go with first-order"),
    ({"alpha": 1}, "alpha and beta do not go with first-order"),
    ({"method": "lass", "steps": 0}, "steps 0 searches nothing"),
    ({"method": "lass", "alpha": -1}, "alpha -1 is no length"),
    ({"method": "fgsm", "steps": 2}, "steps 2 does not go with fgsm"),
    ({"method": "fgsm", "restarts": 2}, "restarts 2 does not go with fgsm"),
    ({"method": "pgd", "beta": 1}, "beta does not go with pgd"),
    ({"method": "pgd", "restarts": 0}, "restarts 0 searches nothing"),
    ({"method": "pgd", "others": 2}, "others 2 does not go with pgd"),
    ({"batch_size": 0}, "batch_size 0 holds no image"),
    ({"sample_id": np.zeros(4, int)}, "sample_id must be 4 distinct numbers"),
    ({"sample_id": np.arange(3)}, "sample_id must be 4 distinct numbers"),
]


@pytest.mark.parametrize(("options", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_wrong_values_are_refused_in_a_sentence(options, sentence):
    with pytest.raises(MemgateError) as caught:
        critical_samples(Linear(), pictures(4), **options)
    assert sentence in str(caught.value)


def test_arrays_that_are_not_images_are_refused():
    for images, sentence in (
        (pictures(4) * 255, "not within [0, 1]"),
        (pictures(4) - 1, "not within [0, 1]"),
        (pictures(4) * torch.nan, "not within [0, 1]"),
        (pictures(4).flatten(1), "must be [n, C, H, W]"),
        (pictures(4)[:0], "n at least 1"),
        ((pictures(4) * 255).int(), "floats in [0, 1], or uint8"),
    ):
        with pytest.raises(MemgateError) as caught:
            critical_samples(Linear(), images)
        assert sentence in str(caught.value)


def test_networks_without_logits_are_refused():
    coupled = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten(), nn.Linear(PIXELS, 2))
    diverged = Linear()
    with torch.no_grad():
        diverged.layer.bias.fill_(torch.nan)
    for model, sentence in (
        (coupled, "BatchNorm layer '0' keeps no running statistics"),
        (diverged, "not finite: its training has diverged"),
        (nn.Flatten(0), "returns (192,) and no logits"),
        (nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 1)), "two classes or more"),
    ):
        with pytest.raises(MemgateError) as caught:
            critical_samples(model, pictures(4))
        assert sentence in str(caught.value)


def test_equal_configurations_are_equal():
    assert configure("lass", [1, 0.3]) == configure("lass", (0.3, 1.0))
    assert configure("lass", 1) != replace(configure("lass", 1), seed=1)
    with frozen(Linear()) as logits:
        assert logits(pictures(2)).shape == (2, 2)
