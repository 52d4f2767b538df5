"""Files are written whole, and a new one never replaces another."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import ntkbench as nb
from ntkbench import atomic
from ntkbench.atomic import create_atomically


@pytest.mark.parametrize("links", [True, False])
def test_of_several_that_create_one_file_at_once_one_succeeds(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(atomic.os, "link", refuse)
    path, start = tmp_path / "file", threading.Barrier(8)

    def create(name):
        start.wait()
        return create_atomically(path, name.encode())

    names = [f"writer {i}" for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create, names))
    assert created.count(True) == 1 and path.read_text() == names[created.index(True)]
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_does_not_replace_one(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(atomic.os, "link", refuse)
    assert create_atomically(tmp_path / "file", b"first") and not create_atomically(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first" and os.listdir(tmp_path) == ["file"]


def test_a_file_that_cannot_be_moved_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.os, "link", refuse)
    monkeypatch.setattr(atomic.os, "replace", refuse)
    with pytest.raises(nb.NtkbenchError, match="could not be written"):
        create_atomically(tmp_path / "file", b"first")
    assert os.listdir(tmp_path) == []


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")
