"""One process writes to a run; its name is reported; a dead one holds nothing."""

from __future__ import annotations

import errno
import gc
import os
import re
import signal
import socket
import subprocess
import sys

import filelock
import pytest
from factories import cell, manifest, result

from ntkbench.errors import NtkbenchError
from ntkbench.store import lock
from ntkbench.store.run_store import RunStore

HOLD = """
import sys; sys.path.insert(0, sys.argv[2])
from factories import *
from ntkbench.store.run_store import RunStore
store = RunStore(sys.argv[1]); store.create_or_open(manifest([result()])); store.write(result())
print("held", flush=True); sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that writes to tmp_path/run until it is asked to stop, or killed."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run"), os.path.dirname(sys.modules["factories"].__file__)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_told_who_writes_and_may_read(tmp_path, holder):
    second = RunStore(tmp_path / "run")
    says = rf"in use: process {holder.pid} on {re.escape(socket.gethostname())} has been writing there since 2\d\d\d-"
    with pytest.raises(NtkbenchError, match=says):
        second.create_or_open(manifest([]))
    assert list(second.read()) == [result()]
    holder.communicate("")
    second.create_or_open(manifest([result(cell(seed=1))]))
    assert len(second.manifest()["cells"]) == 2


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / ".lock").read_text()  # it had no time to take its name off
    RunStore(tmp_path / "run").create_or_open(manifest([result()]))


def test_stores_of_one_process_share_and_the_last_one_gives_up(tmp_path, monkeypatch):
    first, second = RunStore(tmp_path / "run"), RunStore(tmp_path / "run")
    for store in (first, second, first):
        store.create_or_open(manifest([]))

    def taken():
        file = filelock.FileLock(tmp_path / "run" / ".lock", timeout=0)
        try:
            file.acquire()
        except filelock.Timeout:
            return True
        file.release()
        return False

    monkeypatch.chdir(tmp_path)
    third = RunStore("run")  # the same folder by another name
    third.create_or_open(manifest([]))
    first.close()
    del second
    gc.collect()
    assert taken()
    third.close()
    third.close()
    assert not taken() and (tmp_path / "run" / ".lock").read_bytes() == b""
    first.create_or_open(manifest([]))
    assert taken()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "\x00"])
def test_a_name_that_cannot_be_read_is_no_traceback(tmp_path, holder, text):
    (tmp_path / "run" / ".lock").write_text(text)
    with pytest.raises(NtkbenchError, match="in use: another process is writing there"):
        RunStore(tmp_path / "run").create_or_open(manifest([]))


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch, number):
    def none(self):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.filelock.FileLock, "_acquire", none)
    store = RunStore(tmp_path / "run")
    store.create_or_open(manifest([result()]))
    store.write(result())
    store.close()
    assert list(store.read()) == [result()]


def test_a_lock_that_is_refused_is_a_sentence(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(lock.filelock.FileLock, "_acquire", refuse)
    with pytest.raises(NtkbenchError, match="could not be stored in .*: Permission denied. Choose another --out"):
        RunStore(tmp_path / "run").create_or_open(manifest([]))
