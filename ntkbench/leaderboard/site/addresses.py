"""Choose the names of the site's files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ...types import digest

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._:,=+-]*\Z")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:[.~]|\Z)")
LONGEST = 100


def stem(name: str) -> str:
    """Return the file name, without extension, of a row's page.

    ":" becomes "~", so that the page of "attention:heads=4" is "attention~heads=4". Names that differ get different
    file names, also on file systems that ignore case; the file names are valid everywhere and need no escaping in URLs.

    Args:
        name: Name of the row: its label, and its condition if it has one.
    """
    text = name.replace(":", "~")
    plain = _PLAIN.match(name) is not None and name[-1] not in ".:" and not _DEVICE.match(text)
    if plain and len(text) <= LONGEST:
        return text
    kept = re.sub(r"[^a-z0-9.,=+~-]+", "-", text.lower()).strip(".-~")[: LONGEST - 20]
    kept = f"row-{kept}" if _DEVICE.match(kept) else kept
    return f"{kept}_{digest(name, 12)}" if kept else digest(name, 12)


def stems(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return the file names of rows: of the name alone, or of name and submission where several have the name.

    Args:
        names: Name and submission of each row.
    """
    several = Counter(name for name, _ in names)
    return [stem(name) if several[name] == 1 else f"{stem(name)}@{submission}" for name, submission in names]
