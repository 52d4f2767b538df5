"""Find the variables through which a network is curved.

Compares each variable's share of the bend, ‖H∇f‖², with its share of the trace of the tangent kernel, ‖∇f‖².
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from attrs import frozen

from .laws import Series

BEND, KERNEL, SIZE = "bend_share", "kernel_share", "variable_size"
FAR = 2.0
"""A variable is out of proportion if its share of the bend is at least this many times its share of the kernel."""
LEAST = 0.02
"""Variables with a smaller share of the bend are never named as culprits."""
TOGETHER = 0.25
"""Culprits are reported only if their shares of the bend sum to at least this."""


@frozen
class Share:
    """Shares of one variable at one width, as medians over seeds. None if the run did not measure a number.

    Attributes:
        size: Number of weights.
        bend: Share of ‖H∇f‖².
        kernel: Share of the trace of the tangent kernel.
    """

    size: int | None
    bend: float | None
    kernel: float | None


@frozen
class Bend:
    """Shares of the variables of one series, at the smallest and the largest width where they were measured.

    Attributes:
        first_width: The smallest of these widths.
        last_width: The largest of these widths.
        variables: Maps the name of a variable to its shares at the first and at the last width, None where the variable
            does not exist. Sorted by the share of the bend at the last width, largest first.
    """

    first_width: int
    last_width: int
    variables: dict[str, tuple[Share | None, Share | None]]

    @property
    def culprits(self) -> list[str]:
        """Variables out of proportion at the largest width; empty if they account for little of the bend together."""
        found = [name for name, (_, last) in self.variables.items() if last is not None and _out_of_proportion(last)]
        return found if sum(self._last(name).bend or 0 for name in found) >= TOGETHER else []

    @property
    def reason(self) -> str:
        """One sentence that names the culprits; "" if there are none."""
        names = self.culprits
        if not names:
            return ""
        shares = [self._last(name) for name in names]
        bend, kernel = (sum(getattr(share, of) or 0 for share in shares) for of in ("bend", "kernel"))
        have = "has" if len(names) == 1 else "have"
        return (
            f"{_subject(names, [share.size for share in shares])} {have} {kernel:.0%} of K but {bend:.0%} of the bend "
            f"at width {self.last_width}."
        )

    def _last(self, name: str) -> Share:
        last = self.variables[name][1]
        assert last is not None
        return last


def bend_of(series: Series) -> Bend | None:
    """Return the shares of the variables of a series, or None if the run did not measure bend_share."""
    found: dict[int, dict[str, dict[str, list[float]]]] = {}
    seeds: dict[int, int] = {}
    for result in series.by_key.get(BEND, ()):
        width = int(result.cell.width)
        of_width = found.setdefault(width, {})
        if any(key.startswith(f"{BEND}:") for key in result.values):
            seeds[width] = seeds.get(width, 0) + 1
        for key, value in result.values.items():
            quantity, _, name = key.partition(":")
            if quantity in (BEND, KERNEL, SIZE) and name and value.value is not None:
                of_width.setdefault(name, {}).setdefault(quantity, []).append(value.value)
    if not seeds:
        return None
    first, last = min(seeds), max(seeds)
    at_first, at_last = ({name: _share(of, seeds[w]) for name, of in found[w].items()} for w in (first, last))
    names = dict.fromkeys(sorted(at_last, key=lambda name: -(at_last[name].bend or 0)))
    names |= dict.fromkeys(at_first)
    return Bend(first, last, {name: (at_first.get(name), at_last.get(name)) for name in names})


def _share(of: dict[str, list[float]], seeds: int) -> Share:
    # A run stores the largest shares only: a seed without a number for this variable has a share of about 0.
    bend = median([*of[BEND], *[0.0] * (seeds - len(of[BEND]))])
    return Share(
        size=int(max(of[SIZE])) if SIZE in of else None,
        bend=bend,
        kernel=median(of[KERNEL]) if KERNEL in of else None,
    )


def _out_of_proportion(share: Share) -> bool:
    if share.bend is None or share.kernel is None:
        return False
    return share.bend >= LEAST and share.bend >= FAR * share.kernel


def _subject(names: Sequence[str], sizes: Sequence[int | None]) -> str:
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    if all(size == 1 for size in sizes):
        return f"{len(names)} scalar{'s' * (len(names) > 1)} ({listed})"
    if len(names) > 1:
        return f"{len(names)} variables ({listed})"
    return listed
