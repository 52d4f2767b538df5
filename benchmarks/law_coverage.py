"""Measure the coverage of intervals and the errors of named tails on simulated laws; write tables of docs/laws.md.

python benchmarks/law_coverage.py closed       least squares, as in the table and on the board
python benchmarks/law_coverage.py posterior    the posterior, as in Run.fits(posterior=True)
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from attrs import frozen

from ntkbench.analysis.posterior import posteriors
from ntkbench.analysis.scaling import fit_power_law
from ntkbench.analysis.states import state_of

WIDTHS, SEEDS = (64, 128, 256, 512, 1024), 5
NOISES = (0.02, 0.03, 0.1, 0.5)
KINDS = ("Gaussian", "t3")
DRAWS = 2000
BETWEEN_SEEDS = 0.3
DOC = Path(__file__).parents[1] / "docs/laws.md"


@frozen
class Case:
    """The law (1 − share)·(m/M)^slope + share, with M the largest width. right: its tail."""

    slope: float
    share: float
    right: str


CASES = (
    Case(-0.5, 0.0, "decays"),
    Case(-1.0, 0.0, "decays"),
    Case(-0.5, 0.5, "plateaus"),
    Case(-1.0, 0.5, "plateaus"),
    Case(-0.5, 0.75, "plateaus"),
    Case(0.0, 0.0, "plateaus"),
)


@frozen
class Rates:
    """Rates over the draws of one law.

    Attributes:
        slope: Coverage of the 95 % interval of the slope; None for the posterior of a law with a floor.
        floor: Coverage of the 95 % interval of the floor; None for a flat law.
        right: Rate of correctly named tails; posterior only.
        wrong: Rate of wrongly named tails; posterior only.
    """

    slope: float | None
    floor: float | None
    right: float | None = None
    wrong: float | None = None


def draw(case: Case, noise: float, kind: str, random: np.random.Generator) -> list[tuple[int, int, float]]:
    """Return the points of one simulated series. noise: its standard deviation in logarithms."""
    places = [(width, seed) for width in WIDTHS for seed in range(SEEDS)]
    effects = random.normal(size=SEEDS) * BETWEEN_SEEDS
    errors = random.normal(size=len(places)) if kind == "Gaussian" else random.standard_t(3, len(places)) / math.sqrt(3)
    laws = ((1 - case.share) * (width / WIDTHS[-1]) ** case.slope + case.share for width, _ in places)
    return [
        (width, seed, law * math.exp(effects[seed] + noise * error))
        for (width, seed), law, error in zip(places, laws, errors, strict=True)
    ]


def rates(case: Case, noise: float, kind: str, draws: int, route: str, seed: int = 0) -> Rates:
    """Return the rates of one route over `draws` simulated series. A rejected exponent counts as not covered."""
    random = np.random.default_rng([seed, NOISES.index(noise), KINDS.index(kind), CASES.index(case)])
    series = [draw(case, noise, kind, random) for _ in range(draws)]
    if route == "posterior":
        found = posteriors(series)
        tails = Counter(each.tail for each in found)
        wrong = {"decays": "plateaus", "plateaus": "decays"}[case.right]
        slope = None if case.share else sum(_covers(each, "low", "high", case.slope) for each in found) / draws
        floor = sum(_covers(each, "floor_low", "floor_high", case.share) for each in found) / draws
        return Rates(slope, floor if case.slope else None, tails[case.right] / draws, tails[wrong] / draws)
    fits = [fit_power_law(*map(list, zip(*points, strict=True))) for points in series]
    floors = [state_of(fit, points).floors for fit, points in zip(fits, series, strict=True)]
    if case.share:
        slope = sum(_covers(each, "slope_low", "slope_high", case.slope) for each in floors) / draws
    else:
        slope = sum(_covers(each, "low", "high", case.slope) for each in fits) / draws
    floor = sum(_covers(each, "low", "high", case.share) for each in floors) / draws
    return Rates(slope, floor if case.slope else None)


def _covers(found: object, low: str, high: str, truth: float) -> bool:
    ends = getattr(found, low, None), getattr(found, high, None)
    return None not in ends and ends[0] <= truth <= ends[1]


def table(route: str, draws: int) -> Iterator[str]:
    """Yield the lines of one route's table."""
    yield f"{draws:,} draws of each law.\n"
    tails = ("tail right", "tail wrong", "undecided") if route == "posterior" else ()
    yield f"| {' | '.join(('slope', 'share of the floor', 'noise', '', 'covers slope', 'covers floor', *tails))} |"
    yield "|" + "---|" * (6 + len(tails))
    for case in CASES:
        for noise in NOISES:
            for kind in KINDS:
                found = rates(case, noise, kind, draws, route)
                shares = [found.slope, found.floor]
                if found.right is not None and found.wrong is not None:
                    shares += [found.right, found.wrong, max(1 - found.right - found.wrong, 0)]
                cells = ["" if each is None else f"{each:.1%}" for each in shares]
                yield f"| {case.slope:g} | {case.share:g} | {noise:g} | {kind} | {' | '.join(cells)} |"


def main(route: str) -> None:
    """Write one route's table between its markers in docs/laws.md."""
    if route not in ("closed", "posterior"):
        sys.exit(__doc__)
    lines = list(table(route, DRAWS))
    text = DOC.read_text(encoding="utf-8")
    begin, end = f"<!-- {route}:begin -->", f"<!-- {route}:end -->"
    block = f"{begin}\n" + "\n".join(lines) + f"\n{end}"
    DOC.write_text(re.sub(f"{begin}.*?{end}", lambda _: block, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
