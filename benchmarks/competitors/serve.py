"""Server loop of a competitor: answers requests from standard input on standard output, one line of JSON each.

{"load": folder} prepares the case in that folder and answers {"versions"}. {"run": true} runs it once and answers
{"seconds", "work", "detail", "idle_seconds", "idle_cpu_seconds"}. {"value": path} saves the computed value and answers
{"written"}. The process waits for requests in a blocking read; its CPU time meanwhile is measured and reported.

This module runs in the Python of every peer, so it requires NumPy only.
"""

import gc
import json
import os
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np


class Case:
    """A case read from its folder: `net`, `n`, `options`, `x`, and `weights` in the order of the layers."""

    def __init__(self, folder):
        self.folder = Path(folder)
        for name, value in json.loads((self.folder / "case.json").read_text(encoding="utf-8")).items():
            setattr(self, name, value)
        self.x = np.load(self.folder / "x.npy")

    @property
    def weights(self):
        """Yield the kernels one by one from disk, so that only the model's copy is in memory."""
        i = 0
        while (self.folder / f"w{i}.npy").exists():
            yield np.load(self.folder / f"w{i}.npy")
            i += 1


class Prepared:
    """A case that is ready to run.

    Attributes:
        run: Does the work once. Returns a dict with any of "value" (the result), "seconds" (if it differs from the time
            of the call), "work" (units of work done) and "detail".
        value: Computes the value to compare, if `run` does not return it.
    """

    def __init__(self, run, value=None):
        self.run, self.value = run, value


def serve(routes, packages):
    """Answer requests for the route that the command line names, until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keeps output of libraries out of the answers
    prepare, state = routes[sys.argv[1]], {"prepared": None, "value": None}
    rested, spent = time.perf_counter(), time.process_time()
    for line in sys.stdin:
        idle = {"idle_seconds": time.perf_counter() - rested, "idle_cpu_seconds": time.process_time() - spent}
        try:
            reply = answer(json.loads(line), prepare, packages, state) | idle
        except Exception as error:
            state["prepared"] = None
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()
        rested, spent = time.perf_counter(), time.process_time()


def answer(request, prepare, packages, state):
    """Return the answer to one request."""
    if "load" in request:
        state["prepared"] = state["value"] = None
        gc.collect()
        state["prepared"] = prepare(Case(request["load"]))
        return {"versions": {name: metadata.version(name) for name in packages}}
    if "run" in request:
        memory = Memory() if request.get("memory") else None
        start = time.perf_counter()
        done = state["prepared"].run()
        seconds = time.perf_counter() - start
        state["value"] = done.get("value")
        reply = {"seconds": done.get("seconds", seconds), "work": done.get("work", 1), "detail": done.get("detail", {})}
        return reply | (memory.report() if memory else {})
    value = state["prepared"].value() if state["prepared"].value else state["value"]
    if value is not None:
        np.save(request["value"], np.asarray(value))
    return {"written": value is not None}


class Memory:
    """Resident memory of this process in bytes: at construction, and its peak since then (Linux only)."""

    def __init__(self):
        gc.collect()
        self.exact = True
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self.exact = False
        self.before = self._field("VmRSS") or 0

    def report(self):
        """Return the memory at construction and the peak, in bytes."""
        return {"memory_before": self.before, "memory_peak": self._field("VmHWM") if self.exact else None}

    def _field(self, name):
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return None
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))
