"""Seeds hashed from the names of what they may depend on."""

from __future__ import annotations

import hashlib
from typing import Any

from .types import canonical_json


def seed_for(*names: Any) -> int:
    """Return a 63-bit seed that depends on `names` (plain JSON values) and on nothing else.

    Adding an architecture then moves nobody's numbers, and whoever asks with the same names shares the draw.
    """
    text = canonical_json(list(names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
