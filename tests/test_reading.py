"""Files that others put among ours: a pipe or a device is refused at once instead of being read for ever."""

from __future__ import annotations

import os

import pytest
from factories import stored, sweep

from ntkbench.cli.main import main
from ntkbench.reading import read_regular

pytestmark = pytest.mark.skipif(os.name == "nt", reason="named pipes and devices")


def test_a_regular_file_and_a_link_to_it_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"\r\n\x1a text")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "a") == read_regular(str(tmp_path / "link")) == b"\r\n\x1a text"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing"])
def test_everything_else_is_an_oserror(tmp_path, kind):
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(FileNotFoundError if kind == "nothing" else OSError, match=kind):
        read_regular(path)


@pytest.mark.parametrize("place", ["cells/{}.json", "manifest.json"])
@pytest.mark.parametrize("put", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)], ids=["pipe", "device"])
def test_a_run_with_a_pipe_or_a_device_in_it_ends_in_a_sentence(tmp_path, capsys, place, put):
    stored(tmp_path / "run", sweep())
    path = tmp_path / "run" / place.format("0" * 16)
    path.unlink(missing_ok=True)
    put(path)
    assert main(["table", str(tmp_path / "run")]) == (2 if place == "manifest.json" else 0)
    said = capsys.readouterr()
    assert "it is a pipe or a device" in said.out + said.err
