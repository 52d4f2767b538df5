"""Plugin for ntkbench: architectures that people use, each with a prediction that was registered before it was run."""

import functools
from pathlib import Path

from ntkbench import hookimpl

from . import catalogue

ntkbench_hooks = "0.1"


@hookimpl
def ntkbench_register_architectures(register):
    """Register the architectures of all families."""
    catalogue.register_all(functools.partial(register, seed_bits=63))


@hookimpl
def ntkbench_register_suites(register):
    """Register the suite of questions."""
    register("zoo", lambda: Path(__file__).parent / "zoo.toml", summary="questions on architectures that people use")
