"""Run worker processes without TensorFlow, with a replacement of the GroupWorker class."""

from __future__ import annotations

import sys
from types import ModuleType


def serve_with(group_worker, connection, setting) -> None:
    """Run `ntkbench.runner.executors.child.serve` with another class in place of `GroupWorker`."""
    from ntkbench.runner.executors import child

    stand_in = ModuleType("ntkbench.runner.worker")
    stand_in.GroupWorker, stand_in.sentence = group_worker, lambda error: f"{type(error).__name__}: {error}"
    sys.modules["ntkbench.runner.worker"] = stand_in
    child._prepared = lambda setting: "cpu"
    child.serve(connection, setting)
