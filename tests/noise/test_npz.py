"""Files of arrays that are encrypted, oddly compressed, damaged or far larger than they seem."""

import io
import zipfile

import numpy as np
import pytest

from memgate.config.run import DataConfig
from memgate.data.image_set import load_splits
from memgate.errors import MemgateError
from noise.errors import NoiseError
from noise.files import npz
from noise.files.npz import arrays_of, read_npz, write_npz
from noise.manifest.manifest import COLUMNS, Manifest
from tests.helpers.noise_kinds import made

NAME = "header"
LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def packed(arrays, method=zipfile.ZIP_STORED):
    """The bytes of an .npz file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array)
            archive.writestr(f"{name}.npy", content.getvalue())
    return bytearray(stream.getvalue())


def encrypted(content):
    content[content.index(LOCAL) + 6] |= 1
    content[content.index(CENTRAL) + 8] |= 1


def by_method(number):
    def change(content):
        content[content.index(LOCAL) + 8] = content[content.index(CENTRAL) + 10] = number

    return change


def flipped(content):
    start = 30 + len(f"{NAME}.npy") + 4
    for place in range(start, start + 6):
        content[place] ^= 0xFF


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        (zipfile.ZIP_STORED, encrypted, "cannot be unpacked .*encrypted.*: save it by numpy.savez"),
        (zipfile.ZIP_STORED, by_method(99), "cannot be unpacked .*method is not supported"),
        (zipfile.ZIP_DEFLATED, by_method(9), "cannot be unpacked .*method is not supported"),
        (zipfile.ZIP_DEFLATED, flipped, "is damaged, truncated or not an .npz file"),
        (zipfile.ZIP_BZIP2, flipped, "is damaged, truncated or not an .npz file"),
        (zipfile.ZIP_LZMA, flipped, "is damaged, truncated or not an .npz file"),
    ],
)
def test_what_cannot_be_unpacked_is_one_sentence(tmp_path, method, change, message):
    content = packed({NAME: np.zeros((4, 8, 8, 3), np.uint8)}, method)
    change(content)
    path = tmp_path / "odd.npz"
    path.write_bytes(content)
    for read in (read_npz, Manifest.load, lambda path: arrays_of(io.BytesIO(path.read_bytes()), str(path))):
        with pytest.raises(NoiseError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(MemgateError, match=message):
        load_splits(DataConfig(name="npz", root=path))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_of_zipfile_is_read(tmp_path, method):
    array = np.arange(1000).reshape(10, 100)
    (tmp_path / "a.npz").write_bytes(packed({NAME: array}, method))
    np.testing.assert_array_equal(read_npz(tmp_path / "a.npz")[NAME], array)


def test_a_small_file_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "MOST_UNPACKED", 2**20)
    zeros = np.zeros(4_000_000, np.uint8)
    path = tmp_path / "bomb.npz"
    path.write_bytes(packed({NAME: zeros}, zipfile.ZIP_DEFLATED))
    with pytest.raises(NoiseError, match=r"bomb.npz would unpack from [\d,]+ to 4,000,128 bytes"):
        read_npz(path)
    # Compressed as real data is, it is read.
    values = np.random.default_rng(0).integers(0, 256, len(zeros), np.uint8)
    path.write_bytes(packed({NAME: values}, zipfile.ZIP_DEFLATED))
    np.testing.assert_array_equal(read_npz(path)[NAME], values)


def test_a_manifest_is_not_unpacked_beyond_its_samples(tmp_path):
    made(40, ["symmetric:0.5", "randx:0.2"]).manifest.save(tmp_path / "m.npz")
    arrays = read_npz(tmp_path / "m.npz")
    path = tmp_path / "bomb.npz"
    for name in COLUMNS:
        changed = {**arrays, name: np.zeros(400_000, arrays[name].dtype)}
        path.write_bytes(packed(changed, zipfile.ZIP_DEFLATED))
        with pytest.raises(
            NoiseError, match=f"the array {name} takes [0-9,]+ bytes, and at most .* are possible"
        ):
            Manifest.load(path)
    # What is no column of a manifest is not unpacked at all.
    write_npz(path, {**arrays, "other": np.zeros(400_000)})
    content = path.read_bytes().replace(b"other.npy", b"other.xyz")
    path.write_bytes(content)
    assert Manifest.load(path).header.count == 40
