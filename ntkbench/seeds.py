"""Derive seeds by hashing the names that they may depend on."""

from __future__ import annotations

import hashlib
from typing import Any

from .types import canonical_json


def seed_for(*names: Any) -> int:
    """Return a 63-bit seed that depends only on `names`.

    Equal names give equal seeds, and adding an architecture does not change the seeds of the others.

    Args:
        *names: Plain JSON values.
    """
    text = canonical_json(list(names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
