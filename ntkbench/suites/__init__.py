"""The built-in suites, registered through the public hook."""

from __future__ import annotations

from pathlib import Path

from ..registry.hookspecs import Register, hookimpl

# Functions must not have the name of a module here: importing ntkbench.suites.liu2020 would replace the function.


@hookimpl
def ntkbench_register_suites(register: Register) -> None:
    """Register the built-in suites."""
    register(
        "liu2020",
        f"{__name__}:liu2020_file",
        summary="claims of Liu, Zhu, Belkin 2020 (arXiv 2010.01092) and its follow-ups, one by one",
    )
    register(
        "huang2020",
        f"{__name__}:huang2020_file",
        summary="orthogonal versus Gaussian weights, lazy and non-lazy: Huang, Du, Xu 2020 (arXiv 2004.05867)",
    )


def liu2020_file() -> Path:
    """Return the path of the suite file liu2020.toml."""
    return Path(__file__).parent / "liu2020.toml"


def huang2020_file() -> Path:
    """Return the path of the suite file huang2020.toml."""
    return Path(__file__).parent / "huang2020.toml"
