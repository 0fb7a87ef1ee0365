"""``import memgate`` and ``memgate --help`` are fast: what is heavy is imported when it is first used."""

import subprocess
import sys

import pytest


def output_and_seconds(code):
    """Lines that a new Python process prints, and its processor time in seconds; other tests share the machine."""
    code += "\nimport time; print(time.process_time())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, seconds = result.stdout.splitlines()
    return lines, float(seconds)


def test_import_memgate_loads_no_numpy_and_takes_a_tenth_of_a_second():
    _, empty = output_and_seconds("import sys")
    lines, seconds = output_and_seconds("import sys, memgate; print('numpy' in sys.modules)")
    assert lines == ["False"]
    assert seconds - empty < 0.1


def test_the_version_is_there_without_anything_else():
    lines, _ = output_and_seconds(
        "import sys; from memgate import __version__; print(__version__)\n"
        "print([name for name in sys.modules if name.startswith('memgate.')])"
    )
    assert lines[0].count(".") == 2
    assert lines[1] == "[]"


@pytest.mark.slow
def test_help_loads_no_torch_and_takes_less_than_a_second():
    lines, seconds = output_and_seconds(
        "import sys; from memgate.__main__ import main; sys.argv = ['memgate', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'pandas') if name in sys.modules])"
    )
    assert lines[-1] == "[]"
    assert seconds < 1
