"""The words of `--arch`: a SPEC becomes an ArchitectureRequest, checked as far as no framework is needed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import evolve, field, frozen

from ..errors import NtkbenchError
from ..registry.code import Code, code_of_entry
from ..registry.manager import Registry
from ..registry.specs import Architecture
from ..types import canonical_json
from .user_model import OUTPUT, FileArchitecture, KerasArchitecture, file_architecture, keras_architecture

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<function>[^:=,]*))?(?::(?P<params>.*))?\Z")
_KERAS = re.compile(r"(?P<path>.+\.keras)(?::(?P<params>.*))?\Z")

Kind = Literal["registered", "file", "keras"]


@frozen(kw_only=True)
class ArchitectureRequest:
    """One architecture that the user asked for.

    name: as in the tables: a registered name, "FILE.py:FUNCTION" or "MODEL.keras" (no folder).
    params: only what the user or the variant set, checked.   path, function: of a user's own file.
    code: what it rests on.   entry: what builds it.
    expanded: it came from "all", so that it may be left out where the data do not fit.
    """

    kind: Kind
    name: str
    params: Mapping[str, Any] = field(factory=dict)
    path: str = ""
    function: str = ""
    code: Code = field(repr=False)
    entry: Architecture = field(repr=False)
    expanded: bool = False

    @property
    def label(self) -> str:
        """How tables call it: "fc", or "fc:depth=3" where something was set."""
        return label_of(self.name, self.params)


def label_of(name: str, params: Mapping[str, Any]) -> str:
    """Return how tables call an architecture. params: those that were set."""
    return name + (":" + _written(params) if params else "")


def parse_arch(spec: str, registry: Registry, *, reinit: bool = False) -> list[ArchitectureRequest]:
    """Return the requests of one SPEC: several for "all", otherwise one. Raise NtkbenchError with a sentence.

    reinit: a saved model's weights are to be redrawn.
    """
    spec = spec.strip()
    if spec == "all":
        return [
            evolve(_request("registered", entry, variant), expanded=True)
            for entry in registry.architectures.values()
            for variant in entry.variants
        ]
    if match := _FILE.match(spec):
        entry: Architecture = file_architecture(Path(match["path"]), match["function"] or "")
        return [_request("file", entry, parse_params(match["params"], spec), match["path"], match["function"])]
    if match := _KERAS.match(spec):
        given = parse_params(match["params"], spec)
        if given.keys() - {OUTPUT}:
            raise NtkbenchError(
                f"{spec!r}: a saved model takes no parameters but output=NAME, which chooses one of several outputs; "
                f"write --arch {match['path']}."
            )
        return [_request("keras", keras_architecture(Path(match["path"]), reinit=reinit), given, match["path"])]
    name, _, params = spec.partition(":")
    return [_request("registered", registry.get("architectures", name), parse_params(params, spec))]


def _request(
    kind: Kind, entry: Architecture, given: Mapping[str, Any], path: str = "", function: str = ""
) -> ArchitectureRequest:
    checked = entry.resolve(given)
    params = {name: checked[name] for name in given}
    return ArchitectureRequest(
        kind=kind,
        name=entry.name,
        params=params,
        path=path,
        function=function,
        code=entry.code if isinstance(entry, FileArchitecture | KerasArchitecture) else code_of_entry(entry),
        entry=entry,
    )


def parse_arches(specs: Iterable[str], registry: Registry, *, reinit: bool = False) -> list[ArchitectureRequest]:
    """Return the requests of several SPECs, each architecture with its parameters once, however they are written.

    The first one is kept: fc, fc:depth=2 and fc:activation=tanh are one architecture where these are the defaults.
    """
    requests: dict[str, ArchitectureRequest] = {}
    paths: dict[str, str] = {}
    for request in (request for spec in specs for request in parse_arch(spec, registry, reinit=reinit)):
        same_name = paths.setdefault(request.name, request.path)
        if os.path.normpath(same_name) != os.path.normpath(request.path):
            raise NtkbenchError(
                f"{same_name} and {request.path} would both be called {request.name!r} in the tables; rename one."
            )
        resolved = request.entry.resolved(request.params).resolve(request.params)
        requests.setdefault(canonical_json([request.name, resolved]), request)
    return list(requests.values())


def parse_params(text: str | None, spec: str) -> dict[str, str]:
    """Return the mapping written as "key=value,key=value"; raise NtkbenchError that quotes `spec` otherwise."""
    params: dict[str, str] = {}
    for word in (text or "").split(","):
        if not word.strip():
            continue
        key, equals, value = (part.strip() for part in word.partition("="))
        if not (key and equals and value):
            raise NtkbenchError(f"{spec!r}: {word.strip()!r} is not key=value; write for example NAME:depth=3,alpha=2.")
        if key in params:
            raise NtkbenchError(f"{spec!r} sets {key!r} twice; set it once.")
        params[key] = value
    return params


def _written(params: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={_word(value)}" for key, value in params.items())


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
