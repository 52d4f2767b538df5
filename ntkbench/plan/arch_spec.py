"""Parse the SPECs of `--arch` into `ArchitectureRequest`s, and check what can be checked without TensorFlow."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import evolve, field, frozen

from ..errors import NtkbenchError, UnknownName
from ..registry.code import Code, code_of_entry, with_layer_rules, with_named_files
from ..registry.manager import Registry
from ..registry.specs import PRIORITIES, Architecture, KernelArchitecture
from ..types import canonical_json
from .keras_file import KerasArchitecture, keras_architecture
from .python_file import OUTPUT, FileArchitecture, file_architecture

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<function>[^:=,]*))?(?::(?P<params>.*))?\Z")
_KERAS = re.compile(r"(?P<path>.+\.keras)(?::(?P<params>.*))?\Z")

Kind = Literal["registered", "kernel", "file", "keras"]


@frozen(kw_only=True)
class ArchitectureRequest:
    """One architecture that the user requested.

    Attributes:
        kind: "registered", "kernel", "file" or "keras".
        name: Name in the tables: a registered name, "FILE.py:FUNCTION" or "MODEL.keras" (without its folder).
        params: Parameters that the user or the variant set, validated; defaults are not included.
        path: Path of a user's file; empty for registered names.
        function: Function in a user's Python file.
        code: The source files that the architecture depends on.
        entry: The specification that builds it.
        expanded: Whether it came from "all", a family or a priority, and is therefore left out if it does not accept
            the data.
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
        """Label in tables: "fc", or "fc:depth=3" if parameters were set."""
        return label_of(self.name, self.params)

    @property
    def registered(self) -> bool:
        """Whether the name is that of a registered architecture or kernel, not of a user's file."""
        return self.kind in ("registered", "kernel")


def label_of(name: str, params: Mapping[str, Any]) -> str:
    """Return an architecture's label in tables, from its name and the parameters that were set."""
    return name + (":" + _written(params) if params else "")


def parse_arch(spec: str, registry: Registry, *, reinit: bool = False) -> list[ArchitectureRequest]:
    """Return the requests of one SPEC: several for "all", "family:NAME" and "priority:LETTER", otherwise one.

    Args:
        spec: The SPEC, as given to `--arch`.
        registry: The registered architectures.
        reinit: Whether to redraw the weights of a saved model.

    Raises:
        NtkbenchError: The SPEC is invalid.
    """
    spec = spec.strip()
    if spec == "all":
        return _expanded(
            registry, ((entry, params) for entry in registry.architectures.values() for params in entry.variants)
        )
    if match := _FILE.match(spec):
        entry: Architecture = file_architecture(Path(match["path"]), match["function"] or "")
        return [
            _request("file", registry, entry, parse_params(match["params"], spec), match["path"], match["function"])
        ]
    if match := _KERAS.match(spec):
        given = parse_params(match["params"], spec)
        if given.keys() - {OUTPUT}:
            raise NtkbenchError(
                f"{spec!r}: the only parameter of a saved model is output=NAME, which selects one of several outputs; "
                f"write --arch {match['path']}."
            )
        entry = keras_architecture(Path(match["path"]), reinit=reinit)
        return [_request("keras", registry, entry, given, match["path"])]
    name, _, params = spec.partition(":")
    if name == "family":
        return _expanded(registry, rows_of_family(registry, params))
    if name == "priority":
        return _expanded(registry, rows_of_priority(registry, params))
    entry = registry.subject(name)
    kind: Kind = "kernel" if isinstance(entry, KernelArchitecture) else "registered"
    return [_request(kind, registry, entry, parse_params(params, spec))]


Row = tuple[Architecture, Mapping[str, Any]]


