"""Suites: claims with their settings and sources, read from TOML, and the plans that measure what they need."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from attrs import evolve, field, fields, frozen

from ..errors import NtkbenchError, did_you_mean
from ..registry.manager import Registry
from ..types import HEADLINES
from .options import RunOptions, parse_widths
from .plan import Plan, make_plan

Status = Literal["printed", "derived", "measured", "own", "unconfirmed"]
"""Who says it: the source prints it; it follows from the source in a few lines; it was measured before, with other
code; it is our own; or it is remembered and no text confirms it, so that it gates nothing."""
Law = Literal["exponent", "value", "at most", "check", "verdict"]
OF_THE_COMMAND = ("device", "out", "force", "retry")
OPTIONS = tuple(option.name for option in fields(RunOptions) if option.name not in OF_THE_COMMAND)
VERDICTS = ("linear", "falling", "non-linear", "open")


def _texts(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(map(str, given))


def _powers(given: Any) -> Mapping[str, float]:
    return {given: 1.0} if isinstance(given, str) else {str(key): float(power) for key, power in given.items()}


def _numbers(given: Any) -> tuple[float, ...]:
    return (float(given),) if isinstance(given, int | float) else tuple(map(float, given))


@frozen(kw_only=True)
class Claim:
    """One claim: what is measured, in which setting, what is expected, and who says so.

    law: "exponent" of the quantity in width (or in the parameter `against`, or in the "radius"); "value": the mean
    over seeds at the largest width; "at most": every value is at most the upper end of expected; "check": every number
    that the function `check` returns for any of three seeds lies within expected; "verdict": the architecture's
    verdict is among `verdict`.
    quantity: a result key, or {key: power}, a product.   expected: [low, high].
    excludes: rival values that the interval must not meet for the claim to hold.
    arch: one SPEC or several.   over: a SPEC; each value is divided by this architecture's at the same width and seed,
    so that the exponent is a difference of exponents and the value a mean ratio.
    check: a function "module:function" of a seed that stands in for arch and quantity: it returns numbers, whose mean
    counts as the seed's value, or {x: number} for an exponent in x.
    radius: of the ball, one or several.   The others are run options.
    """

    id: str
    says: str
    source: str
    status: Status
    law: Law
    expected: tuple[float, ...] = field(default=(), converter=_numbers)
    verdict: tuple[str, ...] = field(default=(), converter=_texts)
    excludes: tuple[float, ...] = field(default=(), converter=_numbers)
    quantity: Mapping[str, float] = field(factory=dict, converter=_powers)
    arch: tuple[str, ...] = field(default=(), converter=_texts)
    over: str = ""
    against: str = "width"
    check: str = ""
    widths: tuple[int, ...] | None = field(default=None, converter=parse_widths)
    seeds: int = 3
    probes: int = 8
    radius: tuple[float, ...] = field(default=(), converter=_numbers)
    precision: str = "float32"
    explained: str = ""

    def __attrs_post_init__(self) -> None:
        for name, kinds in (("status", Status), ("law", Law)):
            word = getattr(self, name)
            if word not in get_args(kinds):
                raise NtkbenchError(f"{name} is {word!r}. {did_you_mean(str(word), get_args(kinds))}")
        if self.law == "verdict":
            if not self.arch or not self.verdict or self.check or self.quantity or self.expected:
                raise NtkbenchError('law = "verdict" takes an arch and a verdict, and no quantity, check or expected.')
            for word in self.verdict:
                if word not in VERDICTS:
                    raise NtkbenchError(f"verdict is {word!r}. {did_you_mean(word, VERDICTS)}")
            return
        if len(self.expected) != 2 or self.expected[0] > self.expected[1]:
            raise NtkbenchError(f"expected is {list(self.expected)}; write [low, high].")
        if bool(self.check) == bool(self.quantity and self.arch) or (self.law == "check" and not self.check):
            raise NtkbenchError('a claim names an arch and a quantity, or a check, and law = "check" needs a check.')

    @property
    def measured(self) -> tuple[str, ...]:
        """The quantities that it rests on."""
        return HEADLINES if self.law == "verdict" else tuple(self.quantity)

    @property
    def settings(self) -> list[tuple[Any, ...]]:
        """What it is measured in, one plan for each; claims of one setting share its plan."""
        arch = (*self.arch, self.over) if self.over else self.arch
        sizes = (arch, self.widths, self.seeds, self.probes, self.precision)
        return [(*sizes, radius) for radius in self.radius or (None,)]


@frozen
class Suite:
    """A named list of claims, or one run without any.

    options: of the run, for a suite without claims.
    curves: a function "module:function" without arguments that returns the `Panel`s kept with a run; empty for none.
    """

    name: str
    summary: str
    claims: tuple[Claim, ...]
    curves: str = ""
    options: RunOptions | None = None


def load_suite(given: str, registry: Registry) -> Suite:
    """Return the suite of a registered name or of a FILE.toml; raise NtkbenchError with a sentence otherwise.

    A registered target is a path to a TOML file, or a function that returns what such a file would hold: claims, or
    the options of one run.
    """
    if given.endswith(".toml"):
        return _read(Path(given))
    target = registry.get("suites", given).load() if given in registry.suites else registry.get("suites", given)
    found = target() if callable(target) else target
    return _suite(found, given) if isinstance(found, Mapping) else _read(Path(str(found)))


def _read(path: Path) -> Suite:
    try:
        return _suite(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise NtkbenchError(f"There is no suite file {path}. Give a registered suite's name or a .toml file.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NtkbenchError(f"The suite {path} cannot be read: {error}.") from None


def _suite(found: Mapping[str, Any], source: str) -> Suite:
    if "arch" in found or "measure" in found:
        return _of_options(found, source)
    defaults, claims = found.get("defaults", {}), found.get("claim", [])
    if not isinstance(claims, list) or not claims:
        raise NtkbenchError(
            f"The suite {source} has no claims; write them as [[claim]], or write the options of a run, such as "
            'arch = ["fc"].'
        )
    known = [attribute.name for attribute in fields(Claim)]
    read = []
    for number, words in enumerate(claims, 1):
        name = f"claim {number} ({words.get('id', 'without an id')}) of the suite {source}"
        for word in (*defaults, *words):
            if word not in known:
                raise NtkbenchError(f"In {name}, {word!r} is unknown. {did_you_mean(word, known)}")
        try:
            read.append(Claim(**{**defaults, **words}))
        except (TypeError, ValueError) as error:
            raise NtkbenchError(f"In {name}: {str(error).replace('Claim.__init__() ', '')}.") from None
        except NtkbenchError as error:
            raise NtkbenchError(f"In {name}: {error}") from None
    ids = [claim.id for claim in read]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise NtkbenchError(f"The suite {source} has two claims {twice[0]!r}; each id once, please.")
    return Suite(
        str(found.get("name", source)), str(found.get("summary", "")), tuple(read), str(found.get("curves", ""))
    )


def _of_options(found: Mapping[str, Any], source: str) -> Suite:
    given = {word: value for word, value in found.items() if word not in ("name", "summary")}
    for word in given:
        if word in OF_THE_COMMAND:
            raise NtkbenchError(f"The suite {source} sets {word!r}, which the command that runs it does. Leave it out.")
        if word not in OPTIONS:
            raise NtkbenchError(f"In the suite {source}, {word!r} is unknown. {did_you_mean(word, OPTIONS)}")
    try:
        options = RunOptions(**given)
    except (TypeError, ValueError) as error:
        raise NtkbenchError(f"In the suite {source}: {error}.") from None
    except NtkbenchError as error:
        raise NtkbenchError(f"In the suite {source}: {error}") from None
    return Suite(str(found.get("name", source)), str(found.get("summary", "")), (), options=options)


def plans(
    suite: Suite, registry: Registry, *, device: str = "auto", out: str | None = None
) -> list[tuple[Plan, list[Claim]]]:
    """Return what has to be measured: one plan for each setting, with the claims that rest on it."""
    if suite.options is not None:
        return [(make_plan(evolve(suite.options, device=device, out=out), registry), [])]
    settings: dict[tuple[Any, ...], list[Claim]] = {}
    for claim in suite.claims:
        if not claim.check:
            for setting in claim.settings:
                settings.setdefault(setting, []).append(claim)
    planned = [
        (make_plan(_options(setting, claims, device, out), registry), claims) for setting, claims in settings.items()
    ]
    for plan, claims in planned:
        labels = [request.label for request in plan.requests]
        for claim in claims:
            if claim.over and claim.over not in labels:
                raise NtkbenchError(f"Claim {claim.id!r}: write over = {labels[-1]!r}, as tables do, or another label.")
    return planned


def _options(setting: tuple[Any, ...], claims: Sequence[Claim], device: str, out: str | None) -> RunOptions:
    arch, widths, seeds, probes, precision, radius = setting
    return RunOptions(
        arch=arch,
        widths=widths,
        seeds=seeds,
        probes=probes,
        radius=radius,
        precision=precision,
        measure=tuple(sorted({key for claim in claims for key in claim.measured})),
        device=device,
        out=out,
    )
