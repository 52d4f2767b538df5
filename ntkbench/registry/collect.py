"""What one plugin registers: its hook implementations, checked and called one by one."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pluggy

from ..errors import RegistrationError, did_you_mean
from . import hookspecs
from .sources import Source
from .specs import KINDS, Entry, Target

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
_TARGET = re.compile(r"[\w.]+:\w+\Z")
_RESERVED = ("all",)
_LONGEST_SUMMARY = 300

Named = tuple[str, Entry]


@attrs.frozen
class Collected:
    """What a plugin registers: entries as (kind, entry), the hooks it implements, and sentences of deprecation."""

    entries: tuple[Named, ...]
    hooks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def collect(plugin: Any, source: Source) -> Collected:
    """Return what a plugin registers; raise RegistrationError, or what its own code raises, when something is wrong."""
    notes = _version_notes(plugin)
    marked = dict(_marked(plugin))
    _refuse_unmarked(plugin, marked)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        manager.register(plugin, name=source.name)
    notes += [str(warning.message) for warning in heard if issubclass(warning.category, DeprecationWarning)]
    entries: list[Named] = []
    for kind in KINDS:
        for hook in getattr(manager.hook, hook_of(kind)).get_hookimpls():
            hook.function(*[_collector(kind, source, entries) for _ in hook.argnames])
    return Collected(tuple(entries), tuple(marked), tuple(notes))


def entry_of(kind: str, name: Any, target: Any, distribution: str, version: str, spec: Mapping[str, Any]) -> Entry:
    """Return the checked entry of one call of `register`; raise RegistrationError with a sentence otherwise."""
    pattern = _LAYER if kind == "layer_rules" else _NAME
    if not isinstance(name, str) or not pattern.match(name) or name in _RESERVED:
        form = '"module:LayerClass"' if kind == "layer_rules" else "up to 64 letters, digits, '.', '_' and '-'"
        raise RegistrationError(f"{name!r} cannot be a name ({ONE_OF[kind]}); use {form}.")
    if not callable(target) and not (isinstance(target, str) and _TARGET.match(target)):
        raise RegistrationError(f'{name!r} has the target {target!r}; give a function or "module:attribute".')
    fields = {field.name for field in attrs.fields(KINDS[kind]) if field.init}
    fields -= {"name", "target", "distribution", "version"}
    for word in spec:
        if word not in fields:
            hint = did_you_mean(word, fields)
            raise RegistrationError(f"{name!r} gives {word!r}, which no {ONE_OF[kind]} has. {hint}")
    summary = spec.get("summary", "")
    if not isinstance(summary, str) or len(summary) > _LONGEST_SUMMARY:
        raise RegistrationError(f"{name!r} has no fitting summary; give text of at most {_LONGEST_SUMMARY} characters.")
    return KINDS[kind](name=name, target=target, distribution=distribution, version=version, **spec)


def hook_of(kind: str) -> str:
    """Return the name of the hook that registers this kind."""
    return f"ntkbench_register_{kind}"


def _collector(kind: str, source: Source, entries: list[Named]) -> hookspecs.Register:
    def register(name: str, target: Target, **spec: Any) -> None:
        entries.append((kind, entry_of(kind, name, target, source.distribution, source.version, spec)))

    return register


def _marked(plugin: Any) -> Iterator[tuple[str, Any]]:
    """Yield the hook implementations of a plugin by name; refuse hooks and arguments that there are not."""
    known = [hook_of(kind) for kind in KINDS]
    for name in dir(plugin):
        function = getattr(plugin, name, None)
        options = getattr(function, f"{hookspecs.PROJECT}_impl", None)
        if not callable(function) or not isinstance(options, dict):
            continue
        hook = options.get("specname") or name
        if hook not in known:
            raise RegistrationError(f"It implements the unknown hook {hook!r}. {did_you_mean(hook, known)}")
        for argument in inspect.signature(function).parameters:
            if argument not in ("self", *hookspecs.ARGUMENTS):
                hint = did_you_mean(argument, hookspecs.ARGUMENTS)
                raise RegistrationError(f"Its {hook} takes {argument!r}, which no hook gives. {hint}")
        yield hook, function


def _refuse_unmarked(plugin: Any, marked: Mapping[str, Any]) -> None:
    for name in dir(plugin):
        if name.startswith("ntkbench_register") and name not in marked:
            raise RegistrationError(f"It defines {name} without @hookimpl, so that nothing calls it. Mark it.")


def _version_notes(plugin: Any) -> list[str]:
    """Return what is to be said of the version of the hooks that a plugin was written for."""
    wanted = getattr(plugin, hookspecs.WRITTEN_FOR, None)
    if wanted is None:
        return []
    if not isinstance(wanted, str) or not re.fullmatch(r"\d+\.\d+", wanted):
        raise RegistrationError(
            f"Its {hookspecs.WRITTEN_FOR} is {wanted!r}; write the version of the hooks that it was written for as "
            f"text, such as {hookspecs.VERSION!r}."
        )
    if _number(wanted) > _number(hookspecs.VERSION):
        raise RegistrationError(
            f"It needs version {wanted} of the hooks, and this ntkbench has {hookspecs.VERSION}. Upgrade ntkbench, or "
            "install an older version of the plugin."
        )
    if _number(wanted) < _number(hookspecs.VERSION):
        return [
            f"It was written for version {wanted} of the hooks, and this ntkbench has {hookspecs.VERSION}; it is "
            f"loaded as it is. Its author may compare the hooks and set {hookspecs.WRITTEN_FOR}."
        ]
    return []


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
