"""Find plugins: ntkbench's built-in packages and the entry points of installed distributions."""

from __future__ import annotations

import email
import functools
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from ..errors import NtkbenchError, did_you_mean

GROUP = "ntkbench"
BUILTIN_PACKAGES = ("architectures", "measurements", "datasets", "kernels", "suites", "engine.rules")
ALLOWED = "NTKBENCH_PLUGINS"


@attrs.frozen
class Source:
    """A plugin that has not been loaded yet.

    Attributes:
        distribution: Name of its distribution.
        version: Version of its distribution.
        name: Name that is unique among all sources.
        load: Returns the plugin's module or object.
        point: Entry point of an installed plugin, None for a built-in one.
        damage: Why its metadata make it impossible to load; empty otherwise.
    """

    distribution: str
    version: str
    name: str
    load: Callable[[], Any]
    point: importlib.metadata.EntryPoint | None = None
    damage: str = ""

    @property
    def origin(self) -> str:
        """Where pip got the distribution (PEP 610), otherwise the folder that contains it; "" when unknown."""
        dist = None if self.point is None else self.point.dist
        if dist is None:
            return ""
        try:
            direct = json.loads(dist.read_text("direct_url.json") or "{}")
            url = urlsplit(str(direct.get("url", "")))
            editable = bool(direct.get("dir_info", {}).get("editable"))
        except (ValueError, AttributeError, TypeError):
            url, editable = urlsplit(""), False
        if url.scheme == "file":
            return f"{url.path} (editable)" if editable else url.path
        if url.scheme:
            return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
        return str(dist.locate_file(""))


def builtin_sources() -> Iterator[Source]:
    """Yield ntkbench's own plugins: the packages with built-in entries."""
    from .._version import __version__

    package = __name__.partition(".")[0]
    for name in BUILTIN_PACKAGES:
        module = f"{package}.{name}"
        if importlib.util.find_spec(module) is not None:
            yield Source(package, __version__, module, functools.partial(importlib.import_module, module))


def installed_sources() -> Iterator[Source]:
    """Yield the installed plugins: entry points of the group "ntkbench", by distribution and name.

    A distribution with damaged metadata is one source, with the reason, because its entry points are unknown.
    """
    distributions: dict[str, importlib.metadata.Distribution] = {}
    for dist in importlib.metadata.distributions():
        # When two distributions have the same name, Python imports the first one on sys.path.
        distributions.setdefault(same(_folder_name(dist)[0]), dist)
    found = [source for dist in distributions.values() for source in _sources_of(dist)]
    yield from sorted(found, key=lambda source: (same(source.distribution), source.name))


def _sources_of(dist: importlib.metadata.Distribution) -> Iterator[Source]:
    """Yield the plugins of one distribution; never raise, whatever its files contain."""
    file = "entry_points.txt"
    try:
        points = [point for point in dist.entry_points if point.group == GROUP]
        if not points:
            return
        # Parsed here: for missing fields, importlib.metadata returns None, warns or raises, depending on its version.
        file = "METADATA"
        metadata = email.message_from_string(dist.read_text(file) or dist.read_text("PKG-INFO") or "")
        name, version = str(metadata.get("Name") or points[0].name), str(metadata.get("Version") or "")
    except Exception as error:  # a third-party file may be undecodable, no INI file, or a cyclic link
        name, version = _folder_name(dist)
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        damage = f"Its {file} could not be read ({why}). Reinstall it, or remove {_folder(dist)}."
        yield Source(name, version, f"{name}:{file}", lambda: None, damage=damage)
        return
    for point in points:
        damage = ""
        if importlib.metadata.EntryPoint.pattern.match(point.value) is None:
            damage = f'Its entry point is "{point.name} = {point.value}"; it must be a module or "module:object".'
        yield Source(name, version, f"{name}:{point.name}", point.load, point, damage)


def _folder(dist: importlib.metadata.Distribution) -> Path:
    """Return the folder NAME-VERSION.dist-info of a distribution."""
    return Path(str(getattr(dist, "_path", f"unknown{id(dist)}-0")))


def _folder_name(dist: importlib.metadata.Distribution) -> tuple[str, str]:
    """Return the name and version from the folder name of a distribution."""
    name, _, version = _folder(dist).stem.partition("-")
    return name, version.partition("-")[0]


def same(name: str) -> str:
    """Return the normalized name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def chosen_sources(blocked: Iterable[str] = ()) -> Iterator[tuple[Source, str]]:
    """Yield the installed plugins, each with the reason why it is excluded, "" for those that are not.

    NTKBENCH_PLUGINS names the distributions that are allowed; all are allowed when it is not set.

    Args:
        blocked: Names of further distributions to exclude.

    Raises:
        NtkbenchError: A blocked distribution is not installed.
    """
    wanted, unwanted = _allowed(), {same(name): name for name in blocked}
    sources = list(installed_sources())
    installed = {same(source.distribution): source.distribution for source in sources}
    for normal, name in unwanted.items():
        if normal not in installed:
            hint = did_you_mean(name, installed.values())
            raise NtkbenchError(f"Unknown plugin {name!r}: it is not installed, so it cannot be left out. {hint}")
    for source in sources:
        name = same(source.distribution)
        if name in unwanted:
            yield source, "--no-plugin names it."
        elif wanted is not None and name not in wanted:
            yield source, f"{ALLOWED} does not name it."
        else:
            yield source, ""


def allowed_but_missing() -> list[str]:
    """Return the names in NTKBENCH_PLUGINS for which no plugin is installed."""
    wanted = _allowed()
    if not wanted:
        return []
    installed = {same(source.distribution) for source in installed_sources()}
    return [name for normal, name in wanted.items() if normal not in installed]


def _allowed() -> dict[str, str] | None:
    """Return the names in NTKBENCH_PLUGINS by normalized name, None when it is not set."""
    given = os.environ.get(ALLOWED)
    return None if given is None else {same(name): name.strip() for name in given.split(",") if name.strip()}


def not_installed(distributions: Iterable[str]) -> set[str]:
    """Return the distributions that are not installed in this environment, without importing any."""
    missing = set()
    for name in set(distributions):
        try:
            importlib.metadata.distribution(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            missing.add(name)
    return missing
