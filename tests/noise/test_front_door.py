"""``import noise`` gives the public names and imports nothing heavy before one of them needs it."""

import subprocess
import sys

import numpy as np
import pytest

import noise
from noise.apply import corrupt
from noise.restoration import restore

CHECK = """
import sys
import noise

def heavy():
    return sorted({"numpy", "scipy", "PIL"} & set(sys.modules))

assert set(dir(noise)) == set(noise.__all__)
assert heavy() == [], heavy()
assert noise.parse_spec("symmetric:0.4") == noise.CorruptionSpec("symmetric", 0.4)
assert "symmetric" in noise.KINDS and issubclass(noise.NoiseError, ValueError)
assert heavy() == [], heavy()
assert callable(noise.corrupt)
assert heavy() == ["PIL", "numpy", "scipy"], heavy()
"""


@pytest.mark.slow
def test_the_package_imports_nothing_heavy_before_it_is_used():
    subprocess.run([sys.executable, "-c", CHECK], check=True)


def test_public_names_are_those_of_the_modules():
    assert set(dir(noise)) == {
        "corrupt", "restore", "Manifest", "KINDS", "CorruptionSpec", "parse_spec", "NoiseError",
    }  # fmt: skip
    # Also after the modules were imported: no module has the name of a public function.
    assert (noise.corrupt, noise.restore) == (corrupt, restore)


def test_corrupt_and_restore_from_the_package():
    images, labels = np.zeros((20, 4, 4, 3), np.uint8), np.arange(20) % 4
    specs = [noise.CorruptionSpec("symmetric", 0.5), "randx:0.25"]
    result = noise.corrupt(images, labels, specs, seed=0, dataset="own", class_names=list("abcd"))
    assert isinstance(result.manifest, noise.Manifest)
    assert (result.labels != labels).sum() == 10
    again = noise.restore(result.manifest, images, labels, np.arange(20))
    np.testing.assert_array_equal(again.images, result.images)
