"""Texts on verdicts that tables, the report and the board share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .. import numbers
from ..analysis.agreement import MARGIN, MARKS
from ..analysis.groups import radius_of
from ..analysis.laws import Law
from ..analysis.letters import LONGEST
from ..analysis.scaling import FLAT
from ..analysis.states import DECIDING_FLOOR, STAYS, State
from ..analysis.verdicts import GD, SLOPE, WORST, Verdict

FLOOR_AND_THEORY = (
    "Floor: where it falls, the largest constant part that is not excluded (97.5 %), as a share of its value at the "
    "largest width, added or in quadrature. Theory: its exponent of kernel_change_worst, ≤ an upper bound; ✓ the "
    f"interval meets it ± {MARGIN} and excludes its rival (0, or for 0 a fall), · it meets both, ✗ it misses theory's."
)
TENTH = 0.1
"""Level of kernel_change_worst whose width `tenth` returns."""
COLUMNS = (
    "Worst, gd: exponents of kernel_change_worst and kernel_change_gd, each ± half its 95 % interval. Last step: the "
    f"exponent of kernel_change_worst between the two largest widths alone. {FLOOR_AND_THEORY}"
)
STANDS_IN = f"κ: of {SLOPE}, where no kernel change was measured."
TIES = (
    "Ties: a paired comparison over common seeds cannot distinguish rows of one verdict that share a letter (5 %, Holm "
    "over the pairs of the verdict). The order within a tie carries no information."
)


def ties(unmarked: int) -> str:
    """Return the explanation of the letters of ties, with the number of tied pairs that they do not show."""
    if not unmarked:
        return TIES
    return f"{TIES} {unmarked} tied pairs share no letter, because a row shows at most {LONGEST} letters."


def meaning(non_linear: str = "non-linear") -> str:
    """Return the explanation of all verdicts. non_linear: the name of that verdict in the table."""
    added, quadrature = DECIDING_FLOOR
    return (
        "Verdict, from kernel_change_worst, kernel_change_gd and curvature (R·hessian_norm/gradient_norm), over the "
        f"widths of the row: linear, both kernel changes are 0 or fall (exponent below -{FLAT}) and floors of "
        f"{added:.0%} of the last value ({quadrature:.0%} in quadrature) are excluded; falling, they fall without "
        f"that; {non_linear}, one of them stays (exponent within ±{FLAT}), levels off or grows; open, anything else."
    )


def name_of(of: Verdict) -> str:
    """Return the name of a verdict's row: the label, and the condition if several rows have this label."""
    return of.series.name


def what_would_decide(undecided: Sequence[Verdict], name: Callable[[Verdict], str] = name_of) -> Iterable[str]:
    """Yield one sentence on what would decide each verdict, grouped by answer; nothing if all are decided."""
    groups: dict[str, list[str]] = {}
    for each in undecided:
        if each.advice is None:
            groups.setdefault(each.what_would_decide(), []).append(name(each))
        else:
            groups.setdefault(each.advice.words(), []).append(f"{name(each)} ({each.advice.power:.0%})")
    if groups:
        ways = "; ".join(f"{words}: {', '.join(names)}" for words, names in groups.items())
        yield f"What would decide (in this share of simulations): {ways}."


def exponent(of: Law | None) -> str:
    """Return the exponent of a law ± half its interval; "0" where every value is 0, "–" without a law."""
    if of is None:
        return "–"
    fit = of.fit
    half = None if fit.low is None or fit.high is None else (fit.high - fit.low) / 2
    return "0" if fit.is_zero else numbers.exponent(fit.slope, half)


def shown_law(of: Verdict) -> Law | None:
    """Return the law of kernel_change_worst, or of kernel_slope where no kernel change was measured."""
    return of.laws.get(WORST, of.laws.get(SLOPE))


def shown_exponent(of: Law | None) -> str:
    """Return the exponent of a law ± half its interval, marked κ if it is that of kernel_slope."""
    return exponent(of) + " κ" * (of is not None and of.key == SLOPE)


def last_step(of: Verdict) -> str:
    """Return the exponent of the shown quantity between the two largest widths, or "" if there is none."""
    state = of.states.get(WORST, of.states.get(SLOPE))
    return "" if state is None or state.last_slope is None else numbers.slope(state.last_slope)


def floor(of: Verdict) -> str:
    """Return the largest floor of kernel_change_worst that is not excluded, if it falls.

    The floor of kernel_change_gd follows if that quantity falls without being known to decay, which prevents the
    verdict "linear". Empty if there is neither.
    """
    worst, gd = of.states.get(WORST), of.states.get(GD)
    texts = [_floor(worst)] if worst is not None and worst.name in ("decays", "falls") else []
    texts += [f"gd {_floor(gd)}"] if gd is not None and gd.name == "falls" else []
    return ", ".join(texts)


def _floor(of: State) -> str:
    return "any" if of.floors is None else of.floors.left


def tenth(of: Verdict) -> str:
    """Return the width at which kernel_change_worst is 0.1 by its law, to two digits; "" without a law that falls.

    It is "any" if the kernel does not move, "<" the smallest or ">" the largest measured width if it lies beyond, since
    a law is known over the measured widths only, and "∞" if kernel_change_worst stays above 0.1.
    """
    law, state = of.laws.get(WORST), of.states.get(WORST)
    if law is None or state is None:
        return ""
    fit = law.fit
    if fit.is_zero:
        return "any"
    if fit.first_value is None or fit.last_value is None or fit.last_width is None:
        return ""
    if state.name in STAYS and fit.last_value > TENTH:
        return "∞"
    if max(fit.first_value, fit.last_value) <= TENTH:
        return f"< {fit.first_width}"
    if fit.slope is None or fit.slope >= 0 or fit.first_width is None:
        return ""
    width = fit.last_width * (TENTH / fit.last_value) ** (1 / fit.slope)
    if width > fit.last_width:
        return f"> {fit.last_width}"
    if width < fit.first_width:
        return f"< {fit.first_width}"
    return f"{float(f'{width:.1e}'):.0f}"


def theory_mark(of: Law | None) -> str:
    """Return theory's claim on a law and whether the law agrees, or "" if there is no claim."""
    return "" if of is None or of.theory is None else f"{numbers.theory_claim(of.theory)} {MARKS[of.agrees]}".rstrip()


def flags(of: Verdict, radius: float | None) -> str:
    """Return the caveats of a row in a few words. radius: the radius of most rows, which is not shown."""
    own = f"R = {radius_of(of.series):g}"
    other = own not in of.series.condition and radius_of(of.series) != radius
    return ", ".join(
        text for text, holds in (("kinks", of.kinked), ("search unsure", of.unsure), (own, other)) if holds
    )  # fmt: skip
