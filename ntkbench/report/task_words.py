"""Sentences on what the errors of trained and linearised networks on a task mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .. import numbers
from ..analysis.feature_learning import LINEARIZED, TRAINED, Gain, gains_of
from ..analysis.laws import Law, Series

GAP = "linearization_gap"


def task_notes(found: Sequence[tuple[Series, Mapping[str, Law]]]) -> Iterable[str]:
    """Yield sentences for a table that shows both test errors: who gains from feature learning, and who becomes linear.

    Args:
        found: Each series with its laws by result key.
    """
    gains = {each.name: gains_of(each) for each, laws in found if {TRAINED, LINEARIZED} <= set(laws)}
    gains = {name: each for name, each in gains.items() if each}
    if gains:
        less, more = _where(gains, -1), _where(gains, 1)
        yield (
            "The network gains from feature learning where test_error < test_error_linearized beyond the 95 % interval "
            f"of their difference, paired over seeds: {less or 'nowhere here'}."
            + (f" The linearised network is better: {more}." if more else "")
        )
    closer = [
        f"{each.name} ({numbers.value(law.fit.first_value)}→{numbers.value(law.fit.last_value)})"
        for each, laws in found
        if (law := laws.get(GAP)) is not None and law.fit.high is not None and law.fit.high < 0
    ]
    if closer:
        yield f"Trained and linearised network come closer with width (linearization_gap falls): {', '.join(closer)}."


def _where(gains: Mapping[str, Sequence[Gain]], sign: int) -> str:
    places = {name: [each for each in found if each.sign == sign] for name, found in gains.items()}
    return "; ".join(
        f"{name} at width {', '.join(f'{each.width} ({each.difference:+.2g} ± {each.half:.1g})' for each in found)}"
        for name, found in places.items()
        if found
    )
