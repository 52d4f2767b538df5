"""Find the subjects of a name (a plugin, a registered entry or a user's file), and run their checks."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import UnknownName
from ..registry.current import registry
from ..registry.manager import Registry
from ..registry.probe_cache import again
from ..registry.snapshot import Probe
from ..registry.sources import installed_sources, same
from .checks import Checks, Finding

CHECKED = ("architectures", "measurements", "datasets", "kernels", "suites", "layer_rules")


def check(name: str) -> list[Finding]:
    """Run all checks on a plugin, a registered entry or a user's file.

    Args:
        name: Distribution of an installed plugin; a registered architecture (also "NAME:key=value"), measurement,
            dataset, kernel, suite or layer rule; or "FILE.py:FUNCTION".

    Returns:
        One finding per check.

    Raises:
        NtkbenchError: The name is unknown; the message suggests the closest names.
    """
    return list(findings(name))


def findings(name: str) -> Iterator[Finding]:
    """Yield the findings of `check` one by one. A plugin is first imported again, without the cached result."""
    sources = [source for source in installed_sources() if same(source.distribution) == same(name)]
    tried = [Probe(source.damage) if source.damage else again(source) for source in sources]
    known = registry()
    became = {plugin.name: plugin for plugin in known.plugins}
    for source, probe in zip(sources, tried, strict=True):
        reason = probe.reason or became[source.name].reason
        title = "The plugin can be imported, and its registrations are valid."
        yield Finding(source.distribution, "P1", title, "failed" if reason else "ok", reason)
    subjects = list(_subjects(name, known, bool(sources)))
    for subject, kit in subjects:
        yield from kit.findings(subject)
    if not sources and not subjects:
        names = {entry for kind in CHECKED for entry in known.everything()[kind]}
        names |= {plugin.distribution for plugin in known.plugins} - {"ntkbench"}
        raise UnknownName("plugin or registered name", name, names)


def _subjects(name: str, known: Registry, is_plugin: bool) -> Iterator[tuple[str, type[Checks]]]:
    """Yield pairs of a subject and its check class."""
    from .architectures import ArchitectureChecks
    from .datasets import DatasetChecks
    from .kernels import KernelChecks
    from .layer_rules import LayerRuleChecks
    from .measurements import MeasurementChecks
    from .suites import SuiteChecks

    kits: dict[str, tuple[str, type[Checks]]] = {
        "architectures": ("architecture", ArchitectureChecks),
        "measurements": ("measurement", MeasurementChecks),
        "datasets": ("dataset", DatasetChecks),
        "kernels": ("kernel", KernelChecks),
        "suites": ("suite", SuiteChecks),
        "layer_rules": ("layer rule", LayerRuleChecks),
    }
    word, _, _ = name.partition(":")
    for kind, (attribute, kit) in kits.items():
        for entry in known.everything()[kind].values():
            own = is_plugin and same(entry.distribution) == same(name)
            if own or entry.name == name or (kind == "architectures" and entry.name == word):
                spec = entry.name if own else name
                yield f"{attribute} {spec}", type(kit.__name__, (kit,), {attribute.replace(" ", "_"): spec})
    if not is_plugin and word.endswith(".py"):
        yield f"architecture {name}", type("FileChecks", (ArchitectureChecks,), {"architecture": name})
