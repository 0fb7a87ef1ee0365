"""What an atomic write replaces, follows, sends to and refuses."""

import os
import stat
from pathlib import Path

import pytest

from noise.files.atomic import atomic_folder, atomic_write, is_stream


def _write(path):
    atomic_write(path, lambda stream: stream.write(b"new"))


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    _write(link)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_link_to_nothing_makes_its_target(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("target")
    _write(link)
    assert link.is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_link_in_a_circle_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        _write(tmp_path / "a")
    assert (tmp_path / "a").is_symlink()


def test_a_device_is_refused_and_stays_also_behind_a_link(tmp_path):
    node, link = tmp_path / "node", tmp_path / "link"
    try:
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device node needs root")
    link.symlink_to(node)
    for path in (node, link):
        with pytest.raises(OSError, match="it is a device and not a regular file"):
            _write(path)
        with pytest.raises(OSError, match="it is a device and not a folder"):
            atomic_folder(path, lambda folder: None)
    assert stat.S_ISCHR(node.lstat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "node"]


def test_a_pipe_gets_the_bytes_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _write(pipe)
        assert os.read(reader, 100) == b"new"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_pipe_that_no_program_reads_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no program reads"):
        _write(tmp_path / "pipe")


def test_an_open_file_gets_the_bytes_after_what_it_has(tmp_path):
    with (tmp_path / "file").open("wb", buffering=0) as stream:
        stream.write(b"old,")
        _write(Path(f"/dev/fd/{stream.fileno()}"))
    assert (tmp_path / "file").read_bytes() == b"old,new"
    assert is_stream(Path("/dev/stdout"))


def test_a_stream_gets_nothing_where_writing_fails(tmp_path):
    def fails(stream):
        stream.write(b"half")
        raise ValueError("no")

    with (tmp_path / "file").open("wb") as stream, pytest.raises(ValueError, match="no"):
        atomic_write(Path(f"/dev/fd/{stream.fileno()}"), fails)
    assert (tmp_path / "file").read_bytes() == b""


def test_a_folder_follows_its_link_and_replaces_no_file(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    atomic_folder(tmp_path / "link", lambda folder: (folder / "a").write_text("new"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target" / "a").read_text() == "new"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="and not a folder"):
        atomic_folder(tmp_path / "file", lambda folder: None)
    assert (tmp_path / "file").read_text() == "mine"
