"""The built-in suites, registered through the public hook."""

from __future__ import annotations

from pathlib import Path

from ..registry.hookspecs import Register, hookimpl


@hookimpl
def ntkbench_register_suites(register: Register) -> None:
    """Register the suites of this folder."""
    register(
        "liu2020",
        f"{__name__}:liu2020",
        summary="claims of Liu, Zhu, Belkin 2020 (arXiv 2010.01092) and its follow-ups, one by one",
    )


def liu2020() -> Path:
    """Return the path of the suite's file."""
    return Path(__file__).parent / "liu2020.toml"
