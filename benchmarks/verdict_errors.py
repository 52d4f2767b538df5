"""Measure how often verdicts are wrong and how often they decide, on simulated data; write the tables of docs/laws.md.

python benchmarks/verdict_errors.py errors     all laws, noise levels and designs
python benchmarks/verdict_errors.py advice     results after following "what would decide"
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from ntkbench.analysis.laws import Series, law_of_points
from ntkbench.analysis.verdicts import CURVATURE, GD, JUDGED, WORST, Verdict, judge
from ntkbench.plan.preset import preset
from ntkbench.types import Quantity

DOC = Path(__file__).parents[1] / "docs/laws.md"
DRAWS = 1000
NOISES = (0.03, 0.1, 0.25)
DESIGNS = {name: (preset(name).widths, preset(name).seeds) for name in ("quick", "standard", "board")}
BETWEEN_SEEDS = 0.3
CORRELATION = np.array([[1.0, 0.09, 0.19], [0.09, 1.0, -0.28], [0.19, -0.28, 1.0]])
"""Correlation, within seeds, of the scatter of kernel_change_worst, kernel_change_gd and curvature about their laws:
the mean over the architectures of the board of version 0.1."""

Law = Callable[[np.ndarray, float], np.ndarray]
"""Maps widths and the largest width of the design to values."""


def power(slope: float) -> Law:
    """Return the law c·m^slope."""
    return lambda m, last: m**slope


def floor(share: float, slope: float, p: int = 1) -> Law:
    """Return a law with a floor, a share of the value at the largest width: added (p = 1) or in quadrature (p = 2)."""
    return lambda m, last: ((1 - share**p) * (m / last) ** (p * slope) + share**p) ** (1 / p)


def corrected(b: float, slope: float = -0.5) -> Law:
    """Return the law m^slope·(1 + b·(64/m)^(1/2))."""
    return lambda m, last: m**slope * (1 + b * np.sqrt(64 / m))


def saturated(width: float) -> Law:
    """Return the law of a change that cannot exceed 1: flat at small widths, falling like m^(-1/2) at large ones."""
    return lambda m, last: 1 / (1 + np.sqrt(m / width))


def logarithmic(m: np.ndarray, last: float) -> np.ndarray:
    """Return 1/log m."""
    return 1 / np.log(m)


@frozen
class Case:
    """A simulated case.

    Attributes:
        name: Name in the table.
        laws: Law of all three judged quantities, or one law for each.
        truth: "linear", "non-linear", or "" for neither.
    """

    name: str
    laws: Law | tuple[Law, Law, Law]
    truth: str

    def law(self, place: int) -> Law:
        """Return the law of the judged quantity with this index."""
        return self.laws[place] if isinstance(self.laws, tuple) else self.laws


FALLS = (power(-0.5), power(-1.0), power(-0.5))
CASES = (
    *(Case(f"m^{slope:g}", power(slope), "linear") for slope in (-0.25, -0.333, -0.5, -1.0)),
    Case("worst m^-0.5, gd m^-1", FALLS, "linear"),
    *(Case(f"m^-0.5 (1 + {b:g} (64/m)^0.5)", corrected(b), "linear") for b in (-0.375, -0.125, 0.125, 0.375, 1, 3)),
    *(Case(f"saturated below {width}", saturated(width), "linear") for width in (64, 256)),
    *(
        Case(f"m^{slope:g} + floor {share:.0%}", floor(share, slope), "non-linear" if share >= 0.25 else "")
        for slope in (-0.5, -1.0)
        for share in (0.1, 0.25, 0.5, 0.75)
    ),
    *(
        Case(f"m^-0.5 and floor {share:.0%} in quadrature", floor(share, -0.5, 2), "non-linear")
        for share in (0.5, 0.75)
    ),
    Case("flat", power(0.0), "non-linear"),
    Case("only gd flat", (power(-0.5), power(0.0), power(-0.5)), "non-linear"),
    Case("only gd has a floor of 50%", (power(-0.5), floor(0.5, -1.0), power(-0.5)), "non-linear"),
    Case("only worst has a floor of 50%", (floor(0.5, -0.5), power(-1.0), power(-0.5)), "non-linear"),
    Case("m^-0.1", power(-0.1), ""),
    Case("1/log m", logarithmic, ""),
)
SERIES = Series("simulated", "simulated", {}, (), ())
QUANTITIES = {key: Quantity(key, key, direction="lower") for key in JUDGED}


@frozen
class Data:
    """A simulated dataset of logarithms.

    Attributes:
        case: The case.
        widths: Its widths.
        values: Log values [quantity, seed, width].
        levels: Levels of the seeds [quantity, seed, 1], to which `extended` adds more values.
    """

    case: Case
    widths: tuple[int, ...]
    values: np.ndarray
    levels: np.ndarray

    @classmethod
    def draw(cls, case: Case, widths: Sequence[int], seeds: int, noise: float, random: np.random.Generator) -> Data:
        """Draw a dataset."""
        levels = BETWEEN_SEEDS * random.normal(size=(3, seeds, 1))
        return cls(
            case, tuple(widths), _laws(case, widths) + levels + _noise(seeds, len(widths), noise, random), levels
        )

    def extended(self, more_seeds: int, more_widths: int, noise: float, random: np.random.Generator) -> Data:
        """Return the dataset with more seeds and doubled widths; existing values are kept."""
        last = self.widths[-1]
        widths = (*self.widths, *(last * 2**k for k in range(1, more_widths + 1)))
        seeds = self.values.shape[1] + more_seeds
        levels = np.concatenate([self.levels, BETWEEN_SEEDS * random.normal(size=(3, more_seeds, 1))], 1)
        # The floor is defined as a share of the value at the largest width of the first design.
        values = _laws(self.case, widths, last) + levels + _noise(seeds, len(widths), noise, random)
        values[:, : self.values.shape[1], : len(self.widths)] = self.values
        return Data(self.case, widths, values, levels)

    def verdict(self) -> Verdict:
        """Return the verdict on the dataset."""
        laws = {
            key: law_of_points(
                SERIES,
                key,
                QUANTITIES[key],
                [
                    (width, seed, math.exp(self.values[place, seed, k]), 0.0)
                    for k, width in enumerate(self.widths)
                    for seed in range(self.values.shape[1])
                ],
            )
            for place, key in enumerate((WORST, GD, CURVATURE))
        }
        return judge(SERIES, laws)


def _laws(case: Case, widths: Sequence[int], last: int | None = None) -> np.ndarray:
    m = np.array(widths, float)
    return np.stack([np.log(case.law(place)(m, float(last or widths[-1]))) for place in range(3)])[:, None]


def _noise(seeds: int, widths: int, noise: float, random: np.random.Generator) -> np.ndarray:
    drawn = random.normal(size=(seeds, widths, 3)) @ np.linalg.cholesky(CORRELATION).T
    return noise * np.moveaxis(drawn, -1, 0)


def rates(place: tuple[int, float, str], draws: int) -> Counter[str]:
    """Count the verdicts on draws of one place: index of the case, noise and design."""
    (number, noise, design), case = place, CASES[place[0]]
    widths, seeds = DESIGNS[design]
    random = np.random.default_rng([NOISES.index(noise), list(DESIGNS).index(design), number])
    return Counter(Data.draw(case, widths, seeds, noise, random).verdict().name for _ in range(draws))


def _everywhere(count: Callable[[Any, int], Counter[str]], draws: int) -> dict[tuple[int, float, str], Counter[str]]:
    """Return the counts for every case, noise and design."""
    places = [(number, noise, design) for number in range(len(CASES)) for noise in NOISES for design in DESIGNS]
    with ProcessPoolExecutor() as pool:
        return dict(zip(places, pool.map(count, places, [draws] * len(places)), strict=True))


def errors(draws: int = DRAWS) -> Iterator[str]:
    """Yield the lines of the table of verdicts."""
    found = _everywhere(rates, draws)
    yield f"{draws:,} draws each. Shares in %: linear / falling / non-linear / open.\n"
    yield f"| law | truth | noise | {' | '.join(DESIGNS)} |"
    yield "|---|---|---|" + "---|" * len(DESIGNS)
    for number, case in enumerate(CASES):
        for noise in NOISES:
            cells = []
            for design in DESIGNS:
                counts = found[number, noise, design]
                names = ("linear", "falling", "non-linear", "open")
                cells.append(" / ".join(f"{100 * counts[name] / draws:.1f}" for name in names))
            yield f"| {case.name} | {case.truth or 'neither'} | {noise:g} | {' | '.join(cells)} |"


def follow(place: tuple[int, float, str], draws: int) -> Counter[str]:
    """Count the outcomes of undecided draws after the advised design was added."""
    (number, noise, design), case = place, CASES[place[0]]
    widths, seeds = DESIGNS[design]
    random = np.random.default_rng([7, NOISES.index(noise), list(DESIGNS).index(design), number])
    found: Counter[str] = Counter()
    for _ in range(draws):
        data = Data.draw(case, widths, seeds, noise, random)
        before = data.verdict()
        if before.decided:
            found["decided before"] += 1
        elif before.advice is None or not before.advice.decides:
            found["no advice"] += 1
        else:
            more = data.extended(before.advice.more_seeds, before.advice.more_widths, noise, random)
            after = more.verdict().name
            found["advised"] += 1
            found["decided"] += after in ("linear", "non-linear")
            found["wrong"] += after in ("linear", "non-linear") and bool(case.truth) and after != case.truth
    return found


def advice(draws: int = 15) -> Iterator[str]:
    """Yield the lines of the table of followed advice."""
    found = _everywhere(follow, draws)
    yield f"{draws:,} draws each.\n"
    yield "| law | noise | design | decided at once | no advice | advised | of these decided | of these wrong |"
    yield "|---|---|---|---|---|---|---|---|"
    total: Counter[str] = Counter()
    for (number, noise, design), counts in found.items():
        total += counts
        advised = counts["advised"]
        shares = [f"{counts[name] / advised:.0%}" if advised else "–" for name in ("decided", "wrong")]
        rest = [f"{counts[name] / draws:.0%}" for name in ("decided before", "no advice", "advised")]
        yield f"| {CASES[number].name} | {noise:g} | {design} | {' | '.join([*rest, *shares])} |"
    share = total["decided"] / max(total["advised"], 1)
    yield f"\nOf all {total['advised']:,} draws with advice, following it once decided {share:.1%}."


def main(which: str) -> None:
    """Write one table between its markers in docs/laws.md."""
    if which not in ("errors", "advice"):
        sys.exit(__doc__)
    lines = list(errors() if which == "errors" else advice())
    text = DOC.read_text(encoding="utf-8")
    begin, end = f"<!-- {which}:begin -->", f"<!-- {which}:end -->"
    block = f"{begin}\n" + "\n".join(lines) + f"\n{end}"
    DOC.write_text(re.sub(f"{begin}.*?{end}", lambda _: block, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
