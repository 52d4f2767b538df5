"""Judge architectures: linear, falling, non-linear or open, with the reason and the design that would decide."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from .. import numbers
from ..store.manifest import Catalogue
from ..types import KINKED, UNSURE, CellResult, Quantity, Theory
from .advice import Advice, Measured, what_would_decide
from .laws import Law, Series, law, law_of_points, result_keys, series
from .scaling import CONFIDENCE, FLAT, Fit
from .states import DECIDING_FLOOR, STATES, STAYS, State, StateName, state_of

if TYPE_CHECKING:
    import pandas

Name = Literal["linear", "falling", "non-linear", "open"]
NAMES: tuple[Name, ...] = ("linear", "falling", "non-linear", "open")

WORST, GD, CURVATURE = "kernel_change_worst", "kernel_change_gd", "curvature"
JUDGED = (WORST, GD, CURVATURE)
"""The quantities that every verdict rests on. All three are relative changes, so scaling a network's output changes
none of them."""
SLOPE = "kernel_slope"
"""Stands in for the two kernel changes where neither was measured: the limit of small R, along one direction."""
SMALL_CHANGE = 0.5
"""Largest R·kernel_slope at which the limit of small R tells something about a ball of radius R."""
CONTROL = "gradient_norm"
RADIUS_OF_CURVATURE = Quantity(
    CURVATURE, "R‖H‖/‖∇f‖", direction="lower", summary="relative change of the gradient at distance R, by its curvature"
)

_GOOD: tuple[StateName, ...] = ("zero", "decays")
_FALLING: tuple[StateName, ...] = (*_GOOD, "falls")


@frozen
class Verdict:
    """The verdict on one series.

    The names of the verdicts are:

    - "linear": kernel_change_worst and kernel_change_gd are 0 or decay, curvature does not contradict them, and the
      worst-direction search passed its check.
    - "falling": both fall, but a floor is not excluded.
    - "non-linear": one of the two is flat, levels off or grows.
    - "open": anything else, including runs that did not measure one of the two.

    Where neither of the two was measured, kernel_slope stands in for both. If it stays, the kernel moves at the
    smallest distances already, and the network is non-linear. If it falls, the network is "falling" at most, because
    gradient descent may move further and further, and only if it sees what happens within R: kink_share was measured
    and shows no kinks, and R·kernel_slope is at most SMALL_CHANGE at the largest width.

    Attributes:
        series: The series.
        name: Name of the verdict.
        reason: One sentence with the numbers and widths that the verdict rests on.
        laws: Laws of the judged quantities that were measured, by key; "curvature" is R·hessian_norm/gradient_norm.
        states: States of these quantities, by key.
        kinked: Whether the network has kinks, which makes its curvature meaningless.
        unsure: Widths at which a longer worst-direction search finds a larger change.
        remarks: Sentences with caveats.
        missing: Quantities that must be measured before the verdict can be decided.
        theory: The verdict that theory's exponents imply, or None.
        confidence: Two-sided confidence of the intervals that the states rest on.
    """

    series: Series
    name: Name
    reason: str
    laws: Mapping[str, Law]
    states: Mapping[str, State]
    kinked: bool = False
    unsure: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    theory: Name | None = None
    confidence: float = CONFIDENCE

    @property
    def decided(self) -> bool:
        """Whether the verdict is final: "linear" or "non-linear"."""
        return self.name in ("linear", "non-linear")

    @property
    def law(self) -> Law:
        """The law of the first judged quantity that was measured."""
        return next(iter(self.laws.values()))

    @property
    def state(self) -> State:
        """The state of the first judged quantity that was measured."""
        return next(iter(self.states.values()))

    @functools.cached_property
    def advice(self) -> Advice | None:
        """The cheapest larger design that would decide the verdict; None if it is decided or cannot be simulated."""
        if self.decided or self.missing or any(self._cannot_be_simulated(key) for key in (WORST, GD, SLOPE)):
            return None
        scale = _scale(self.laws)
        measured = {
            key: Measured(state.evidence, scale if key == GD else 1.0)
            for key, state in self.states.items()
            if state.evidence is not None
        }

        def decided(codes: Mapping[str, Any]) -> Any:
            import numpy as np

            found = _joint(_codes(self.states) | dict(codes), self.kinked, bool(self.unsure))
            return np.isin(found, [NAMES.index("linear"), NAMES.index("non-linear")])

        return what_would_decide(measured, decided, self.confidence)

    def _cannot_be_simulated(self, key: str) -> bool:
        """Return whether a kernel change stays open whatever is added, such as one with some values at rounding."""
        state = self.states.get(key)
        return state is not None and state.name == "open" and state.evidence is None

    def what_would_decide(self) -> str:
        """Return in words what would decide the verdict; empty if it is decided."""
        if self.decided:
            return ""
        if self.missing:
            return f"measure {' and '.join(self.missing)}"
        if self.advice is None:
            return "nothing that can be simulated from these values"
        return f"{self.advice.words()} (decides in {self.advice.power:.0%} of simulations)"


def verdicts(
    results: Sequence[CellResult],
    catalogue: Catalogue,
    theory: Mapping[str, Mapping[str, Theory]],
    confidence: float = CONFIDENCE,
) -> list[Verdict]:
    """Return the verdict on each series with a judged quantity, in the order of the series.

    Args:
        results: Results of a run.
        catalogue: Declared quantities by measurement.
        theory: Theory's claims by label and quantity.
        confidence: Two-sided confidence of the intervals that states rest on; a one-sided statement has half of the
            remaining error rate.
    """
    results = list(results)
    return verdicts_of(series(results), result_keys(results, catalogue), theory, confidence)


def verdicts_of(
    all_series: Iterable[Series],
    keys: Mapping[str, Quantity],
    theory: Mapping[str, Mapping[str, Theory]],
    confidence: float = CONFIDENCE,
) -> list[Verdict]:
    """Return the verdicts on series, like `verdicts`. keys: the `result_keys` of all results."""
    return [each for one in all_series if (each := verdict(one, keys, theory, confidence)) is not None]


def verdict(
    of: Series,
    keys: Mapping[str, Quantity],
    theory: Mapping[str, Mapping[str, Theory]],
    confidence: float = CONFIDENCE,
) -> Verdict | None:
    """Return the verdict on one series, or None if no judged quantity was measured."""
    judged = [key for key in (WORST, GD) if key in of.by_key] or [key for key in (SLOPE,) if key in of.by_key]
    laws = {key: law(of, key, keys[key], theory) for key in judged}
    curvature = curvature_points(of)
    if curvature:
        laws[CURVATURE] = law_of_points(of, CURVATURE, RADIUS_OF_CURVATURE, curvature)
    laws = {key: each for key, each in laws.items() if each.points}
    if not laws:
        return None
    control = law(of, CONTROL, keys[CONTROL], theory) if CONTROL in of.by_key else None
    share = _typical(of, "kink_share")
    kinked = (share or 0.0) > KINKED
    slope = laws[SLOPE].fit.last_value if SLOPE in laws else None
    sees = share is not None and not kinked and slope is not None and _radius(of) * slope <= SMALL_CHANGE
    return judge(of, laws, control=control, kinked=kinked, slope_sees=sees, unsure=_unsure(of), confidence=confidence)


def judge(
    of: Series,
    laws: Mapping[str, Law],
    *,
    control: Law | None = None,
    kinked: bool = False,
    slope_sees: bool = False,
    unsure: tuple[int, ...] = (),
    confidence: float = CONFIDENCE,
) -> Verdict:
    """Derive the verdict on a series from the laws of its judged quantities.

    Args:
        of: The series.
        laws: Laws of the judged quantities, by key.
        control: Law of gradient_norm, for remarks.
        kinked: As in `Verdict`.
        slope_sees: Whether a kernel_slope that falls tells something about the ball; see `Verdict`.
        unsure: As in `Verdict`.
        confidence: As in `Verdict`.
    """
    scale = _scale(laws)
    states = {
        key: state_of(each.fit, each.positive, confidence, scale if key == GD else 1.0) for key, each in laws.items()
    }

    name = NAMES[int(_joint(_codes(states), kinked, bool(unsure), slope_sees)[0])]
    missing = tuple(key for key in (WORST, GD) if key not in laws) if name in ("open", "falling") else ()
    return Verdict(
        series=of,
        name=name,
        reason=_reason(name, laws, states, unsure, missing),
        laws=laws,
        states=states,
        kinked=kinked,
        unsure=unsure,
        remarks=tuple(_remarks(control, kinked, unsure)),
        missing=missing,
        theory=_of_theory(laws),
        confidence=confidence,
    )


def _codes(states: Mapping[str, State]) -> dict[str, Any]:
    import numpy as np

    return {key: np.array([STATES.index(state.name)]) for key, state in states.items()}


def _joint(codes: Mapping[str, Any], kinked: bool, unsure: bool, slope_sees: bool = False) -> Any:
    """Return the verdicts that follow from states, as indices into NAMES.

    Args:
        codes: Indices into STATES [D] or [1].
        kinked: As in `Verdict`.
        unsure: Whether any search is unsure.
        slope_sees: As in `judge`.
    """
    import numpy as np

    def among(key: str, names: Sequence[StateName]) -> Any:
        return np.isin(codes[key], [STATES.index(name) for name in names]) if key in codes else np.zeros(1, bool)

    contradicted = among(CURVATURE, STAYS) & (not kinked)
    slope_falls = among(SLOPE, _FALLING) & slope_sees
    falling = (among(WORST, _FALLING) & among(GD, _FALLING) | slope_falls) & ~contradicted
    linear = falling & among(WORST, _GOOD) & among(GD, _GOOD) & (not unsure)
    name = np.where(falling, NAMES.index("falling"), NAMES.index("open"))
    name = np.where(linear, NAMES.index("linear"), name)
    return np.where(among(WORST, STAYS) | among(GD, STAYS) | among(SLOPE, STAYS), NAMES.index("non-linear"), name)


def curvature_points(of: Series) -> list[tuple[int, int, float | None, float]]:
    """Return the points of R·hessian_norm/gradient_norm of a series: width, seed, value and rounding level."""
    norms = {(int(each.cell.width), each.cell.seed): each for each in of.by_key.get("hessian_norm", ())}
    gradients = {(int(each.cell.width), each.cell.seed): each for each in of.by_key.get(CONTROL, ())}
    found: list[tuple[int, int, float | None, float]] = []
    radius = _radius(of)
    for place in sorted(norms.keys() & gradients.keys()):
        norm, gradient = norms[place].values.get("hessian_norm"), gradients[place].values.get(CONTROL)
        value = None
        if norm is not None and gradient is not None and norm.value is not None and gradient.value:
            value = radius * norm.value / gradient.value
        found.append((*place, value, 0.0))
    return found


def _radius(of: Series) -> float:
    """Return the radius of a series, not of the Hessian's cells, which series at several radii share."""
    return float((of.by_key.get(WORST) or of.results)[0].cell.settings.get("radius", 1.0))


