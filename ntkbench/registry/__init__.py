"""Who can be run: what a plugin registers, and the one place that knows every name."""

from __future__ import annotations

from .manager import Problem, Registry, registry

__all__ = ["Problem", "Registry", "registry"]
