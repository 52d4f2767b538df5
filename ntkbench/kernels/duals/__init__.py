"""Dual activations: E[φ(u) φ(u')] and E[φ'(u) φ'(u')] of jointly Gaussian u and u', and the table of their names."""

from __future__ import annotations

from .dual import Dual
from .table import dual_of

__all__ = ["Dual", "dual_of"]