def _scale(laws: Mapping[str, Law]) -> float:
    """Return the last value of kernel_change_worst divided by that of kernel_change_gd, at least 1.

    Floors of kernel_change_gd are compared with the change in the ball: a floor that is small relative to that change
    would not be detected in the ball either.
    """
    worst, gd = (laws[key].fit.last_value if key in laws else None for key in (WORST, GD))
    return max(worst / gd, 1.0) if worst and gd and worst > 0 and gd > 0 else 1.0


def _typical(of: Series, key: str) -> float | None:
    values = [value.value for each in of.by_key.get(key, ()) if (value := each.values.get(key)) is not None]
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _unsure(of: Series) -> tuple[int, ...]:
    """Return the widths whose search_gain exceeds UNSURE as the mean over seeds, in which rare failures count too."""
    gains: dict[int, list[float]] = {}
    for each in of.by_key.get("search_gain", ()):
        value = each.values.get("search_gain")
        if value is not None:  # the gain has no number if one of the two searches found nothing
            gains.setdefault(int(each.cell.width), []).append(math.inf if value.value is None else value.value)
    return tuple(width for width, found in sorted(gains.items()) if fmean(found) > UNSURE)


def _reason(
    name: Name,
    laws: Mapping[str, Law],
    states: Mapping[str, State],
    unsure: Sequence[int],
    missing: Sequence[str],
) -> str:
    judged = {key: states[key] for key in (WORST, GD, SLOPE) if key in states}
    curvature = states.get(CURVATURE)
    if name == "non-linear":
        bad = [key for key, state in judged.items() if state.name in STAYS]
        return "; ".join(_stays(key, laws[key].fit, states[key]) for key in bad)
    if missing:
        there = [_falls(key, laws[key].fit, state) for key, state in judged.items()]
        if name == "open" and curvature is not None and curvature.name in STAYS:
            there.append(_stays(CURVATURE, laws[CURVATURE].fit, curvature))
        return "; ".join([*there, f"{' and '.join(missing)} not measured"])
    falls = [_falls(key, laws[key].fit, state) for key, state in judged.items()]
    if name == "linear":
        if any(state.name != "zero" for state in judged.values()):
            added, quadrature = DECIDING_FLOOR
            falls.append(
                f"added floors of {added:.0%} of the last value and {quadrature:.0%} in quadrature are excluded"
            )
        return "; ".join(falls)
    if name == "falling":
        falls += [
            f"a floor of up to {state.floors.left} of the last {key} is not excluded"
            if state.floors is not None
            else f"too few widths to exclude a floor of {key}"
            for key, state in judged.items()
            if state.name == "falls"
        ]
        if unsure and all(state.name != "falls" for state in judged.values()):
            falls.append(f"a longer search of the worst direction finds more at {_listed(unsure)}")
        return "; ".join(falls)
    unclear = {key: state for key, state in judged.items() if state.name == "open"}
    if not unclear and curvature is not None:
        return f"the kernel's change falls, but {_stays(CURVATURE, laws[CURVATURE].fit, curvature)}"
    return _unclear({key: (laws[key].fit, state) for key, state in unclear.items()})


