"""Tests of the folder of entries that can be computed again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ntkbench import cache_folder
from ntkbench.cache_folder import ENTRY, LARGEST_ENTRY, LEFT_OVER, TEMPORARY, CacheFolder

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes of files")


@pytest.fixture
def folder(tmp_path):
    return CacheFolder.opened(tmp_path / "above" / "functions")


def test_entries_come_back_and_missing_ones_do_not(folder):
    folder.write("a", b"first")
    folder.write("b", b"")
    folder.write("a", b"second")
    assert folder.read("a") == b"second"
    assert folder.read("b") == b""
    assert folder.read("c") is None
    assert len(list(folder.path.iterdir())) == 2


@posix
def test_only_the_owner_can_use_it(tmp_path, monkeypatch):
    path = tmp_path / "functions"
    assert CacheFolder.opened(path) is not None
    assert path.stat().st_mode & 0o777 == 0o700
    path.chmod(0o770)
    assert CacheFolder.opened(path) is None, "the group could change it"
    path.chmod(0o700)
    assert CacheFolder.opened(path) is not None
    (tmp_path / "link").symlink_to(path)
    assert CacheFolder.opened(tmp_path / "link") is None, "a link may lead to another user's folder"
    (tmp_path / "file").write_text("")
    assert CacheFolder.opened(tmp_path / "file") is None
    assert CacheFolder.opened(tmp_path / "file" / "functions") is None
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    assert CacheFolder.opened(path) is None, "another user's"


def test_damaged_entries_count_as_missing(folder):
    content = bytes(range(256)) * 20
    folder.write("a", content)
    path = folder.path / f"a{ENTRY}"
    whole = path.read_bytes()
    damaged = [whole[:-1], whole[:40], whole[:10], b"", whole + b"x", b"garbage"]
    damaged += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in (0, 31, 32, len(whole) - 1)]
    for each in damaged:
        path.write_bytes(each)
        assert folder.read("a") is None
    path.unlink()
    path.mkdir()
    assert folder.read("a") is None


def test_it_may_be_deleted_while_it_is_used(folder):
    folder.path.rmdir()
    folder.write("a", b"content")
    folder.shrink()
    assert folder.read("a") is None


def test_the_entries_used_last_stay(folder):
    for number in range(6):
        folder.write(str(number), os.urandom(1000))
        os.utime(folder.path / f"{number}{ENTRY}", (number, number))
    assert folder.read("0") is not None  # it is used again
    folder.shrink(3500)
    assert [number for number in range(6) if folder.read(str(number)) is not None] == [0, 4, 5]


def test_its_size_is_checked_while_a_process_writes(folder, monkeypatch):
    monkeypatch.setattr(cache_folder, "CHECK_EVERY", 10_000)
    monkeypatch.setattr(folder.shrink.__func__, "__defaults__", (20_000,))
    for number in range(100):
        folder.write(str(number), os.urandom(1000))
    assert sum(path.stat().st_size for path in folder.path.iterdir()) <= 32_000


def test_data_are_not_kept(folder):
    folder.write("a", os.urandom(LARGEST_ENTRY + 1))
    assert list(folder.path.iterdir()) == []


def test_what_killed_processes_left_is_removed(folder):
    old, new = folder.path / f"a.1-f{TEMPORARY}", folder.path / f"a.2-f{TEMPORARY}"
    for path in (old, new):
        path.write_bytes(b"half")
    then = time.time() - 2 * LEFT_OVER
    os.utime(old, (then, then))
    folder.shrink()
    assert not old.exists()
    assert new.exists(), "its process may still be writing"


WRITER = """
import os, sys
from pathlib import Path
from ntkbench.cache_folder import CacheFolder
folder = CacheFolder.opened(Path(sys.argv[1]))
content = os.urandom(300_000)
print(flush=True)
for number in range(10**9):
    folder.write(str(number % 7), content)
"""


@posix
def test_a_killed_process_leaves_no_half_entry(folder):
    for pause in (0.0, 0.003, 0.02, 0.05):
        process = subprocess.Popen([sys.executable, "-c", WRITER, folder.path], stdout=subprocess.PIPE)
        process.stdout.readline()
        while not any(path.name.endswith(ENTRY) for path in folder.path.iterdir()):
            time.sleep(0.001)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        entries = [path.name.removesuffix(ENTRY) for path in folder.path.iterdir() if path.name.endswith(ENTRY)]
        assert entries
        assert all(len(folder.read(name)) == 300_000 for name in entries)
