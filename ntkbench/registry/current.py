"""The process-wide registry of built-ins and installed plugins, loaded on first use."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator

from ..errors import NtkbenchError
from . import sources
from .manager import Registry
from .probe_cache import probes
from .snapshot import Probe
from .sources import Source, builtin_sources

_lock = threading.RLock()
_registry: Registry | None = None
_blocked: set[str] = set()
_strict = False


def block(names: Iterable[str]) -> None:
    """Exclude these distributions from the process-wide registry.

    Raises:
        NtkbenchError: The registry has already been loaded.
    """
    if names and _registry is not None:
        raise NtkbenchError("Plugins are already loaded. Block them before anything is listed or run.")
    _blocked.update(names)


def blocked() -> frozenset[str]:
    """Return the distributions that were blocked."""
    return frozenset(_blocked)


def strict(on: bool) -> None:
    """Set whether `registry()` raises when a plugin has a problem, instead of leaving that plugin out."""
    global _strict
    _strict = on


def registry() -> Registry:
    """Return the process-wide registry: built-ins, then installed plugins, loaded on the first call.

    Raises:
        NtkbenchError: A plugin has a problem, and `strict` is on.
    """
    global _registry
    with _lock:
        if _registry is None:
            chosen = list(sources.chosen_sources(_blocked))
            # Assigned before it is filled, because a plugin may use the decorators while it is imported.
            _registry = Registry()
            for source in builtin_sources():
                _registry.load(source)
            _fill(_registry, chosen)
        if _strict and _registry.problems:
            raise NtkbenchError("; ".join(map(str, _registry.problems)))
        return _registry


@contextlib.contextmanager
def use(registry: Registry | None) -> Iterator[Registry | None]:
    """Make `registry()` return this registry inside the block; None loads a new one on first use."""
    global _registry
    with _lock:
        before, _registry = _registry, registry
    try:
        yield registry
    finally:
        with _lock:
            _registry = before


def _fill(known: Registry, chosen: Iterable[tuple[Source, str]]) -> None:
    """Add what the chosen plugins register, in their order."""
    chosen = list(chosen)
    to_probe = [source for source, reason in chosen if not reason and not source.damage]
    results: Iterator[Probe] = iter(probes(to_probe) if to_probe else ())
    for source, reason in chosen:
        if reason:
            known.leave_out(source, "off", reason)
        elif source.damage:
            known.leave_out(source, "broken", source.damage)
        else:
            known.take(source, next(results))
    for name in sources.allowed_but_missing():
        missing = f"{sources.ALLOWED} names it, but it is not installed."
        known.leave_out(Source(name, "", name, lambda: None), "broken", missing)
