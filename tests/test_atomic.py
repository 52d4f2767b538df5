"""Files are written whole, and a new one never replaces another."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from ntkbench import atomic
from ntkbench.atomic import create_atomically


def create(path, start, name):
    start.wait()
    raise SystemExit(0 if create_atomically(path, name.encode()) else 1)


def test_of_processes_that_create_one_file_one_succeeds(tmp_path):
    path, context = tmp_path / "file", multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    processes = [context.Process(target=create, args=(path, start, f"process {i}")) for i in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    ended = [process.exitcode for process in processes]
    assert sorted(ended) == [0, 1, 1, 1] and path.read_text() == f"process {ended.index(0)}"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_does_not_replace_one(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(atomic.os, "link", refuse)
    assert create_atomically(tmp_path / "file", b"first") and not create_atomically(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first" and os.listdir(tmp_path) == ["file"]


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")
