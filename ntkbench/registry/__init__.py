"""Registry of everything that can be run: built-in entries and those that plugins register."""

from __future__ import annotations

from .current import registry, use
from .manager import Problem, Registry

__all__ = ["Problem", "Registry", "registry", "use"]
