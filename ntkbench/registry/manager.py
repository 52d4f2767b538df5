"""The registry: every name that can be run, taken plugin by plugin under guard."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

import attrs
import pluggy

from ..errors import NtkbenchError, RegistrationError, UnknownName, did_you_mean
from . import hookspecs
from .specs import KINDS, Architecture, Dataset, Entry, Kernel, LayerRules, Measurement, Suite

GROUP = "ntkbench"
BUILTIN_ROOMS = ("architectures", "measurements", "datasets", "kernels", "suites", "engine.rules")
ONE_OF = {
    "architectures": "architecture",
    "measurements": "measurement",
    "datasets": "data set",
    "kernels": "kernel",
    "suites": "suite",
    "layer_rules": "layer rule",
}
# Names stand in SPECs ("NAME:key=value"), in file names and in tables: letters, digits and . _ - only.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_LAYER = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
_RESERVED = ("all",)

Target = Callable[..., Any] | str


@attrs.frozen
class Problem:
    """A plugin that was left out, and why."""

    distribution: str
    version: str
    reason: str

    def __str__(self) -> str:
        return f"Plugin {self.distribution} {self.version} was left out: {self.reason}".replace("  ", " ")


@attrs.frozen
class Source:
    """One plugin before it is loaded: where it comes from and how to get its module."""

    distribution: str
    version: str
    name: str
    load: Callable[[], Any]


class Registry:
    """What is registered, by kind and name.

    A plugin's registrations are taken whole or not at all; a plugin that fails is a `Problem`, nothing more.
    Loading imports the plugins' own modules, never the "module:attribute" targets they name.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self.problems: list[Problem] = []

    @property
    def architectures(self) -> Mapping[str, Architecture]:
        """The architectures by name, in the order of registration."""
        return self._view("architectures")

    @property
    def measurements(self) -> Mapping[str, Measurement]:
        """The measurements by name."""
        return self._view("measurements")

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """The data sets by name."""
        return self._view("datasets")

    @property
    def kernels(self) -> Mapping[str, Kernel]:
        """The infinite-width kernels by name."""
        return self._view("kernels")

    @property
    def suites(self) -> Mapping[str, Suite]:
        """The suites by name."""
        return self._view("suites")

    @property
    def layer_rules(self) -> Mapping[str, LayerRules]:
        """The layer rules by "module:LayerClass"."""
        return self._view("layer_rules")

    def _view(self, kind: str) -> Mapping[str, Any]:
        return MappingProxyType(self._entries[kind])

    def get(self, kind: str, name: str) -> Any:
        """Return the entry of that kind and name; raise UnknownName with the nearest names otherwise."""
        entries = self._entries[kind]
        if name not in entries:
            raise UnknownName(ONE_OF[kind], name, entries)
        return entries[name]

    def register(
        self, kind: str, name: str, target: Target, *, distribution: str, version: str = "", **spec: Any
    ) -> None:
        """Register one entry without a plugin.

        The same distribution may replace what it registered; raise RegistrationError for anybody else.
        """
        entry = _entry(kind, name, target, distribution, version, spec)
        present = self._entries[kind].get(name)
        if present is None or present.distribution != distribution:
            self._refuse_duplicates([(kind, entry)])
        self._entries[kind][name] = entry

    def with_architectures(self, entries: Mapping[str, Architecture]) -> Registry:
        """Return a copy that also knows these architectures: a user's own files, under the names the tables use."""
        copy = Registry()
        copy._entries = {kind: dict(group) for kind, group in self._entries.items()}
        copy._entries["architectures"].update(entries)
        copy.problems = list(self.problems)
        return copy

    def load(self, source: Source) -> None:
        """Load one plugin and take all that it registers, or note the problem and take nothing."""
        try:
            plugin = source.load()
            entries = self.collect(plugin, source)
            self._refuse_duplicates(entries)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may also call sys.exit while it is imported
            self.problems.append(Problem(source.distribution, source.version, _reason(error)))
        else:
            for kind, entry in entries:
                self._entries[kind][entry.name] = entry

    def collect(self, plugin: ModuleType | Any, source: Source) -> list[tuple[str, Entry]]:
        """Return what a plugin registers as (kind, entry), calling its hook implementations one by one."""
        try:
            self._manager.register(plugin, name=source.name)
            _refuse_unknown_hooks(self._manager, plugin)
            entries: list[tuple[str, Entry]] = []
            for kind in KINDS:
                for hook in getattr(self._manager.hook, _hook(kind)).get_hookimpls():
                    if hook.plugin is plugin:
                        register = _collector(kind, source, entries)
                        hook.function(*[{"register": register}[name] for name in hook.argnames])
        except BaseException:
            if self._manager.has_plugin(source.name):
                self._manager.unregister(name=source.name)
            raise
        return entries

    def _refuse_duplicates(self, entries: Iterable[tuple[str, Entry]]) -> None:
        taken = {(kind, name): entry for kind, group in self._entries.items() for name, entry in group.items()}
        for kind, entry in entries:
            if (kind, entry.name) in taken:
                first = taken[kind, entry.name]
                raise RegistrationError(
                    f"The {ONE_OF[kind]} {entry.name!r} of {entry.distribution} is already registered by "
                    f"{first.distribution}. Rename it, or block one of the two with --no-plugin."
                )
            taken[kind, entry.name] = entry


