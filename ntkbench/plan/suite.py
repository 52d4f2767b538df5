"""Suites: read claims with their settings and sources from TOML, and plan the runs that test them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from attrs import evolve, field, fields, frozen

from ..errors import NtkbenchError, did_you_mean
from ..reading import read_regular
from ..registry.manager import Registry
from ..types import HEADLINES
from .options import RunOptions, parse_widths
from .plan import Plan, make_plan
from .questions import Control, Question, controls_of, questions_of

Status = Literal["printed", "derived", "measured", "own", "unconfirmed"]
"""Where a claim comes from. printed: the source states it. derived: it follows from the source in a few lines.
measured: it was measured before, with other code. own: ntkbench makes it. unconfirmed: recalled without a text that
confirms it; it is reported, but no check depends on it."""
Law = Literal["exponent", "value", "at most", "check", "verdict"]
OF_THE_COMMAND = ("device", "out", "force", "retry")
OPTIONS = tuple(option.name for option in fields(RunOptions) if option.name not in OF_THE_COMMAND)
ABOUT = ("name", "summary", "compare", "order", "source", "question", "control")
"""What a suite of one run may say beside its options; see `Suite`."""
OF_CLAIMS = ("name", "summary", "curves", "defaults", "claim")
"""The keys of a suite of claims."""
VERDICTS = ("linear", "falling", "non-linear", "open")


def _texts(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(map(str, given))


def _powers(given: Any) -> Mapping[str, float]:
    return {given: 1.0} if isinstance(given, str) else {str(key): float(power) for key, power in given.items()}


def _numbers(given: Any) -> tuple[float, ...]:
    return (float(given),) if isinstance(given, int | float) else tuple(map(float, given))


@frozen(kw_only=True)
class Claim:
    """One testable claim: the quantity, the setting, the expected result and the source.

    Attributes:
        id: Unique name within the suite.
        says: The claim as a sentence.
        source: Where the claim is stated.
        status: How well the source supports it, see `Status`.
        law: What is tested. "exponent": the exponent of the quantity in width, in the parameter `against` or in the
            "radius". "value": the mean over seeds at the largest width. "at most": every value is at most the upper
            end of `expected`. "check": every number that the function `check` returns for three seeds lies within
            `expected`. "verdict": the verdict of the architecture is one of `verdict`.
        expected: [low, high].
        verdict: The accepted verdicts, for the law "verdict".
        excludes: Competing values; the claim holds only if the interval contains none of them.
        quantity: A result key, or {key: power} for a product of powers.
        arch: One SPEC or several.
        over: A SPEC. Each value is divided by the value of this architecture at the same width and seed, so the
            exponent is a difference of exponents and the value is a mean ratio.
        against: "width", a parameter or "radius", for the law "exponent".
        check: A function "module:function" of a seed, instead of `arch` and `quantity`. It returns numbers, whose mean
            is the value of the seed, or {x: number} for an exponent in x.
        widths: As the run option.
        seeds: As the run option.
        probes: As the run option.
        radius: One radius of the ball or several.
        precision: As the run option.
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
                raise NtkbenchError(f"unknown {name} {word!r}. {did_you_mean(str(word), get_args(kinds))}")
        if self.law == "verdict":
            if not self.arch or not self.verdict or self.check or self.quantity or self.expected:
                raise NtkbenchError(
                    'law = "verdict" needs an arch and a verdict, and allows no quantity, check or expected.'
                )
            for word in self.verdict:
                if word not in VERDICTS:
                    raise NtkbenchError(f"unknown verdict {word!r}. {did_you_mean(word, VERDICTS)}")
            return
        if len(self.expected) != 2 or self.expected[0] > self.expected[1]:
            raise NtkbenchError(f"expected is {list(self.expected)}; it must be [low, high].")
        if bool(self.check) == bool(self.quantity and self.arch) or (self.law == "check" and not self.check):
            raise NtkbenchError('a claim needs an arch and a quantity, or a check; law = "check" needs a check.')

    @property
    def measured(self) -> tuple[str, ...]:
        """The result keys that the claim needs."""
        return HEADLINES if self.law == "verdict" else tuple(self.quantity)

    @property
    def settings(self) -> list[tuple[Any, ...]]:
        """The settings in which the claim is measured, one plan each; claims with equal settings share a plan."""
        arch = (*self.arch, self.over) if self.over else self.arch
        sizes = (arch, self.widths, self.seeds, self.probes, self.precision)
        return [(*sizes, radius) for radius in self.radius or (None,)]


@frozen
class Suite:
    """A named list of claims, or one run without claims.

    Attributes:
        name: Name of the suite.
        summary: One sentence about it.
        claims: The claims; empty for a suite that is one run.
        curves: A function "module:function" without arguments that returns the `Panel`s stored with the run; empty
            for none.
        options: Options of the run, for a suite without claims.
        compare: Quantity of the run by which methods are compared over datasets; empty for the standard table.
        order: Labels of the methods in the order of the source, the best one first.
        source: The source of this order.
        questions: Questions that the run answers; see `ntkbench answers`.
        controls: Architectures whose results are known, without which no answer counts.
    """

    name: str
    summary: str
    claims: tuple[Claim, ...]
    curves: str = ""
    options: RunOptions | None = None
    compare: str = ""
    order: tuple[str, ...] = ()
    source: str = ""
    questions: tuple[Question, ...] = ()
    controls: tuple[Control, ...] = ()


