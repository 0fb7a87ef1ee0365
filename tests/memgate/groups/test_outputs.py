"""Values that another program returns: probabilities and logits against float64 formulas, and mistakes."""

import numpy as np
import pytest
from scipy.special import log_softmax, logit

from memgate.errors import MemgateError
from memgate.groups.outputs import epochs_of, predicted_clean, record_of, records_of

GIVEN = np.array([0, 1, 2, 1])
LOGITS = np.array([[3.0, 0, 1], [0, 1, 5], [50, -3, 100], [np.nan, 0, 0]])


def test_logits_and_the_probabilities_that_follow_from_them_give_the_same():
    of_logits = record_of(LOGITS, GIVEN, None, "x")
    p = np.exp(log_softmax(LOGITS, axis=1))[np.arange(4), GIVEN]
    of_p = record_of(p, GIVEN, None, "x")
    for record in (of_logits, of_p):
        np.testing.assert_allclose(record.p_given, p, rtol=1e-6)
        assert record.flag("correct_given").tolist() == [True, False, True, False]
        assert record.known("correct_given").tolist() == [True, True, True, False]
    assert of_logits.phi is not None
    assert of_p.phi is not None
    np.testing.assert_allclose(of_logits.phi[:2], logit(p[:2]), rtol=1e-5)
    np.testing.assert_allclose(of_p.phi[:2], logit(p[:2]), rtol=1e-5)
    assert of_logits.phi[2] == pytest.approx(50)  # where p is 1
    assert 30 < of_p.phi[2] < 40
    assert np.isnan([of_logits.phi[3], of_p.phi[3]]).all()
    assert of_logits.pred.tolist() == [0, 2, 2, 65535]
    assert (of_p.pred == 65535).all()


@pytest.mark.parametrize(("dtype", "bits"), [(np.float32, 24), (np.float64, 53)])
def test_a_probability_of_one_is_the_last_number_below_it_of_its_type(dtype, bits):
    record = record_of(np.array([1, 0, 0.5, 0.5], dtype), GIVEN, None, "x")
    assert record.phi is not None
    assert record.phi[0] == pytest.approx(bits * np.log(2), rel=1e-3)
    assert np.isfinite(record.phi[1])
    assert record.phi[1] < -80
    assert record.flag("correct_given").tolist() == [True, False, False, False]


def test_membership_and_the_clean_label_are_bits():
    trained = np.array([True, False, False, True])
    record = record_of(LOGITS, GIVEN, trained, "x")
    assert record.flag("trained").tolist() == trained.tolist()
    clean = np.array([0, 2, 2, 1])
    assert predicted_clean(record, GIVEN, clean).flag("correct_clean").tolist() == [True, True, True, False]
    only_p = record_of([0.9, 0.9, 0.1, 0.2], GIVEN, trained, "x")
    assert predicted_clean(only_p, GIVEN, clean).flag("correct_clean").tolist() == [True, False, False, False]


def test_an_iterator_gives_epochs_and_an_array_one():
    assert len(list(epochs_of(LOGITS))) == 1
    assert len(list(epochs_of([0.5] * 4))) == 1
    assert len(list(epochs_of(iter([LOGITS, LOGITS])))) == 2


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (np.zeros(3), r"x, train, is float64\[3\] and must be p\(given\) \[4\] or logits \[4, C\]"),
        (np.zeros((4, 2)), "x, train, has logits of 2 classes, and the labels go up to 2"),
        (np.array([0.5, 1.5, 0, 0]), r"x, train, holds \[1.5\] as p\(given\)"),
        (np.array(["a"] * 4), "must be p"),
        ({"test": np.zeros(4)}, "x has the splits test, and the labels train"),
        (None, "must be p"),
    ],
)
def test_a_mistake_is_one_sentence(outputs, sentence):
    with pytest.raises(MemgateError, match=sentence):
        records_of(outputs, {"train": GIVEN}, np.ones(4, bool), "x")
