"""The base of all checks: numbered test methods whose failures say what was found and how to fix it."""

from __future__ import annotations

import functools
import unittest
from collections.abc import Callable, Iterator
from typing import Any, Literal, NoReturn

import attrs

from ..errors import NtkbenchError
from ..report.escape import visible


class CheckFailure(AssertionError):
    """Raised by a check that failed. The message is its number, what was found, and what to do."""


class Fault(Exception):
    """Raised by `require`: the sentence of a failed check, without the number of the check."""


@attrs.frozen
class Finding:
    """The result of one check of one subject.

    Attributes:
        subject: What was checked.
        number: Number of the check, such as "A8".
        title: What the check requires.
        status: "ok", "failed", or "skipped" if the check does not apply.
        message: What was found, if it failed, or why it was skipped.
    """

    subject: str
    number: str
    title: str
    status: Literal["ok", "failed", "skipped"]
    message: str = ""

    def __str__(self) -> str:
        mark = {"ok": "✓", "failed": "✗", "skipped": "–"}[self.status]
        return f"{mark} {self.number} {self.message or self.title}"


def require(holds: Any, sentence: str) -> None:
    """Raise a Fault with `sentence` unless `holds` is true."""
    if not holds:
        raise Fault(sentence)


def require_registered(entry: Any, signature: str) -> None:
    """Raise a Fault if an entry's target is not callable, or its summary is empty or not printable."""
    require(callable(entry.load()), f"The target of {entry.name!r} is not a function; register {signature}.")
    require(
        entry.summary and visible(entry.summary) == entry.summary,
        f"{entry.name!r} has no printable summary; add one.",
    )


def skip(reason: str) -> NoReturn:
    """End a check that does not apply as skipped."""
    raise unittest.SkipTest(reason)


def numbered(number: str, *, stops: bool = False) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Return the decorator of a check.

    Args:
        number: Number of the check, such as "A8".
        stops: Whether later checks are not run if this one fails.
    """

    def decorate(method: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(method)
        def test(self: Any) -> None:
            try:
                method(self)
            except (CheckFailure, unittest.SkipTest):
                raise
            except (Fault, NtkbenchError) as fault:
                raise CheckFailure(f"{number} {fault}") from None
            except Exception as error:
                from ..runner.worker import sentence

                raise CheckFailure(f"{number} {sentence(error)} Fix the code that raises this.") from error

        test.number, test.stops = number, stops  # type: ignore[attr-defined]
        return test

    return decorate


class Checks:
    """Base class of all check classes. Expensive objects are computed once per class."""

    @classmethod
    def shared(cls, key: Any, make: Callable[[], Any]) -> Any:
        """Return `make()`, computed once for this class and key."""
        known = cls.__dict__.get("_shared")
        if known is None:
            known = {}
            cls._shared = known  # type: ignore[attr-defined]
        if key not in known:
            known[key] = make()
        return known[key]

    @classmethod
    def findings(cls, subject: str) -> Iterator[Finding]:
        """Yield the result of every check in order of number, until a check with `stops` fails."""
        for test in numbered_tests(cls):
            number, title = test.number, (test.__doc__ or "").strip().splitlines()[0]
            try:
                test(cls())
            except unittest.SkipTest as reason:
                yield Finding(subject, number, title, "skipped", str(reason))
            except CheckFailure as failure:
                yield Finding(subject, number, title, "failed", str(failure).removeprefix(f"{number} "))
                if test.stops:
                    return
            else:
                yield Finding(subject, number, title, "ok")


def numbered_tests(cls: type[Checks]) -> list[Any]:
    """Return the checks of a class, sorted by number."""
    tests = [value for value in (getattr(cls, name) for name in dir(cls)) if hasattr(value, "number")]
    return sorted(tests, key=lambda test: (test.number[0], int(test.number[1:])))
