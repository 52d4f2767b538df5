"""Create a plugin package from the template files."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
from importlib import resources
from importlib.abc import Traversable
from pathlib import Path
from typing import Literal

from attrs import frozen

from ..atomic import create_folder, write_atomically
from ..errors import NtkbenchError
from ..registry.current import registry
from ..registry.sources import same

Kind = Literal["architecture", "measurement", "dataset", "kernel", "suite", "rule"]
KINDS: dict[Kind, str] = {
    "architecture": "architectures",
    "measurement": "measurements",
    "dataset": "datasets",
    "kernel": "kernels",
    "suite": "suites",
    "rule": "layer_rules",
}
"""The registry's kind for each value of `--kind`."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*\Z")
_LONGEST = 50


@frozen
class Names:
    """The names of a new plugin: "ntkbench-wavy" is the package ntkbench_wavy, which registers "wavy"."""

    distribution: str
    package: str
    entry: str
    title: str

    @classmethod
    def of(cls, name: str) -> Names:
        """Return the names derived from a distribution's name; raise NtkbenchError if it is invalid."""
        package = same(name).replace("-", "_")
        if not _NAME.match(name) or len(name) > _LONGEST:
            raise NtkbenchError(
                f"Invalid package name {name!r}; use letters, digits and '-', starting with a letter, for example "
                "ntkbench-wavy."
            )
        if keyword.iskeyword(package) or package in sys.stdlib_module_names or package == "ntkbench":
            raise NtkbenchError(f"The package name {name!r} would shadow the module {package!r}; choose another name.")
        entry = same(name).removeprefix("ntkbench-")
        return cls(name, package, entry, "".join(word.capitalize() for word in entry.split("-")))

    def fill(self, text: str) -> str:
        """Return text with its placeholders replaced."""
        for word in ("distribution", "package", "entry", "title"):
            text = text.replace(f"{{{{{word}}}}}", getattr(self, word))
        return text


def new_plugin(name: str, kind: Kind, folder: Path | None = None) -> dict[str, Path]:
    """Write a plugin package.

    Args:
        name: Name of the distribution.
        kind: What the package registers.
        folder: Folder of the package; default: `name` in the current folder.

    Returns:
        The written files, by path inside the package.

    Raises:
        NtkbenchError: The name is invalid or taken, the folder is not empty, or a file cannot be written. Then nothing
            is left of the package.
    """
    names = Names.of(name)
    known = registry().everything()[KINDS[kind]]
    if names.entry in known:
        owner = known[names.entry].distribution
        if same(owner) != same(name):
            raise NtkbenchError(f"{owner} already registers the {kind} {names.entry!r}; choose another name.")
    folder = folder or Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NtkbenchError(f"{folder} already exists and is not empty; choose another name, or remove it.")
    written = {}
    for path, text in files(names, kind).items():
        target = folder / path
        try:
            create_folder(target.parent)
            write_atomically(target, text.encode())
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # it was empty; half a package would have to be removed by hand
            raise
        written[path] = target
    return written


def files(names: Names, kind: Kind) -> dict[str, str]:
    """Return the text of every file of a new package, by path inside the package."""
    template = resources.files(__package__) / "template"
    found = {}
    for part in ("shared", kind):
        for path, source in _walk(template / part, ""):
            found[names.fill(path).removesuffix(".in").replace("dot-", ".")] = names.fill(source.read_text("utf-8"))
    return dict(sorted(found.items()))


def _walk(folder: Traversable, above: str) -> list[tuple[str, Traversable]]:
    found = []
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            found += _walk(each, f"{above}{each.name}/")
        elif each.name.endswith(".in"):
            found.append((above + each.name, each))
    return found
