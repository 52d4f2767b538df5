"""Run a competitor as a long-lived process that answers one request at a time, with time and memory limits."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from .environments import clean, sentence

COMPETITORS = Path(__file__).parents[1] / "competitors"
POLL_SECONDS = 0.02
SPARE = 0.05  # minimum share of the machine's memory left free; below it, the competitor is stopped


class GaveUpError(Exception):
    """Raised if a competitor exits, fails or exceeds a limit; the message gives the reason."""


@dataclass(frozen=True)
class Limits:
    """Limits of one competitor. seconds: time for one request. memory_gib: resident memory."""

    seconds: float
    memory_gib: float


class Process:
    """A process that runs `competitors/SCRIPT.py ROUTE` with the Python of its environment."""

    def __init__(self, script: str, route: str, python: str | None, log: Path):
        ours = python is None or python == sys.executable
        variables = dict(os.environ) if ours else clean(os.environ)
        # All competitors run on the CPU, and TensorFlow and JAX log less.
        variables |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
        variables |= {"KERAS_BACKEND": "tensorflow", "PYTHONUNBUFFERED": "1"}
        self.log = log
        with log.open("w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [python or sys.executable, str(COMPETITORS / f"{script}.py"), route],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
                env=variables,
            )  # fmt: skip
        self.replies: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.peak = 0  # peak resident memory in bytes during the last request

    def ask(self, request: dict[str, Any], limits: Limits) -> dict[str, Any]:
        """Return the answer to one request.

        Raises:
            GaveUpError: If the process exits or exceeds a limit, in which case it is stopped; or if the request fails.
        """
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        self.peak = 0
        watched, end = psutil.Process(self.process.pid), time.monotonic() + limits.seconds
        while True:
            try:
                line = self.replies.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._check(watched, limits, end)
                continue
            if line is None:
                self.stop()
                raise GaveUpError(f"the process ended with code {self.process.returncode}: {self._last_words()}")
            reply: dict[str, Any] = json.loads(line)
            if "error" in reply:
                raise GaveUpError(sentence(reply["error"]))
            return reply

    def stop(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _check(self, watched: psutil.Process, limits: Limits, end: float) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self.peak = max(self.peak, watched.memory_info().rss)
        memory = psutil.virtual_memory()
        if self.peak > limits.memory_gib * 2**30 or memory.available < SPARE * memory.total:
            self.stop()
            raise GaveUpError(f"used more than {min(self.peak / 2**30, limits.memory_gib):.1f} GiB of memory")
        if time.monotonic() > end:
            self.stop()
            raise GaveUpError(f"took longer than {limits.seconds:.0f} s")

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.replies.put(line)
        self.replies.put(None)

    def _last_words(self) -> str:
        return sentence(self.log.read_text(encoding="utf-8", errors="replace"))
