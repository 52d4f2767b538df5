"""Dual activations E[φ(u) φ(u')] and E[φ'(u) φ'(u')] for jointly Gaussian u and u', and their lookup by name."""

from __future__ import annotations

from .dual import Dual
from .table import CLOSED, dual_of

__all__ = ["CLOSED", "Dual", "dual_of"]