def load_suite(given: str, registry: Registry) -> Suite:
    """Return a registered suite, or the suite in a TOML file.

    The target of a registered suite is the path of a TOML file, or a function that returns the content of one: claims,
    or the options of one run.

    Args:
        given: Registered name or FILE.toml.
        registry: The registered suites.

    Raises:
        NtkbenchError: The name is unknown, or the suite is not valid.
    """
    if given.endswith(".toml"):
        return _read(Path(given))
    target = registry.get("suites", given).load() if given in registry.suites else registry.get("suites", given)
    found = target() if callable(target) else target
    return _suite(found, given) if isinstance(found, Mapping) else _read(Path(str(found)))


def _read(path: Path) -> Suite:
    try:
        return _suite(tomllib.loads(read_regular(path).decode("utf-8")), str(path))
    except FileNotFoundError:
        raise NtkbenchError(
            f"The suite file {path} does not exist. Use the name of a registered suite or a .toml file."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NtkbenchError(f"The suite {path} could not be read: {error}.") from None


def _suite(found: Mapping[str, Any], source: str) -> Suite:
    if "claim" not in found and any(word in (*OPTIONS, *OF_THE_COMMAND) for word in found):
        return _of_options(found, source)
    defaults, claims = found.get("defaults", {}), found.get("claim", [])
    unknown = [word for word in found if word not in OF_CLAIMS]
    if not isinstance(claims, list) or not claims:
        instead = f", but {unknown[0]!r}, which is unknown" if unknown else ""
        raise NtkbenchError(
            f"The suite {source} has no claims{instead}. Add them as [[claim]], or write the options of one run, "
            'such as arch = ["fc"].'
        )
    if unknown:
        raise NtkbenchError(f"In the suite {source}: unknown key {unknown[0]!r}. {did_you_mean(unknown[0], OF_CLAIMS)}")
    known = [attribute.name for attribute in fields(Claim)]
    read = []
    for number, words in enumerate(claims, 1):
        name = f"claim {number} ({words.get('id', 'without an id')}) of the suite {source}"
        for word in (*defaults, *words):
            if word not in known:
                raise NtkbenchError(f"In {name}: unknown field {word!r}. {did_you_mean(word, known)}")
        try:
            read.append(Claim(**{**defaults, **words}))
        except (TypeError, ValueError) as error:
            raise NtkbenchError(f"In {name}: {str(error).replace('Claim.__init__() ', '')}.") from None
        except NtkbenchError as error:
            raise NtkbenchError(f"In {name}: {error}") from None
    ids = [claim.id for claim in read]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise NtkbenchError(f"The suite {source} has two claims with the id {twice[0]!r}. Give each claim its own id.")
    return Suite(
        str(found.get("name", source)), str(found.get("summary", "")), tuple(read), str(found.get("curves", ""))
    )


def _of_options(found: Mapping[str, Any], source: str) -> Suite:
    given = {word: value for word, value in found.items() if word not in ABOUT}
    for word in given:
        if word in OF_THE_COMMAND:
            raise NtkbenchError(f"The suite {source} sets {word!r}, which only the command line may set. Leave it out.")
        if word not in OPTIONS:
            known = (*OPTIONS, *ABOUT)
            raise NtkbenchError(f"In the suite {source}: unknown option {word!r}. {did_you_mean(word, known)}")
    try:
        options = RunOptions(**given)
    except (TypeError, ValueError) as error:
        raise NtkbenchError(f"In the suite {source}: {error}.") from None
    except NtkbenchError as error:
        raise NtkbenchError(f"In the suite {source}: {error}") from None
    name, summary, compare, of = (
        str(found.get(word, default))
        for word, default in {"name": source, "summary": "", "compare": "", "source": ""}.items()
    )
    order = _texts(found.get("order", ()))
    if order and not compare:
        raise NtkbenchError(f"The suite {source} has an order but no quantity; name one, such as compare = 'accuracy'.")
    return Suite(
        name,
        summary,
        (),
        options=options,
        compare=compare,
        order=order,
        source=of,
        questions=questions_of(found, source),
        controls=controls_of(found, source),
    )


def plans(
    suite: Suite, registry: Registry, *, device: str = "auto", out: str | None = None
) -> list[tuple[Plan, list[Claim]]]:
    """Return the plans to measure, one for each setting, with the claims that need it.

    Args:
        suite: The suite.
        registry: The registered architectures, measurements and datasets.
        device: Device of the run.
        out: Folder of the run.

    Raises:
        NtkbenchError: A plan is not valid, or `over` of a claim is not a label of its plan.
    """
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
                raise NtkbenchError(
                    f"Claim {claim.id!r}: over = {claim.over!r} is no label of its plan. Write it as tables do, "
                    f"such as {labels[-1]!r}."
                )
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
