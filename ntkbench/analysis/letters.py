"""Compact letter display: rows that share a letter do not differ significantly."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

LONGEST = 20
"""Maximum number of letters in a row, so that tables with many rows stay readable."""
_LETTER = re.compile(r"[a-z]\d*")


def letters(n: int, different: Collection[tuple[int, int]], skip: int = 0) -> list[str]:
    """Return the letters of each of n rows. Two rows that differ significantly never share a letter.

    Every row has a letter. Two tied rows share a letter, unless that would take more than LONGEST letters in a row.
    Each letter stands for a set of mutually tied rows. The sets are chosen greedily to cover as many uncovered pairs as
    possible, because their number can be exponential in n.

    Args:
        n: Number of rows.
        different: Pairs that differ significantly, as (i, j) with i < j.
        skip: Number of letters at the beginning of the alphabet to leave unused.

    Returns:
        One string for each row, such as "ac". After z come a1 to z1, a2 and so on.
    """
    near = [0] * n  # bit j of near[i] is set if rows i and j are tied
    for i in range(n):
        for j in range(i + 1, n):
            if (i, j) not in different:
                near[i] |= 1 << j
                near[j] |= 1 << i
    open_ = list(near)  # tied pairs that do not share a letter yet
    count = [0] * n
    free = (1 << n) - 1  # rows with fewer than LONGEST letters
    tied = []
    while (rows := _next(near, open_, free)) is not None:
        for i in _bits(rows):
            open_[i] &= ~rows
            count[i] += 1
            if count[i] == LONGEST:
                free &= ~(1 << i)
        tied.append(list(_bits(rows)))
    tied += [[i] for i in range(n) if not count[i]]
    found = [""] * n
    for number, members in enumerate(sorted(tied), skip):
        for i in members:
            found[i] += _letter(number)
    return found


def share(one: str, other: str) -> bool:
    """Return whether two strings returned by `letters` have a letter in common."""
    return not set(_LETTER.findall(one)).isdisjoint(_LETTER.findall(other))


def _next(near: list[int], open_: list[int], free: int) -> int | None:
    """Return the rows that get the next letter, as bits; None if no uncovered pair of free rows is left."""
    start = max(_bits(free), key=lambda i: ((open_[i] & free).bit_count(), -i), default=None)
    if start is None or not open_[start] & free:
        return None
    rows, fitting = 1 << start, near[start] & free
    while fitting:
        gains = {i: (open_[i] & rows).bit_count() for i in _bits(fitting)}
        best = max(gains, key=lambda i: (gains[i], (open_[i] & fitting).bit_count(), -i))
        if not gains[best]:
            break
        rows |= 1 << best
        fitting &= near[best]
    return rows


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _letter(number: int) -> str:
    return chr(ord("a") + number % 26) + (str(number // 26) if number >= 26 else "")
