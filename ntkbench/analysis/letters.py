"""Compact letter display: rows that share a letter do not differ significantly."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

LONGEST = 20
"""The most letters in one cell, so that a table with many rows can still be read."""
_LETTER = re.compile(r"[a-z]\d*")


def letters(n: int, different: Collection[tuple[int, int]], skip: int = 0) -> list[str]:
    """Return the letters of each of n rows. Two rows that differ never share a letter.

    Every row has a letter, and two that are tied share one unless LONGEST letters a row are too few. Each letter stands
    for a set of rows that are all tied, chosen greedily to cover as many uncovered pairs as possible: there can be
    exponentially many such sets.

    Args:
        n: Number of rows.
        different: The pairs that differ significantly, (i, j) with i < j.
        skip: Letters at the beginning of the alphabet that are not used.

    Returns:
        A text for each row, such as "ac"; behind z come a1 to z1, a2 and so on.
    """
    near = [0] * n  # bit j of near[i]: the rows i and j are tied
    for i in range(n):
        for j in range(i + 1, n):
            if (i, j) not in different:
                near[i] |= 1 << j
                near[j] |= 1 << i
    open_ = list(near)  # the same without the pairs that share a letter already
    count = [0] * n
    free = (1 << n) - 1  # the rows that may get another letter
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
    """Return whether two rows' letters, as `letters` returns them, have one in common."""
    return not set(_LETTER.findall(one)).isdisjoint(_LETTER.findall(other))


def _next(near: list[int], open_: list[int], free: int) -> int | None:
    """Return the rows that get the next letter, as bits; None where no open pair of free rows is left."""
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
