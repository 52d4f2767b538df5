"""The built-in suites, registered through the public hook."""

from __future__ import annotations

from pathlib import Path

from ..registry.hookspecs import Register, hookimpl

# A function must not have its module's name: importing ntkbench.suites.liu2020 would replace it.


@hookimpl
def ntkbench_register_suites(register: Register) -> None:
    """Register the suites of this folder."""
    register(
        "liu2020",
        f"{__name__}:liu2020_file",
        summary="claims of Liu, Zhu, Belkin 2020 (arXiv 2010.01092) and its follow-ups, one by one",
    )
    register(
        "huang2020",
        f"{__name__}:huang2020_file",
        summary="orthogonal against Gaussian weights, lazy and not: Huang, Du, Xu 2020 (arXiv 2004.05867)",
    )


def liu2020_file() -> Path:
    """Return the path of the suite's file."""
    return Path(__file__).parent / "liu2020.toml"


def huang2020_file() -> Path:
    """Return the path of the suite's file."""
    return Path(__file__).parent / "huang2020.toml"
