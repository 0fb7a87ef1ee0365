import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noise.apply import OPERATIONS
from noise.errors import NoiseError
from noise.spec import KINDS, CorruptionSpec, parse_spec, parse_specs

rates = st.floats(0, 1)


@given(rate=rates, kind=st.sampled_from(sorted(KINDS)))
def test_text_round_trip(rate, kind):
    spec = CorruptionSpec(kind, rate)
    assert parse_spec(str(spec)) == spec
    assert str(parse_spec(str(spec))) == str(spec)


@given(rate=rates, value=st.sampled_from(["true", "false"]))
def test_text_round_trip_with_parameters(rate, value):
    spec = CorruptionSpec("symmetric", rate, (("balanced", value),))
    assert parse_spec(str(spec)) == spec
    assert spec.parameter("balanced", None) is (value == "true")


def test_text_form_is_canonical():
    assert str(parse_spec("symmetric:0.40:balanced=true")) == "symmetric:0.4:balanced=true"
    assert str(CorruptionSpec("randx", 1)) == "randx:1"
    assert str(CorruptionSpec("randx", -0.0)) == "randx:0"
    assert str(CorruptionSpec("randx", np.float64(0.1))) == "randx:0.1"
    assert parse_spec("symmetric:0.4").parameter("balanced", False) is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("symetric:0.4", "did you mean symmetric"),
        ("RandX:0.4", "did you mean randx"),
        ("zzz:0.4", "known are symmetric, randx"),
        ("", "unknown corruption ''"),
        ("symmetric", "lacks its rate"),
        ("symmetric:", "'' is no number"),
        ("symmetric:40%", "'40%' is no number"),
        ("symmetric:1.5", r"in \[0, 1\]"),
        ("symmetric:-0.1", r"in \[0, 1\]"),
        ("symmetric:nan", r"in \[0, 1\]"),
        ("symmetric:inf", r"in \[0, 1\]"),
        ("symmetric:0.4:balance=true", "did you mean balanced"),
        ("symmetric:0.4:balanced", "'balanced' is no parameter"),
        ("symmetric:0.4:balanced=", "'balanced=' is no parameter"),
        ("symmetric:0.4:balanced=yes", "'yes' is neither 'true' nor 'false'"),
        ("symmetric:0.4:balanced=true:balanced=true", "given 2 times"),
        ("randx:0.4:balanced=true", "known are none"),
    ],
)
def test_bad_text_is_one_sentence(text, said):
    with pytest.raises(NoiseError, match=said) as caught:
        parse_spec(text)
    assert "\n" not in str(caught.value)


def test_the_same_corruption_twice_is_refused():
    with pytest.raises(NoiseError, match=r"listed twice.*rate 0\.3 if"):
        parse_specs(["symmetric:0.1", "randx:0.1", "symmetric:0.2"])
    assert len(parse_specs(["symmetric:0.1", "symmetric:0.1:balanced=true"])) == 2


def test_every_kind_can_be_carried_out():
    assert list(KINDS) == list(OPERATIONS)