def rows_of_family(registry: Registry, family: str) -> list[Row]:
    """Return the architectures of a family, with each of their parameter sets; raise UnknownName for an unknown one."""
    known = {entry.family for entry in registry.architectures.values() if entry.family}
    if family not in known:
        raise UnknownName("family", family, known, "of architectures")
    return [
        (entry, params) for entry in registry.architectures.values() if entry.family == family for params in entry.rows
    ]


def rows_of_priority(registry: Registry, priority: str) -> list[Row]:
    """Return the architectures of a priority, with their parameter sets; raise NtkbenchError if there are none."""
    if priority not in PRIORITIES:
        raise UnknownName("priority", priority, PRIORITIES, "of architectures")
    rows = [(entry, params) for entry in registry.architectures.values() for params in entry.priority.get(priority, ())]
    if not rows:
        raise NtkbenchError(
            f"No installed architecture has the priority {priority!r}. Install a plugin that registers some, such as "
            "ntkbench-zoo."
        )
    return rows


def _expanded(registry: Registry, rows: Iterable[Row]) -> list[ArchitectureRequest]:
    return [evolve(_request("registered", registry, entry, params), expanded=True) for entry, params in rows]


def _request(
    kind: Kind, registry: Registry, entry: Architecture, given: Mapping[str, Any], path: str = "", function: str = ""
) -> ArchitectureRequest:
    checked = entry.resolve(given)
    params = {name: checked[name] for name in given}
    return ArchitectureRequest(
        kind=kind,
        name=entry.name,
        params=params,
        path=path,
        function=function,
        code=code_of_architecture(entry, checked, registry),
        entry=entry,
    )


def code_of_architecture(entry: Architecture, params: Mapping[str, Any], registry: Registry) -> Code:
    """Return the code that an architecture with these parameters depends on; empty for a built-in one.

    Args:
        entry: The architecture.
        params: All its parameters, defaults included.
        registry: The registered entries.
    """
    code = entry.code if isinstance(entry, FileArchitecture | KerasArchitecture) else code_of_entry(entry)
    if not isinstance(entry, KerasArchitecture):
        texts = {name: value for name, value in params.items() if isinstance(value, str)}
        code = with_named_files(code, texts, entry.path.parent if isinstance(entry, FileArchitecture) else None)
    return with_layer_rules(code, registry.layer_rules.values(), entry.distribution)


def parse_arches(specs: Iterable[str], registry: Registry, *, reinit: bool = False) -> list[ArchitectureRequest]:
    """Return the requests of several SPECs, without duplicates.

    SPECs that resolve to the same parameters are duplicates, and the first one is kept: fc, fc:depth=2 and
    fc:activation=tanh are the same architecture if these are the defaults.
    """
    requests: dict[str, ArchitectureRequest] = {}
    paths: dict[str, str] = {}
    for request in (request for spec in specs for request in parse_arch(spec, registry, reinit=reinit)):
        same_name = paths.setdefault(request.name, request.path)
        if os.path.normpath(same_name) != os.path.normpath(request.path):
            raise NtkbenchError(
                f"{same_name} and {request.path} would both be labelled {request.name!r} in the tables; rename one."
            )
        resolved = request.entry.resolved(request.params).resolve(request.params)
        requests.setdefault(canonical_json([request.name, resolved]), request)
    return list(requests.values())


def parse_params(text: str | None, spec: str) -> dict[str, str]:
    """Return the mapping written as "key=value,key=value"; raise NtkbenchError that quotes `spec` if it is invalid."""
    params: dict[str, str] = {}
    for word in (text or "").split(","):
        if not word.strip():
            continue
        key, equals, value = (part.strip() for part in word.partition("="))
        if not (key and equals and value):
            raise NtkbenchError(
                f"{spec!r}: {word.strip()!r} is not key=value; write, for example, NAME:depth=3,alpha=2."
            )
        if key in params:
            raise NtkbenchError(f"{spec!r} sets {key!r} twice; set it once.")
        params[key] = value
    return params


def _written(params: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={_word(value)}" for key, value in params.items())


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
