"""The registry: all entries by kind and name. A plugin with a problem is left out without affecting the others."""

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
    """A plugin that was left out because of a problem."""

    distribution: str
    version: str
    reason: str

    def __str__(self) -> str:
        return f"Plugin {self.distribution} {self.version} was left out: {self.reason}".replace("  ", " ")


@attrs.frozen
class Plugin:
    """The state of one plugin after loading.

    Attributes:
        distribution: Name of its distribution.
        version: Version of its distribution.
        name: Name of its entry point or module.
        status: "ok", "broken", or "off" when it was excluded.
        origin: Where the distribution was installed from.
        hooks: The hooks that it implements.
        entries: Names of the registered entries by kind, when its status is "ok".
        reason: Why it was left out.
        notes: Notes for its author, when its status is "ok".
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
        """Return the plugin as plain JSON."""
        names = {kind: list(names) for kind, names in self.entries.items()}
        return {**attrs.asdict(self), "hooks": list(self.hooks), "entries": names, "notes": list(self.notes)}


class Registry:
    """All registered entries, by kind and name.

    The registrations of a plugin are added all or none. A plugin that fails only adds a row to `plugins` and a
    `Problem`. Loading imports the plugins' own modules, never the "module:attribute" targets that they name.
    """

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self.plugins: list[Plugin] = []

    @property
    def problems(self) -> list[Problem]:
        """The plugins that were left out because of a problem."""
        broken = [plugin for plugin in self.plugins if plugin.status == "broken"]
        return [Problem(plugin.distribution, plugin.version, plugin.reason) for plugin in broken]

    @property
    def warnings(self) -> list[str]:
        """One sentence for each problem and each note to a plugin author."""
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
        """The datasets by name."""
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
        """Return the entry of this kind and name; raise UnknownName, with the closest names, when there is none."""
        entries = self._entries[kind]
        if name not in entries:
            raise UnknownName(ONE_OF[kind], name, entries)
        return entries[name]

    @property
    def subjects(self) -> Mapping[str, Architecture]:
        """Everything that a run can measure, by name: the architectures, and the kernels of other names."""
        return {name: kernel.subject() for name, kernel in self.kernels.items()} | dict(self.architectures)

    def subject(self, name: str) -> Architecture:
        """Return the architecture of this name, or else the kernel of this name as an architecture.

        Raises:
            UnknownName: There is neither.
        """
        subjects = self.subjects
        if name not in subjects:
            raise UnknownName("architecture", name, subjects)
        return subjects[name]

    def register(
        self, kind: str, name: str, target: Target, *, distribution: str, version: str = "", **spec: Any
    ) -> None:
        """Register one entry without a plugin.

        A distribution may replace its own entries.

        Args:
            kind: Kind of the entry, such as "architectures".
            name: Name of the entry.
            target: Callable or "module:attribute".
            distribution: Distribution that registers the entry.
            version: Its version.
            **spec: Further fields of the entry.

        Raises:
            RegistrationError: The entry is not valid, or another distribution has registered the name.
        """
        entry = entry_of(kind, name, target, distribution, version, spec)
        present = self._entries[kind].get(name)
        if present is None or present.distribution != distribution:
            self._refuse_duplicates([(kind, entry)])
        self._entries[kind][name] = entry

    def with_architectures(self, entries: Mapping[str, Architecture]) -> Registry:
        """Return a copy with these architectures added: the user's own files, under the names used in tables."""
        copy = Registry()
        copy._entries = {kind: dict(group) for kind, group in self._entries.items()}
        copy._entries["architectures"].update(entries)
        copy.plugins = list(self.plugins)
        return copy

    def load(self, source: Source) -> None:
        """Load a plugin in this process and add its entries; when anything fails, add none and record the problem."""
        try:
            found = collect(source.load(), source)
            self._take(source, found.entries, found.hooks, found.notes)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may also call sys.exit while it is imported
            self.leave_out(source, "broken", reason_of(error))

    def take(self, source: Source, probe: Probe) -> None:
        """Add the entries that a probe found, or record the problem. No code of the plugin runs here."""
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
        """Record a plugin that is left out, with the status "broken" or "off"."""
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
                    f"{first.distribution}. Rename it, or leave out one of the two plugins with --no-plugin."
                )
            taken[kind, entry.name] = entry


def _function_of(source: Source, kind: str, name: str, field: str = "target") -> Any:
    """Return the function in a field of an entry, loading its plugin in this process."""
    try:
        for found_kind, entry in collect(source.load(), source).entries:
            if (found_kind, entry.name) == (kind, name):
                by_params = getattr(entry, "by_params", {})
                return by_params[field] if field in by_params else entry.load(field)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NtkbenchError(f"{name!r} of {source.distribution} could not be loaded: {reason_of(error)}") from error
    raise NtkbenchError(f"{source.distribution} no longer registers {name!r} with {hook_of(kind)}. Reinstall it.")