def _falls(key: str, fit: Fit, state: State) -> str:
    if state.name == "zero":
        return f"{key} is 0 at every width ({fit.note})"
    if state.name == "open":
        return _unclear({key: (fit, state)})
    if state.name in STAYS:
        return _stays(key, fit, state)
    return f"{key} falls as m^{_exponent(state)} over {_range(state.from_width, fit.last_width)}"


def _stays(key: str, fit: Fit, state: State) -> str:
    where = _range(state.from_width, fit.last_width)
    if state.name in ("flat", "grows"):
        verb = "stays at" if state.name == "flat" else "grows to"
        return f"{key} {verb} {fit.last_value:.2g} over {where} (exponent {_exponent(state)})"
    assert state.floors is not None
    return f"{key} levels off: {state.floors.makes_up(f'its value at width {fit.last_width}')}"


def _unclear(of: Mapping[str, tuple[Fit, State]]) -> str:
    wide = [f"of {key}, {_exponent(state)}," for key, (_, state) in of.items() if _has_interval(state)]
    plural = len(wide) > 1
    parts = [f"the exponent{'s' * plural} {' and '.join(wide)} {'are' if plural else 'is'} unclear"] if wide else []
    parts += [
        f"{key} has no exponent ({fit.note or 'too few values for an interval'})"
        for key, (fit, state) in of.items()
        if not _has_interval(state)
    ]
    return " and ".join(parts)


