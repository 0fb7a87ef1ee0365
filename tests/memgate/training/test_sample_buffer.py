"""phi and the bit 'trained' of the logged values, against float64 and against the subset."""

import numpy as np
import torch

from memgate.models import Forward
from memgate.training.evaluate import summarise
from memgate.training.sample_buffer import SampleBuffer


def record_of(logits, labels, trained=None):
    labels = torch.tensor(labels)
    buffer = SampleBuffer(labels, labels, (), trained=trained, phi=True)
    buffer.update(torch.arange(len(labels)), Forward(torch.tensor(logits, dtype=torch.float32), ()))
    return buffer.record()


def test_phi_is_the_logit_of_p_and_is_not_lost_where_p_rounds_to_one():
    logits = np.array([[40.0, 0, 0], [0, 1, 2], [-60, 0, 3], [0, 0, 0]])
    record = record_of(logits, [0, 1, 0, 2])
    others = np.array([np.log(2), np.log(1 + np.exp(2)), np.log(1 + np.exp(3)), np.log(2)])
    expected = np.array([40, 1, -60, 0]) - others
    assert record.phi is not None
    np.testing.assert_allclose(record.phi, expected, rtol=1e-6)
    assert record.p_given[0] == 1
    np.testing.assert_allclose(record.p_given, 1 / (1 + np.exp(-expected)), rtol=1e-5)


def test_phi_is_missing_where_there_is_no_softmax_and_where_it_is_infinite():
    record = record_of([[np.nan, 0, 0], [np.inf, 0, 0], [0, -np.inf, -np.inf], [-np.inf, 0, 0]], [0, 0, 0, 0])
    assert record.phi is not None
    assert np.isnan(record.phi).all()
    assert record.known("correct_given").tolist() == [False, False, True, True]
    assert record.known("phi").tolist() == [False] * 4


def test_means_of_a_subset_are_of_its_samples_and_the_others_are_excluded():
    trained = torch.tensor([True, False, False, True])
    record = record_of([[2.0, 0], [0, 2], [3, 0], [4, 0]], [0, 0, 0, 1], trained)
    assert record.flag("trained").tolist() == trained.tolist()
    assert record.known("trained").all()
    numbers = summarise(record, "train", ())
    assert numbers["train_accuracy"] == 1 / 2
    assert numbers["excluded_accuracy"] == 1 / 2
    np.testing.assert_allclose(numbers["train_loss"], record.loss[[0, 3]].mean(), rtol=1e-6)
    np.testing.assert_allclose(numbers["excluded_loss"], record.loss[[1, 2]].mean(), rtol=1e-6)


def test_whether_an_ordinary_run_or_another_split_is_trained_on_a_sample_is_not_known():
    record = record_of([[2.0, 0], [0, 2]], [0, 0])
    assert not record.known("trained").any()
    assert set(summarise(record, "train", ())) == {
        "train_loss",
        "train_accuracy",
        "train_accuracy_clean_label",
    }