def _entry(kind: str, name: Any, target: Any, distribution: str, version: str, spec: Mapping[str, Any]) -> Entry:
    pattern = _LAYER if kind == "layer_rules" else _NAME
    if not isinstance(name, str) or not pattern.match(name) or name in _RESERVED:
        form = '"module:LayerClass"' if kind == "layer_rules" else "up to 64 letters, digits, '.', '_' and '-'"
        raise RegistrationError(f"{name!r} cannot be the name of a {ONE_OF[kind]}; use {form}.")
    if not callable(target) and not (isinstance(target, str) and re.match(r"[\w.]+:\w+\Z", target)):
        raise RegistrationError(f'{name!r} has the target {target!r}; give a function or "module:attribute".')
    fields = {field.name for field in attrs.fields(KINDS[kind])} - {"name", "target", "distribution", "version"}
    for word in spec:
        if word not in fields:
            hint = did_you_mean(word, fields)
            raise RegistrationError(f"{name!r} gives {word!r}, which no {ONE_OF[kind]} has. {hint}")
    return KINDS[kind](name=name, target=target, distribution=distribution, version=version, **spec)


def _hook(kind: str) -> str:
    return f"ntkbench_register_{kind}"


def _collector(kind: str, source: Source, entries: list[tuple[str, Entry]]) -> hookspecs.Register:
    def register(name: str, target: Target, **spec: Any) -> None:
        entries.append((kind, _entry(kind, name, target, source.distribution, source.version, spec)))

    return register


def _refuse_unknown_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    known = [_hook(kind) for kind in KINDS]
    for caller in manager.get_hookcallers(plugin) or ():
        if caller.name not in known:
            hint = did_you_mean(caller.name, known)
            raise RegistrationError(f"It implements the unknown hook {caller.name!r}. {hint}")


def _reason(error: BaseException) -> str:
    if isinstance(error, NtkbenchError):
        return str(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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
    found = importlib.metadata.entry_points(group=GROUP)
    for point in sorted(found, key=lambda point: (point.dist.name if point.dist else "", point.name)):
        distribution, version = (point.dist.name, point.dist.version) if point.dist else (point.name, "")
        yield Source(distribution, version, f"{distribution}:{point.name}", point.load)


def _same(name: str) -> str:
    """Return a distribution's normal name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def allowed_sources(blocked: Iterable[str] = ()) -> Iterator[Source]:
    """Yield the installed plugins that NTKBENCH_PLUGINS allows (unset: all) and `blocked` does not name."""
    allowed = os.environ.get("NTKBENCH_PLUGINS")
    wanted = None if allowed is None else {_same(name) for name in allowed.split(",") if name.strip()}
    unwanted = {_same(name) for name in blocked}
    if wanted == set():
        return
    for source in installed_sources():
        name = _same(source.distribution)
        if name not in unwanted and (wanted is None or name in wanted):
            yield source


_lock = threading.RLock()
_registry: Registry | None = None
_blocked: set[str] = set()


def block(names: Iterable[str]) -> None:
    """Leave these distributions out of the process-wide registry. Call it before the first `registry()`."""
    if names and _registry is not None:
        raise NtkbenchError("Plugins are already loaded; block them before anything is listed or run.")
    _blocked.update(names)


def blocked() -> frozenset[str]:
    """Return the distributions that were left out."""
    return frozenset(_blocked)


def registry() -> Registry:
    """Return the process-wide registry: built-ins, then installed plugins, loaded on the first call."""
    global _registry
    with _lock:
        if _registry is None:
            # Assigned before it is filled: a plugin may use the decorators while it is imported.
            _registry = Registry()
            for source in builtin_sources():
                _registry.load(source)
            for source in allowed_sources(_blocked):
                _registry.load(source)
        return _registry
