"""The registry: every name that can be run, taken plugin by plugin under guard."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from ..errors import NtkbenchError, RegistrationError, UnknownName
from .collect import ONE_OF, Named, collect, entry_of, hook_of
from .snapshot import Probe, entry_from_json, reason_of
from .sources import Source
from .specs import KINDS, Architecture, Dataset, Entry, Kernel, LayerRules, Measurement, Suite, Target


@attrs.frozen
class Problem:
    """A plugin that was left out, and why."""

    distribution: str
    version: str
    reason: str

    def __str__(self) -> str:
        return f"Plugin {self.distribution} {self.version} was left out: {self.reason}".replace("  ", " ")


@attrs.frozen
class Plugin:
    """What became of one plugin.

    name: its entry point's, or its module's.   origin: where the distribution comes from.   hooks: it implements.
    entries: names by kind, for one that was taken.   status: "ok"; "broken"; "off" where it was not to be tried.
    reason: why it was left out.   notes: sentences for the author of one that was taken.
    """

    distribution: str
    version: str
    name: str
    status: str
    origin: str = ""
    hooks: tuple[str, ...] = ()
    entries: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    reason: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        names = {kind: list(names) for kind, names in self.entries.items()}
        return {**attrs.asdict(self), "hooks": list(self.hooks), "entries": names, "notes": list(self.notes)}


class Registry:
    """What is registered, by kind and name.

    A plugin's registrations are taken whole or not at all; a plugin that fails is a row among `plugins` and a
    `Problem`, nothing more. Loading imports the plugins' own modules, never the "module:attribute" targets they name.
    """

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self.plugins: list[Plugin] = []

    @property
    def problems(self) -> list[Problem]:
        """The plugins that were left out because something is wrong with them."""
        broken = [plugin for plugin in self.plugins if plugin.status == "broken"]
        return [Problem(plugin.distribution, plugin.version, plugin.reason) for plugin in broken]

    @property
    def warnings(self) -> list[str]:
        """A sentence for each problem, and for whatever else their authors should know."""
        notes = [
            f"Plugin {plugin.distribution} {plugin.version}: {note}" for plugin in self.plugins for note in plugin.notes
        ]
        return [*map(str, self.problems), *notes]

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

    def everything(self) -> Mapping[str, Mapping[str, Entry]]:
        """Return all entries, by kind and name."""
        return {kind: self._view(kind) for kind in KINDS}

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
        entry = entry_of(kind, name, target, distribution, version, spec)
        present = self._entries[kind].get(name)
        if present is None or present.distribution != distribution:
            self._refuse_duplicates([(kind, entry)])
        self._entries[kind][name] = entry

    def with_architectures(self, entries: Mapping[str, Architecture]) -> Registry:
        """Return a copy that also knows these architectures: a user's own files, under the names the tables use."""
        copy = Registry()
        copy._entries = {kind: dict(group) for kind, group in self._entries.items()}
        copy._entries["architectures"].update(entries)
        copy.plugins = list(self.plugins)
        return copy

    def load(self, source: Source) -> None:
        """Load one plugin in this process and take all that it registers, or note the problem and take nothing."""
        try:
            found = collect(source.load(), source)
            self._take(source, found.entries, found.hooks, found.notes)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may also call sys.exit while it is imported
            self.leave_out(source, "broken", reason_of(error))

    def take(self, source: Source, probe: Probe) -> None:
        """Take all that a plugin registered when it was tried, or note the problem. None of its code runs here."""
        if probe.reason:
            self.leave_out(source, "broken", probe.reason)
            return
        find = functools.partial(_function_of, source)
        try:
            entries = [
                (kind, entry_from_json(kind, entry, source.distribution, source.version, find))
                for kind, entry in probe.entries
            ]
            self._take(source, entries, probe.hooks, probe.notes)
        except Exception as error:
            self.leave_out(source, "broken", reason_of(error))

    def leave_out(self, source: Source, status: str, reason: str) -> None:
        """Note a plugin of which nothing is taken. status: "broken" or "off"."""
        self.plugins.append(
            Plugin(source.distribution, source.version, source.name, status, source.origin, reason=reason)
        )

    def _take(self, source: Source, entries: Iterable[Named], hooks: tuple[str, ...], notes: tuple[str, ...]) -> None:
        self._refuse_duplicates(entries)
        names: dict[str, list[str]] = {}
        for kind, entry in entries:
            self._entries[kind][entry.name] = entry
            names.setdefault(kind, []).append(entry.name)
        self.plugins.append(
            Plugin(
                source.distribution,
                source.version,
                source.name,
                "ok",
                source.origin,
                hooks,
                {kind: tuple(group) for kind, group in names.items()},
                notes=notes,
            )
        )

    def _refuse_duplicates(self, entries: Iterable[Named]) -> None:
        taken = {(kind, name): entry for kind, group in self._entries.items() for name, entry in group.items()}
        for kind, entry in entries:
            if (kind, entry.name) in taken:
                first = taken[kind, entry.name]
                raise RegistrationError(
                    f"The {ONE_OF[kind]} {entry.name!r} of {entry.distribution} is already registered by "
                    f"{first.distribution}. Rename it, or block one of the two with --no-plugin."
                )
            taken[kind, entry.name] = entry


def _function_of(source: Source, kind: str, name: str, field: str = "target") -> Any:
    """Return the function that a plugin gives in a field of an entry, loading the plugin in this process."""
    try:
        for found_kind, entry in collect(source.load(), source).entries:
            if (found_kind, entry.name) == (kind, name):
                return entry.load() if field == "target" else getattr(entry, "by_params", {})[field]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NtkbenchError(f"{name!r} of {source.distribution} could not be loaded: {reason_of(error)}") from error
    raise NtkbenchError(f"{source.distribution} no longer registers {name!r} by {hook_of(kind)}; install it again.")
