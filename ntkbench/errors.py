"""Errors that a user can cause. Each message says what happened, what was given, and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class NtkbenchError(Exception):
    """Base class of every error that a user can cause.

    The message says what happened, what was given, and what to do. It can be shown to the user unchanged.
    """


class UnknownName(NtkbenchError):
    """Raised for an unknown name. The message suggests the closest known names.

    Args:
        kind: What the name should be, such as "architecture".
        name: The unknown name.
        known: The known names.
        where: Where the name was looked up, such as "in net.py"; default: not mentioned.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = ""):
        self.kind, self.name, self.known = kind, name, sorted(known)
        place = f" {where}" if where else ""
        super().__init__(f"Unknown {kind} {name!r}{place}. {did_you_mean(name, self.known)}")


class Unsupported(NtkbenchError):
    """Raised when a measurement does not apply to the model. The cell ends as `unsupported`, which is not a failure."""


class MissingData(NtkbenchError):
    """Raised by a dataset whose files are not on this machine. Its checks are skipped, and groups leave it out.

    Args:
        what: What was not found, such as "the dataset 'GunPoint'".
        remedy: A sentence on how to get it.
    """

    def __init__(self, what: str, remedy: str):
        self.what, self.remedy = what, remedy
        super().__init__(f"The files of {what} were not found. {remedy}")


class Diverged(NtkbenchError):
    """Raised when gradient descent or a search produces values that are not finite."""


class RunStopped(NtkbenchError):
    """Raised when a run must stop early (disk full, for example).

    Finished cells are kept; rerun the command to resume.
    """


class TooLarge(NtkbenchError):
    """Raised when a computation needs more memory than is available, as predicted before it starts or while it runs."""


class RegistrationError(NtkbenchError):
    """Raised when a plugin's registration is invalid."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the known names closest to `name`, or lists all of them if none is close."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return f"Known: {', '.join(known)}." if known else "None is registered."


def message_of(error: BaseException) -> str:
    """Return the message of an exception, also of one that is not ours and whose `__str__` fails."""
    try:
        return str(error)
    except Exception as failure:
        return f"its message could not be read, because its __str__ raised {type(failure).__name__}"


def reason_of(error: BaseException) -> str:
    """Return the type and the most informative line of an exception that is not ours, without a full stop.

    Keras starts a layer's error with the layer's name, gives the reason below in bold, and then lists all arguments.
    TensorFlow starts errors of compiled functions with their origin, and gives the reason above the node's name.
    """
    text = re.sub(r"\x1b\[[0-9;]*m|\{\{function_node [^}]*\}\} ?", "", message_of(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        lines = [f"{lines[0].removeprefix('Exception encountered when ').rstrip('.')}: {lines[1]}"]
    node = next((i for i, line in enumerate(lines) if line.startswith("[[{{node")), 0)
    if node and lines[0].startswith("Graph execution error"):
        lines = [lines[node - 1]]
    return f"{type(error).__name__}: {(lines[0] if lines else 'no message')[:300].rstrip('.')}"
