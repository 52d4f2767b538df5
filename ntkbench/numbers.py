"""Format numbers as text, with as many digits as their errors justify."""

from __future__ import annotations

import math
from decimal import Decimal

from .types import Theory

_FRACTIONS = {-0.25: "-¼", -0.333333: "-⅓", -0.5: "-½", -0.75: "-¾", -1.5: "-3/2", 0.5: "½"}


def value(number: float | None, digits: int = 3) -> str:
    """Return a measured value to `digits` significant digits; scientific notation outside 1e-3…1e4, "–" for None."""
    if number is None or not math.isfinite(number):
        return "–"
    if number == 0:
        return "0"
    mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -3 <= power < 4:
        return f"{Decimal(f'{mantissa}e{power}'):f}"
    return f"{mantissa}e{power}"


def exponent(slope: float | None, half_width: float | None = None) -> str:
    """Return a fitted exponent with the half-width of its interval, short and signed: "-.45±.03".

    Both have two decimals, one when the printed half-width is at least 1, and none when it is at least 10. The
    half-width is rounded up, to at least .01.

    Args:
        slope: The fitted exponent; None gives "–".
        half_width: Half the width of its interval; None gives "-.45±?".
    """
    if slope is None:
        return "–"
    if half_width is None:
        return f"{_short(slope, 2, sign=True)}±?"
    decimals = 2 if _rounded_up(half_width, 2) < 1 else 1 if _rounded_up(half_width, 1) < 10 else 0
    return f"{_short(slope, decimals, sign=True)}±{_short(_rounded_up(half_width, decimals), decimals)}"


def slope(number: float) -> str:
    """Return an exponent without an interval, short and signed: "-.45"."""
    return _short(number, 2, sign=True)


def clock(seconds: float) -> str:
    """Return a duration as 0:05, 12:30 or 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def theory_claim(theory: Theory) -> str:
    """Return theory's exponent, with "≤" in front of an upper bound."""
    return f"{'≤' * (theory.kind == 'upper bound')}{theory_exponent(theory.exponent)}"


def theory_exponent(number: float) -> str:
    """Return theory's exponent as a fraction (-⅓, -½, -¾, -3/2, ½) where it is one, otherwise as a decimal."""
    return _FRACTIONS.get(round(number, 6), f"{number + 0.0:.2g}")  # + 0.0 turns -0 into 0


def _rounded_up(half_width: float, decimals: int) -> float:
    # 1e-9: a half-width of .03 stored as .030000000000000002 must not round up to .04.
    return max(math.ceil(half_width * 10**decimals - 1e-9), 1) / 10**decimals


def _short(number: float, decimals: int, sign: bool = False) -> str:
    text = f"{abs(number):.{decimals}f}"
    minus = number < 0 and float(text) != 0
    text = text[1:] if decimals and text.startswith("0.") else text
    return ("-" if minus else "+" if sign else "") + text
