"""The errors a user can cause, each a sentence: what happened, what we got, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class NtkbenchError(Exception):
    """Base class of every error that a user can cause.

    The message says what happened, what was given, and what to do; it is meant to be shown as it is.
    """


class UnknownName(NtkbenchError):
    """A name that nobody registered; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"No {kind} is called {name!r}. {did_you_mean(name, self.known)}")


class Unsupported(NtkbenchError):
    """A measurement that has no meaning for this model: a result of its own, not a failure."""


class Diverged(NtkbenchError):
    """Gradient descent or a search left the finite numbers."""


class RunStopped(NtkbenchError):
    """A run that could not go on, such as on a full disk: what is finished is kept, and the same command goes on."""


class TooLarge(NtkbenchError):
    """A computation that takes more memory than there is: by prediction, so that it is not begun, or when it ran."""


class RegistrationError(NtkbenchError):
    """A plugin's registration that cannot be accepted."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the names nearest to `name`, or all of them when none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return f"Known: {', '.join(known)}." if known else "None is registered."


def reason_of(error: BaseException) -> str:
    """Return the type and the first telling line of somebody else's error, without a full stop.

    Keras heads a layer's error with the layer's name, sets the reason below in bold, and lists all arguments after it.
    TensorFlow heads those of compiled functions with where they come from, and gives the reason above the node's name.
    """
    text = re.sub(r"\x1b\[[0-9;]*m|\{\{function_node [^}]*\}\} ?", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        lines = [f"{lines[0].removeprefix('Exception encountered when ').rstrip('.')}: {lines[1]}"]
    node = next((i for i, line in enumerate(lines) if line.startswith("[[{{node")), 0)
    if node and lines[0].startswith("Graph execution error"):
        lines = [lines[node - 1]]
    return f"{type(error).__name__}: {(lines[0] if lines else 'no message')[:300].rstrip('.')}"
