"""Collect what a plugin registers: check its hook implementations and call them one by one."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pluggy

from ..errors import NtkbenchError, RegistrationError, did_you_mean
from . import hookspecs
from .sources import Source
from .specs import KINDS, Entry, Target

ONE_OF = {
    "architectures": "architecture",
    "measurements": "measurement",
    "datasets": "dataset",
    "kernels": "kernel",
    "suites": "suite",
    "layer_rules": "layer rule",
}
# Names appear in SPECs ("NAME:key=value"), in file names and in tables, so only letters, digits and . _ - are allowed.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_LAYER = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
_TARGET = re.compile(r"[\w.]+:\w+\Z")
_RESERVED = ("all", "family", "priority")
_LONGEST_SUMMARY = 300

Named = tuple[str, Entry]


@attrs.frozen
class Collected:
    """Everything that a plugin registers.

    Attributes:
        entries: Pairs (kind, entry).
        hooks: Names of the hooks that the plugin implements.
        notes: Deprecation notes for its author.
    """

    entries: tuple[Named, ...]
    hooks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def collect(plugin: Any, source: Source) -> Collected:
    """Return what a plugin registers.

    Exceptions of the plugin's own code propagate.

    Raises:
        RegistrationError: A hook or an entry is not valid.
    """
    notes = _version_notes(plugin)
    marked = dict(_marked(plugin))
    _refuse_unmarked(plugin, marked)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        manager.register(plugin, name=source.name)
    notes += [str(warning.message) for warning in caught if issubclass(warning.category, DeprecationWarning)]
    entries: list[Named] = []
    for kind in KINDS:
        for hook in getattr(manager.hook, hook_of(kind)).get_hookimpls():
            hook.function(*[_collector(kind, source, entries) for _ in hook.argnames])
    return Collected(tuple(entries), tuple(marked), tuple(notes))


def entry_of(kind: str, name: Any, target: Any, distribution: str, version: str, spec: Mapping[str, Any]) -> Entry:
    """Return the entry of one call of `register`; raise RegistrationError when it is not valid."""
    pattern = _LAYER if kind == "layer_rules" else _NAME
    if not isinstance(name, str) or not pattern.match(name) or name in _RESERVED:
        form = '"module:LayerClass"' if kind == "layer_rules" else "up to 64 letters, digits, '.', '_' and '-'"
        raise RegistrationError(f"{name!r} is not a valid {ONE_OF[kind]} name; use {form}.")
    group = kind == "datasets" and bool(spec.get("members")) and not target
    further = {field: spec[field] for field in KINDS[kind].further_targets() if spec.get(field) is not None}
    for field, given in {**({} if group else {"target": target}), **further}.items():
        if not callable(given) and not (isinstance(given, str) and _TARGET.match(given)):
            raise RegistrationError(f'{name!r} has the {field} {given!r}; it must be a callable or "module:attribute".')
    fields = {field.name: field for field in attrs.fields(KINDS[kind]) if field.init}
    for own in ("name", "target", "distribution", "version"):
        del fields[own]
    for word in spec:
        if word not in fields:
            hint = did_you_mean(word, fields)
            raise RegistrationError(f"{name!r} ({ONE_OF[kind]}) sets the unknown field {word!r}. {hint}")
    summary = spec.get("summary", "")
    if not isinstance(summary, str) or len(summary) > _LONGEST_SUMMARY:
        raise RegistrationError(f"The summary of {name!r} must be text of at most {_LONGEST_SUMMARY} characters.")
    declared = {word: _converted(name, fields[word], given) for word, given in spec.items()}
    for param in declared.get("params", ()):
        if param in KINDS[kind].PASSED:
            raise RegistrationError(f"{name!r} has a parameter {param!r}, which every run passes itself; rename it.")
    return KINDS[kind](name=name, target=target, distribution=distribution, version=version, **declared)


def _converted(name: str, field: attrs.Attribute[Any], given: Any) -> Any:
    """Return the value of a field as the entry holds it; raise RegistrationError, naming the field, if it has none."""
    convert: Any = field.converter
    try:
        return given if convert is None else convert(given)
    except NtkbenchError:
        raise
    except Exception as error:
        why = str(error).rstrip(".") or type(error).__name__
        raise RegistrationError(f"{name!r} sets {field.name}={given!r:.80}, which is not valid: {why}.") from error


def hook_of(kind: str) -> str:
    """Return the name of the hook that registers entries of this kind."""
    return f"ntkbench_register_{kind}"


def _collector(kind: str, source: Source, entries: list[Named]) -> hookspecs.Register:
    def register(name: str, target: Target = "", **spec: Any) -> None:
        entries.append((kind, entry_of(kind, name, target, source.distribution, source.version, spec)))

    return register


def _marked(plugin: Any) -> Iterator[tuple[str, Any]]:
    """Yield the hook implementations of a plugin by name; raise RegistrationError for unknown hooks and arguments."""
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
                raise RegistrationError(f"Its {hook} takes {argument!r}, which no hook passes. {hint}")
        yield hook, function


def _refuse_unmarked(plugin: Any, marked: Mapping[str, Any]) -> None:
    for name in dir(plugin):
        if name.startswith("ntkbench_register") and name not in marked:
            raise RegistrationError(f"It defines {name} without @hookimpl, so it is never called. Add @hookimpl.")


def _version_notes(plugin: Any) -> list[str]:
    """Return a note when a plugin was written for an older version of the hooks; raise for a newer one."""
    wanted = getattr(plugin, hookspecs.WRITTEN_FOR, None)
    if wanted is None:
        return []
    if not isinstance(wanted, str) or not re.fullmatch(r"\d+\.\d+", wanted):
        raise RegistrationError(
            f"Its {hookspecs.WRITTEN_FOR} is {wanted!r}; it must be the version of the hooks as text, such as "
            f"{hookspecs.VERSION!r}."
        )
    if _number(wanted) > _number(hookspecs.VERSION):
        raise RegistrationError(
            f"It needs version {wanted} of the hooks, but this ntkbench has {hookspecs.VERSION}. Upgrade ntkbench, or "
            "install an older version of the plugin."
        )
    if _number(wanted) < _number(hookspecs.VERSION):
        return [
            f"It was written for version {wanted} of the hooks, and this ntkbench has {hookspecs.VERSION}. It was "
            f"loaded anyway; its author can compare the hooks and update {hookspecs.WRITTEN_FOR}."
        ]
    return []


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
