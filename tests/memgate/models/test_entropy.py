"""Entropy against scipy; the curves' ranges and mid-points as the papers and their code have them."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from memgate.models.entropy import CURVES, entropy, gate_value


@settings(deadline=None)
@given(arrays(np.float64, (4, 6), elements=st.floats(-300, 300)))
def test_entropy_equals_scipys_and_never_overflows(logits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    expected = scipy.stats.entropy(p, axis=1)
    values = entropy(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert (values >= -1e-6).all()
    assert (values <= math.log(6) + 1e-5).all()


RANGES = [  # curve, K, g at H = 0, ln(K)/2, ln K: spec/gating.md section 4.1
    ("centred", 10, 0.2403, 0.5, 0.7597),
    ("centred", 100, 0.0909, 0.5, 0.9091),
    ("stretched", 10, 0.0179, 0.5, 0.9821),
    ("stretched", 100, 0.00033, 0.5, 0.99967),
    ("normalised", 10, 0.0180, 0.5, 0.9820),
    ("normalised", 100, 0.0180, 0.5, 0.9820),
    ("identity", 10, 0.0, 1.1513, 2.3026),
    ("sigmoid", 10, 0.5, 0.7597, 0.9091),
]


@pytest.mark.parametrize(("curve", "classes", "at_zero", "at_half", "at_most"), RANGES)
def test_the_curves_at_no_half_and_full_entropy(curve, classes, at_zero, at_half, at_most):
    h = torch.tensor([0.0, math.log(classes) / 2, math.log(classes)], dtype=torch.float64)
    values = gate_value(h, curve, classes, 8.0).tolist()
    assert values == pytest.approx([at_zero, at_half, at_most], abs=2e-4, rel=0.02)


@pytest.mark.parametrize("curve", list(CURVES))
def test_g_rises_with_the_entropy(curve):
    h = torch.linspace(0, math.log(10), 50)
    assert (gate_value(h, curve, 10, 8.0).diff() > 0).all()
