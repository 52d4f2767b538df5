"""Suites: claims with their settings and sources, read from TOML, and the plans that measure what they need."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from attrs import field, fields, frozen

from ..errors import NtkbenchError, did_you_mean
from ..registry.manager import Registry
from .options import RunOptions, parse_widths
from .plan import Plan, make_plan

Status = Literal["printed", "derived", "measured", "own", "unconfirmed"]
"""Who says it: the source prints it; it follows from the source in a few lines; it was measured before, with other
code; it is our own; or it is remembered and no text confirms it, so that it gates nothing."""
Law = Literal["exponent", "value", "at most", "check"]


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
    that the function `check` ("module:function", called with a seed) returns.
    quantity: a result key, or {key: power}, a product.   expected: [low, high].
    excludes: rival values that the interval must not meet for the claim to hold.
    arch: one SPEC or several.   radius: of the ball, one or several.   The others are run options.
    """

    id: str
    says: str
    source: str
    status: Status
    law: Law
    expected: tuple[float, ...] = field(converter=_numbers)
    excludes: tuple[float, ...] = field(default=(), converter=_numbers)
    quantity: Mapping[str, float] = field(factory=dict, converter=_powers)
    arch: tuple[str, ...] = field(default=(), converter=_texts)
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
        if len(self.expected) != 2 or self.expected[0] > self.expected[1]:
            raise NtkbenchError(f"expected is {list(self.expected)}; write [low, high].")
        if (self.law == "check") != bool(self.check) or (self.law != "check") != bool(self.quantity and self.arch):
            raise NtkbenchError('a claim names an arch and a quantity, or law = "check" and a check.')

    @property
    def settings(self) -> list[tuple[Any, ...]]:
        """What it is measured in, one plan for each; claims of one setting share its plan."""
        sizes = (self.arch, self.widths, self.seeds, self.probes, self.precision)
        return [(*sizes, radius) for radius in self.radius or (None,)]


@frozen
class Suite:
    """A named list of claims."""

    name: str
    summary: str
    claims: tuple[Claim, ...]


def load_suite(given: str, registry: Registry) -> Suite:
    """Return the suite of a registered name or of a FILE.toml; raise NtkbenchError with a sentence otherwise.

    A registered target is a path to a TOML file, or a function that returns what such a file would hold.
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
    defaults, claims = found.get("defaults", {}), found.get("claim", [])
    if not isinstance(claims, list) or not claims:
        raise NtkbenchError(f"The suite {source} has no claims; write them as [[claim]].")
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
    return Suite(str(found.get("name", source)), str(found.get("summary", "")), tuple(read))


def plans(
    suite: Suite, registry: Registry, *, device: str = "auto", out: str | None = None
) -> list[tuple[Plan, list[Claim]]]:
    """Return what has to be measured: one plan for each setting, with the claims that rest on it."""
    settings: dict[tuple[Any, ...], list[Claim]] = {}
    for claim in suite.claims:
        if claim.law != "check":
            for setting in claim.settings:
                settings.setdefault(setting, []).append(claim)
    return [
        (make_plan(_options(setting, claims, device, out), registry), claims) for setting, claims in settings.items()
    ]


def _options(setting: tuple[Any, ...], claims: Sequence[Claim], device: str, out: str | None) -> RunOptions:
    arch, widths, seeds, probes, precision, radius = setting
    return RunOptions(
        arch=arch,
        widths=widths,
        seeds=seeds,
        probes=probes,
        radius=radius,
        precision=precision,
        measure=tuple(sorted({key for claim in claims for key in claim.quantity})),
        device=device,
        out=out,
    )
