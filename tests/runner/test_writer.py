"""Storing in other threads: everything is written at the end, and an error is not lost."""

from __future__ import annotations

import threading
import time

import pytest

from ntkbench.errors import NtkbenchError
from ntkbench.runner.writer import MOST, Writer


def test_all_is_written_at_the_end():
    written = []
    with Writer(lambda result: (time.sleep(0.001), written.append(result))) as writer:
        for number in range(200):
            writer.put(number)
    assert sorted(written) == list(range(200))


def test_what_waits_is_bounded():
    gate, begun = threading.Event(), []
    with Writer(lambda result: gate.wait(10)) as writer:
        thread = threading.Thread(target=lambda: [(writer.put(n), begun.append(n)) for n in range(2 * MOST)])
        thread.start()
        time.sleep(0.2)
        assert len(begun) == MOST
        gate.set()
        thread.join()


@pytest.mark.parametrize("more", [0, 100])
def test_an_error_reaches_the_run(more):
    def full(result):
        raise NtkbenchError("no room")

    with pytest.raises(NtkbenchError, match="no room"), Writer(full) as writer:
        for number in range(1 + more):
            writer.put(number)
            time.sleep(0.001)


def test_another_error_is_not_hidden():
    def full(result):
        raise NtkbenchError("no room")

    with pytest.raises(KeyboardInterrupt), Writer(full) as writer:
        writer.put(1)
        raise KeyboardInterrupt
