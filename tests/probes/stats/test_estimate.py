"""An estimate as text."""

import pytest

from probes.stats.estimate import (
    Estimate,
    decimal,
    interval_text,
    percent,
    points,
    short,
    significant,
    value_text,
    with_interval,
)

WHOLE = Estimate(0.1234, 0.0567, 0.2345, 40)
NO_INTERVAL = Estimate(0.1234, None, None, 1)
UNDEFINED = Estimate(None, None, None, 0)


@pytest.mark.parametrize(
    ("write", "whole", "alone"),
    [
        (decimal, "0.123 [0.057, 0.234]", "0.123"),
        (significant, "0.123 [0.0567, 0.234]", "0.123"),
        (percent, "12.3% [5.7, 23.4]", "12.3%"),
        (points, "+12.3 [5.7, 23.4]", "-"),
    ],
)
def test_an_estimate_is_written_with_its_interval_where_it_has_one(write, whole, alone):
    assert write(WHOLE) == whole
    assert write(NO_INTERVAL) == alone
    assert write(UNDEFINED) == "-"
    assert write(UNDEFINED, missing="–") == "–"


def test_the_format_can_be_chosen():
    assert with_interval(WHOLE, "{:.1%}") == "12.3% [5.7%, 23.4%]"
    assert percent(WHOLE, digits=0) == "12% [6, 23]"


def test_value_and_interval_apart():
    assert (value_text(WHOLE), interval_text(WHOLE)) == ("0.123", "0.057 – 0.234")
    assert (value_text(WHOLE, "{:.1%}"), interval_text(WHOLE, "{:.1%}")) == ("12.3%", "5.7% – 23.4%")
    assert (value_text(NO_INTERVAL), interval_text(NO_INTERVAL)) == ("0.123", "–")
    assert {text(number) for text in (value_text, interval_text) for number in (UNDEFINED, None)} == {"–"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (-2e5, "-2e+05"),
        (4.9381e6, "4.94 M"),
        (-12.34e6, "-12.3 M"),
        (4.0943e9, "4,094 M"),
        (float("inf"), "inf"),
    ],
)
def test_millions_are_written_as_such(value: float, text: str) -> None:
    assert short(value) == text