def _has_interval(state: State) -> bool:
    return state.low is not None and state.high is not None


def _exponent(state: State) -> str:
    if state.slope is None or state.low is None or state.high is None:
        return "?"
    return numbers.exponent(state.slope, (state.high - state.low) / 2)


def _range(first: int | None, last: int | None) -> str:
    return f"{first}…{last}"


def _listed(widths: Sequence[int]) -> str:
    return f"width{'s' * (len(widths) > 1)} {', '.join(map(str, widths))}"


def _remarks(control: Law | None, kinked: bool, unsure: Sequence[int]) -> Iterable[str]:
    if kinked:
        yield "has kinks, where second derivatives are blind, so its Hessian is not judged"
    if unsure:
        yield f"kernel_change_worst is a lower bound: its search has not converged at {_listed(unsure)}"
    fit = None if control is None else control.fit
    if fit is not None and fit.low is not None and fit.high is not None:
        if fit.high < -FLAT:
            yield f"{CONTROL} falls with width too, so a falling hessian_norm alone means nothing"
        elif fit.low > FLAT:
            yield f"{CONTROL} grows with width; the judged quantities are relative to it"


def _of_theory(laws: Mapping[str, Law]) -> Name | None:
    claims = [each.theory.exponent for key in (WORST, GD, SLOPE) if (each := laws.get(key)) is not None and each.theory]
    if any(exponent >= -FLAT for exponent in claims):
        return "non-linear"
    return "linear" if claims else None


def record(of: Verdict) -> dict[str, Any]:
    """Return a verdict as plain JSON, as shown in the table, the report and the leaderboard."""
    return {
        "architecture": of.series.architecture,
        "label": of.series.label,
        "condition": " ".join(of.series.condition),
        "verdict": of.name,
        "reason": of.reason,
        "widths": of.series.widths,
        "quantities": {key: _of_quantity(of.laws[key], state) for key, state in of.states.items()},
        "kinked": of.kinked,
        "unsure": list(of.unsure),
        "remarks": list(of.remarks),
        "theory": of.theory,
        "what_would_decide": of.what_would_decide(),
        "more_seeds": of.advice.more_seeds if of.advice else None,
        "more_widths": of.advice.more_widths if of.advice else None,
    }


def _of_quantity(law: Law, state: State) -> dict[str, Any]:
    fit, claim = law.fit, law.theory
    return {
        "state": state.name,
        "from_width": state.from_width,
        "slope": state.slope,
        "low": state.low,
        "high": state.high,
        "last_slope": state.last_slope,
        "first_value": fit.first_value,
        "last_value": fit.last_value,
        "floor": None if state.floors is None else state.floors.share,
        "floor_low": None if state.floors is None else state.floors.low,
        "floor_high": None if state.floors is None else state.floors.high,
        "theory": None if claim is None else claim.exponent,
        "source": "" if claim is None else claim.source,
        "agrees": law.agrees,
    }


def verdicts_frame(found: Sequence[Verdict]) -> pandas.DataFrame:
    """Return verdicts as a DataFrame, one row for each series.

    Columns of a judged quantity begin with its name: kernel_change_worst_state, kernel_change_worst_slope, ….
    """
    import pandas

    rows = []
    for each in found:
        row = record(each)
        quantities = row.pop("quantities")
        rows.append(row | {f"{key}_{name}": value for key, own in quantities.items() for name, value in own.items()})
    return pandas.DataFrame(rows)
