"""Where plugins come from: ntkbench's own rooms, and the entry points of installed distributions."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import attrs

from ..errors import NtkbenchError, did_you_mean

GROUP = "ntkbench"
BUILTIN_ROOMS = ("architectures", "measurements", "datasets", "kernels", "suites", "engine.rules")
ALLOWED = "NTKBENCH_PLUGINS"


@attrs.frozen
class Source:
    """One plugin before it is loaded: where it comes from and how to get its module.

    name: unique among all sources.   point: the entry point of an installed one.
    """

    distribution: str
    version: str
    name: str
    load: Callable[[], Any]
    point: importlib.metadata.EntryPoint | None = None

    @property
    def origin(self) -> str:
        """Where pip got the distribution (PEP 610), otherwise the folder that it lies in; "" when nobody knows."""
        dist = None if self.point is None else self.point.dist
        if dist is None:
            return ""
        try:
            told = json.loads(dist.read_text("direct_url.json") or "{}")
            url = urlsplit(str(told.get("url", "")))
            editable = bool(told.get("dir_info", {}).get("editable"))
        except (ValueError, AttributeError, TypeError):
            url, editable = urlsplit(""), False
        if url.scheme == "file":
            return f"{url.path} (editable)" if editable else url.path
        if url.scheme:
            return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
        return str(dist.locate_file(""))


def builtin_sources() -> Iterator[Source]:
    """Yield ntkbench's own plugins: the rooms that hold built-in entries."""
    from .. import __version__

    package = __name__.partition(".")[0]
    for room in BUILTIN_ROOMS:
        module = f"{package}.{room}"
        if importlib.util.find_spec(module) is not None:
            yield Source(package, __version__, module, functools.partial(importlib.import_module, module))


def installed_sources() -> Iterator[Source]:
    """Yield the installed plugins: entry points of the group "ntkbench", by distribution and name."""
    known: dict[int, tuple[str, str]] = {}
    found = []
    for point in importlib.metadata.entry_points(group=GROUP):
        dist = point.dist
        if id(dist) not in known:
            # Every look at name or version parses the metadata anew.
            known[id(dist)] = (str(dist.name or point.name), str(dist.version or "")) if dist else (point.name, "")
        found.append((*known[id(dist)], point))
    for distribution, version, point in sorted(found, key=lambda each: (same(each[0]), each[2].name)):
        yield Source(distribution, version, f"{distribution}:{point.name}", point.load, point)


def same(name: str) -> str:
    """Return a distribution's normal name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def chosen_sources(blocked: Iterable[str] = ()) -> Iterator[tuple[Source, str]]:
    """Yield the installed plugins, each with why it is left out before it is tried, "" for those that are taken.

    NTKBENCH_PLUGINS names the distributions that are allowed (unset: all); `blocked` names others that are not.
    Raises NtkbenchError when `blocked` names a distribution that is not there.
    """
    wanted, unwanted = _allowed(), {same(name): name for name in blocked}
    sources = list(installed_sources())
    installed = {same(source.distribution): source.distribution for source in sources}
    for normal, name in unwanted.items():
        if normal not in installed:
            hint = did_you_mean(name, installed.values())
            raise NtkbenchError(f"No installed plugin is called {name!r}, so it cannot be left out. {hint}")
    for source in sources:
        name = same(source.distribution)
        if name in unwanted:
            yield source, "--no-plugin names it."
        elif wanted is not None and name not in wanted:
            yield source, f"{ALLOWED} does not name it."
        else:
            yield source, ""


def allowed_but_missing() -> list[str]:
    """Return the names in NTKBENCH_PLUGINS of which no plugin is installed."""
    wanted = _allowed()
    if not wanted:
        return []
    installed = {same(source.distribution) for source in installed_sources()}
    return [name for normal, name in wanted.items() if normal not in installed]


def _allowed() -> dict[str, str] | None:
    """Return what NTKBENCH_PLUGINS names, by normal name; None where it is not set."""
    given = os.environ.get(ALLOWED)
    return None if given is None else {same(name): name.strip() for name in given.split(",") if name.strip()}


def not_installed(distributions: Iterable[str]) -> set[str]:
    """Return those of the distributions that are not installed here; none is imported."""
    missing = set()
    for name in set(distributions):
        try:
            importlib.metadata.distribution(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            missing.add(name)
    return missing
