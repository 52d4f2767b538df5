"""Types of a manifest's entries. Anybody can edit a manifest, so they are checked before a table relies on them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import attrs
import msgspec

from ..types import Direction, Settings, TheoryKind

LARGEST = 2**63 - 1
"""Largest integer of a table's column."""
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\ud800-\udfff]*$")]
"""Text without lone surrogates, which no file can hold."""
Finite = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
Plain = bool | int | Finite | str | None


class _Law(msgspec.Struct):
    exponent: Finite
    source: Text
    kind: TheoryKind = "rate"
    from_width: Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)] = 1


class _Quantity(msgspec.Struct):
    name: Text
    key: Text
    symbol: Text = ""
    unit: Text = ""
    direction: Direction = "none"
    reduction: Text = ""
    summary: Text = ""
    per: Literal["", "variable", "point"] = ""
    x_unit: Text = ""
    axis: Text = ""
    comes_with: list[Text] = []


class _Invocation(msgspec.Struct):
    command: list[str] = []
    options: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    provenance: dict[str, Any] = {}


class _Manifest(msgspec.Struct):
    theory: dict[str, dict[Text, _Law]] = {}
    quantities: dict[Text, list[_Quantity]] = {}
    labels: dict[str, str] = {}
    cells: list[str] = []
    width_means: dict[Text, Text] = {}
    settings: dict[str, Plain] = {}
    provenance: dict[str, Plain | dict[str, Plain] | list[Plain]] = {}
    code: dict[str, dict[str, str]] = {}
    invocations: list[_Invocation] = []


def check_types(manifest: Mapping[str, Any]) -> None:
    """Raise ValueError with the place of the first entry that has another type than ntkbench writes."""
    try:
        msgspec.convert(manifest, _Manifest)
    except msgspec.ValidationError as error:  # not a ValueError before msgspec 0.21
        raise ValueError(str(error)) from None
    check_settings(manifest.get("settings", {}))


_WHOLE = {field.name for field in attrs.fields(Settings) if field.type in ("int", int)}
_REAL = {field.name for field in attrs.fields(Settings) if field.type in ("float", float)}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise ValueError if a size or a tolerance is not a positive number of its type."""
    for name, value in settings.items():
        kind = type(value)
        if name in _WHOLE and not (kind is int and 0 < value <= LARGEST):
            raise ValueError(f"the setting {name} is {value!r:.60}, which is not a positive integer")
        if name in _REAL and not ((kind is float or kind is int) and 0 < value < float("inf")):
            raise ValueError(f"the setting {name} is {value!r:.60}, which is not a positive number")
