"""Learning rates as functions of the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..errors import NtkbenchError, did_you_mean
from .arguments import number, whole

Schedule = Callable[[int], float]
SCHEDULES = ("constant", "step", "cosine")


def constant(step: int) -> float:
    """Return 1."""
    del step
    return 1.0


def stepwise(milestones: tuple[int, ...], factor: float) -> Schedule:
    """Return the schedule that multiplies the learning rate by `factor` at each of the steps `milestones`."""
    return lambda step: factor ** sum(step >= each for each in milestones)


def cosine(total_steps: int) -> Schedule:
    """Return the schedule that falls from 1 to 0 over `total_steps` along half a period of a cosine, then stays at 0.

    Source: Loshchilov and Hutter 2017 (arXiv 1608.03983), equation 5, without restarts.
    """
    return lambda step: (1 + math.cos(math.pi * min(step / total_steps, 1.0))) / 2


def warmed_up(schedule: Schedule, steps: int) -> Schedule:
    """Return a schedule whose first `steps` rates are multiplied by 1/steps, 2/steps, ..."""
    return lambda step: schedule(step) * min((step + 1) / steps, 1.0) if steps else schedule(step)


def schedule_of(
    name: str, *, milestones: Sequence[int], factor: float, total_steps: int | None, warmup: int
) -> Schedule:
    """Return a schedule by its name.

    Raises:
        NtkbenchError: The name is unknown, or an argument is missing, superfluous or invalid.
    """
    if name not in SCHEDULES:
        raise NtkbenchError(f"Unknown schedule {name!r}. {did_you_mean(str(name), SCHEDULES)}")
    steps = tuple(whole(each, "milestones", 0) for each in milestones)
    given = {"milestones": bool(steps), "total_steps": total_steps is not None}
    for argument, owner in (("milestones", "step"), ("total_steps", "cosine")):
        if given[argument] and name != owner:
            raise NtkbenchError(f"{argument}= applies to schedule={owner!r} only, not to {name!r}; omit it.")
        if name == owner and not given[argument]:
            raise NtkbenchError(f"schedule={owner!r} needs {argument}=.")
    found: Schedule = constant
    if name == "step":
        found = stepwise(steps, number(factor, "factor"))
    elif name == "cosine":
        found = cosine(whole(total_steps, "total_steps", 1))
    return warmed_up(found, whole(warmup, "warmup", 0))
