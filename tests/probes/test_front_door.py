"""The public names of ``import probes``."""

import subprocess
import sys

import pytest

import probes


@pytest.mark.parametrize("name", probes.__all__)
def test_every_public_name_is_there_under_the_name_that_it_has_in_its_module(name):
    assert getattr(probes, name) is not None
    assert name in dir(probes)


def test_import_probes_loads_neither_torch_nor_pandas():
    code = "import sys, probes; print([name for name in ('torch', 'pandas', 'h5py') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_public_name_never_hides_a_folder():
    from probes.export import plan

    assert probes.ExportPlan is plan.ExportPlan
