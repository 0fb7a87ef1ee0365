"""What is printed: nothing that a terminal would obey."""

import pytest

from memgate import console


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – Straße\n\tnext", "plain – Straße\n\tnext"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\rb\x08\x7f\x9b", r"a\rb\x08\x7f\x9b"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
    ],
)
def test_control_characters_are_printed_as_escapes(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console.line(text)
    console.note(text)
    console.warn(text)
    printed = capsys.readouterr()
    assert printed.out == f"{shown}\n" * 2
    assert printed.err == f"memgate: {shown}\n"


def test_a_word_without_end_is_cut_in_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    console.warn(f"--name {'9' * 5000} is wrong: take {'a' * 300} instead.")
    assert capsys.readouterr().err == f"memgate: --name {'9' * 200}… is wrong: take {'a' * 300} instead.\n"


def test_the_line_of_an_epoch_has_the_mean_macs_where_gates_close() -> None:
    row = {"epoch": 3.0, "lr": 0.1, "train_accuracy": 0.5, "seconds": 2.0}
    assert "MACs" not in console.epoch_line(row, 9, ())
    assert console.epoch_line({**row, "train_macs": 20.06e6}, 9, ()).endswith("20.1 M MACs  2.0 s")


def test_the_line_of_an_epoch_says_how_many_of_many_gates_are_closed_for_all_samples() -> None:
    shares = {f"b1u0{number}": share for number, share in enumerate((0.0, 0.25, 1.0, 0.75, 0.0, 0.5), 1)}
    row = {"epoch": 3.0, "lr": 0.1, "seconds": 2.0}
    row |= {
        f"train_{column}_{gate}": share for gate, share in shares.items() for column in ("gate", "routed")
    }
    assert "6 gates (2 closed for all): g 0.417, routed  42%" in console.epoch_line(row, 9, shares)
    row |= {"train_gate_b1u01": 0.002, "train_gate_b1u05": 0.002}  # gates that mix are never quite closed
    assert "6 gates: g 0.417" in console.epoch_line(row, 9, shares)
