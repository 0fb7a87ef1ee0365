import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noise.apply import CHOSEN, RENDERED
from noise.errors import NoiseError
from noise.kinds import KINDS
from noise.severity import CONSTANTS
from noise.spec import CorruptionSpec, parse_spec, parse_specs

rates = st.floats(0, 1)


RATED = sorted(
    kind
    for kind, row in KINDS.items()
    if row.rate and not any(parameter.required for parameter in row.parameters.values())
)


@given(rate=rates, kind=st.sampled_from(RATED))
def test_text_round_trip(rate, kind):
    spec = CorruptionSpec(kind, rate)
    assert parse_spec(str(spec)) == spec
    assert str(parse_spec(str(spec))) == str(spec)


def test_kinds_without_a_rate_round_trip():
    for text in (
        "random",
        "matrix:file=a/T.csv",
        "human:column=aggre:file=n.npz",
        "open:0.1:source=npz=a.npz",
    ):
        assert str(parse_spec(text)) == text


@given(rate=rates, value=st.sampled_from(["true", "false"]))
def test_text_round_trip_with_parameters(rate, value):
    spec = CorruptionSpec("symmetric", rate, (("balanced", value),))
    assert parse_spec(str(spec)) == spec
    assert spec.parameter("balanced") is (value == "true")


def test_text_form_is_canonical():
    assert str(parse_spec("symmetric:0.40:balanced=true")) == "symmetric:0.4:balanced=true"
    assert str(CorruptionSpec("randx", 1)) == "randx:1"
    assert str(CorruptionSpec("randx", -0.0)) == "randx:0"
    assert str(CorruptionSpec("randx", np.float64(0.1))) == "randx:0.1"
    assert parse_spec("symmetric:0.4").parameter("balanced") is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("symetric:0.4", "did you mean symmetric"),
        ("RandX:0.4", "did you mean randx"),
        ("zzz:0.4", "known are symmetric, symmetric-incl"),
        ("", "unknown corruption ''"),
        ("symmetric", "lacks its rate"),
        ("symmetric:", "'' is not a number"),
        ("symmetric:40%", "'40%' is not a number"),
        ("symmetric:1.5", r"in \[0, 1\]"),
        ("symmetric:-0.1", r"in \[0, 1\]"),
        ("symmetric:nan", r"in \[0, 1\]"),
        ("symmetric:inf", r"in \[0, 1\]"),
        ("symmetric:0.4:balance=true", "did you mean balanced"),
        ("symmetric:0.4:balanced", "'balanced' is not a parameter"),
        ("symmetric:0.4:balanced=", "'balanced=' is not a parameter"),
        ("symmetric:0.4:balanced=yes", "'yes' is neither 'true' nor 'false'"),
        ("symmetric:0.4:balanced=true:balanced=true", "given 2 times"),
        ("randx:0.4:balanced=true", "known are none"),
        ("random:0.5", "random takes no rate"),
        ("human:column=aggre", "human lacks its file"),
        ("human:column=best:file=a.npz", "'best' is not one of aggre, worse"),
        ("open:0.1:source=imagenet", "'imagenet' is not one of cifar10, cifar100, svhn, npz=FILE"),
        ("open:0.1:source=npz=", "not one of cifar10"),
        ("open:0.1:source=npz=C:/a.npz", "a path cannot hold a colon"),
        ("gaussian:0.1:severity=6", "6 is not in 1 to 5"),
        ("gaussian:0.1:severity=2.5", "'2.5' is not a whole number"),
        ("gaussian:0.1:sigma=much", "'much' is not a number"),
        ("gaussian:0.1:sigma=-1", "-1 is not in"),
        ("gaussian:0.1:severity=2:sigma=0.3", "severity sets all its constants"),
        ("occlusion:0.1:fill=white", "'white' is not one of mean, black, noise"),
    ],
)
def test_bad_text_is_reported_in_one_sentence(text, message):
    with pytest.raises(NoiseError, match=message) as caught:
        parse_spec(text)
    assert "\n" not in str(caught.value)


def test_the_same_corruption_twice_is_refused():
    with pytest.raises(NoiseError, match=r"listed twice.*rate 0\.3 if"):
        parse_specs(["symmetric:0.1", "randx:0.1", "symmetric:0.2"])
    assert len(parse_specs(["symmetric:0.1", "symmetric:0.1:balanced=true"])) == 2
    for texts in (["symmetric:0.1", "symmetric:0.2:balanced=false"], ["jpeg:0.1", "jpeg:0.1:severity=03"]):
        with pytest.raises(NoiseError, match="listed twice"):
            parse_specs(texts)


def test_every_kind_can_be_carried_out():
    assert set(KINDS) == set(CHOSEN) | set(RENDERED)
    assert not set(CHOSEN) & set(RENDERED)
    assert {kind for kind in RENDERED if KINDS[kind].target != "image"} == set()


def test_a_severity_sets_all_constants_and_constants_can_be_given():
    assert parse_spec("glass-blur:0.1:severity=5").constants == {"sigma": 0.4, "distance": 1, "passes": 2}
    default = parse_spec("glass-blur:0.1")
    assert (default.severity, default.constants) == (3, {"sigma": 0.4, "distance": 1, "passes": 1})
    free = parse_spec("glass-blur:0.1:passes=4")
    assert (free.severity, free.constants) == (0, {"sigma": 0.4, "distance": 1, "passes": 4})
    assert parse_spec("symmetric:0.1").severity == 0
    for kind, constants in CONSTANTS.items():
        keys = set(KINDS[kind].parameters)
        assert keys == {"severity", *constants}
        for level in range(1, 6):
            assert parse_spec(f"{kind}:0.1:severity={level}").severity == level


def test_every_constant_of_a_severity_is_in_its_range():
    for kind, constants in CONSTANTS.items():
        for key, values in constants.items():
            for value in values:
                spec = parse_spec(f"{kind}:0.1:{key}={value:g}")
                assert spec.constants[key] == value


def test_paths_can_be_changed_and_nothing_else():
    texts = [
        "open:0.1:source=npz=a/b.npz:labels=keep",
        "matrix:file=a/b.npz",
        "open:0.1:source=svhn",
        "pair:0.1",
    ]
    changed = [str(parse_spec(text).with_paths(lambda path: path.upper())) for text in texts]
    assert changed == [
        "open:0.1:source=npz=A/B.NPZ:labels=keep", "matrix:file=A/B.NPZ", "open:0.1:source=svhn", "pair:0.1"
    ]  # fmt: skip


def test_targets_name_everything_that_is_changed():
    assert parse_spec("open:0.1:source=svhn").targets == ("image",)
    assert parse_spec("open:0.1:source=svhn:labels=uniform").targets == ("image", "label")
    assert parse_spec("pair:0.1").targets == ("label",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, 0.1), "unknown corruption 'None'"),
        (("symmetric", "0.1"), "the rate '0.1' is not a number"),
        (("gaussian", 0.1, (("severity", 3),)), "severity is 3: give it as text"),
        (("open", 0.1, (("source", "npz=a:b.npz"),)), "without a colon"),
        (("jpeg", 0.1, (("quality", "9" * 5000),)), "is not a whole number"),
    ],
)
def test_a_spec_built_in_code_is_checked_too(arguments, message):
    with pytest.raises(NoiseError, match=message):
        CorruptionSpec(*arguments)
