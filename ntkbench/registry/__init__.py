"""Who can be run: what a plugin registers, and the one place that knows every name."""

from __future__ import annotations

from .current import registry, use
from .manager import Problem, Registry

__all__ = ["Problem", "Registry", "registry", "use"]
