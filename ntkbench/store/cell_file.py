"""Encode and decode the JSON file of one cell's result."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, NoReturn, get_type_hints

import attrs
import msgspec

from ..errors import NtkbenchError
from ..types import IDENTITY, INFINITE, LATER, Cell, CellResult, Curve, Status, Value, digest
from .manifest_types import LARGEST, Count, Plain, check_settings

SCHEMA_VERSION = 2
READABLE = (1, 2)
"""Schema versions that are read. Version 2 added the curves of a cell, which a cell without curves leaves out."""

_MARK = b',\n "checksum": "'


_NARROWER: dict[str, Any] = {
    "width": Annotated[int, msgspec.Meta(ge=1, le=LARGEST)] | Literal["inf"],
    "seed": Count,
    "params": dict[str, Plain],
    "dataset_params": dict[str, Plain],
}
"""Types of a cell's fields in JSON, where they are narrower than in the class."""


def _all_of(kind: type, names: Collection[str], later: Collection[str] = (), **options: Any) -> Any:
    """Return a msgspec type that requires every field of an attrs class, without defaults.

    later: fields that may be missing, which means that they are empty.
    """
    hints = get_type_hints(kind) | (_NARROWER if kind is Cell else {})
    always = [(name, hints[name]) for name in names if name not in later]
    return msgspec.defstruct(f"_{kind.__name__}", [*always, *((name, hints[name], "") for name in later)], **options)


_Cell = _all_of(Cell, IDENTITY, LATER, forbid_unknown_fields=True)
_Value = _all_of(Value, [field.name for field in attrs.fields(Value)])


class _Curve(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    x_unit: str
    x: tuple[float, ...]
    y: tuple[float, ...]


class _Record(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    schema_version: Literal[1, 2]
    key: str
    label: str
    status: Status
    message: str
    seconds: Annotated[float, msgspec.Meta(ge=0)] | None
    n_parameters: Count | None
    n_probes: Count | None
    device: str
    values: dict[str, _Value]  # type: ignore[valid-type]
    cell: _Cell  # type: ignore[valid-type]
    provenance: dict[str, Any]
    traceback: str = ""
    curves: dict[str, _Curve] = {}
    checksum: Any = msgspec.UNSET


_RECORD = msgspec.json.Decoder(_Record)
_UNREADABLE = (ValueError, msgspec.MsgspecError, RecursionError)  # MsgspecError is not a ValueError before 0.21


def encode(result: CellResult) -> str:
    """Return the JSON text of a result. JSON has no NaN: values and errors that are not finite become null.

    The last line holds a checksum of the text before it, which detects damage on disk.
    """
    record = {
        "schema_version": SCHEMA_VERSION,
        "key": result.cell.key,
        "label": result.cell.label,
        "status": str(result.status),
        "message": result.message,
        "seconds": _finite(result.seconds),
        "n_parameters": _whole(result.n_parameters),
        "n_probes": _whole(result.n_probes),
        "device": result.device,
        "values": {key: _value_to_json(value) for key, value in result.values.items()},
        "cell": result.cell.identity(),
        "provenance": dict(result.provenance),
    }
    if result.traceback:
        record["traceback"] = result.traceback
    if result.curves:
        record["curves"] = {name: curve_to_json(curve) for name, curve in result.curves.items()}
    # One line for each field: almost as readable as indent=1, for which json has no fast encoder.
    lines = (f" {json.dumps(name)}: {_json(name, value)}" for name, value in plain(record).items())
    body = "{\n" + ",\n".join(lines)
    return f'{body}{_MARK.decode()}{_checksum(body.encode())}"\n}}\n'


def _json(name: str, value: Any) -> str:
    # Curves without spaces: they can have thousands of numbers.
    return json.dumps(value, allow_nan=False, separators=(",", ":") if name == "curves" else None)


def decode(text: str | bytes, source: str) -> CellResult:
    """Return the result in a JSON text.

    Args:
        text: The text. Texts in receipts, and those written by the first versions, have no checksum.
        source: Name of the file, for messages.

    Raises:
        NtkbenchError: The text is damaged or has another schema, its key is not the hash of its cell's identity, or its
            checksum does not match its contents.
    """
    text = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    text = text.replace(b"\r\n", b"\n") if b"\r" in text else text
    body, mark, end = text.rpartition(_MARK)
    whole = bool(mark) and end == f'{_checksum(body)}"\n}}\n'.encode()
    record = _record(text, source)
    if record.schema_version == 1 and record.curves:
        raise _damaged(source, "it has curves, which schema_version 1 does not have")
    fields = msgspec.structs.asdict(record.cell)
    try:
        check_settings(fields["settings"])
    except ValueError as error:
        raise _damaged(source, str(error)) from None
    if fields["width"] == INFINITE:
        fields["width"] = math.inf
    cell = Cell(**fields, label=record.label)
    if whole:
        cell.remember_key(record.key)
    elif cell.key != record.key:
        raise _damaged(source, f"its key {record.key!r:.60} is not the hash of its cell")
    if not whole and record.checksum is not msgspec.UNSET and record.checksum != _earliest_checksum(text):
        raise _damaged(source, "its checksum does not match its contents")
    return CellResult(
        cell=cell,
        status=record.status,
        values={key: Value(*msgspec.structs.astuple(value)) for key, value in record.values.items()},
        message=record.message,
        seconds=record.seconds or 0.0,
        n_parameters=record.n_parameters,
        n_probes=record.n_probes,
        device=record.device,
        provenance=record.provenance,
        traceback=record.traceback,
        curves={name: _curve(name, curve, source) for name, curve in record.curves.items()},
    )


def _record(text: bytes, source: str) -> _Record:
    """Return the record in a text, with its types checked; raise NtkbenchError if it is invalid."""
    try:
        return _RECORD.decode(text)
    except _UNREADABLE as error:
        wrong = error
    with contextlib.suppress(*_UNREADABLE):
        # The standard library also reads lone surrogates, which occur in paths that are not valid UTF-8.
        record = json.loads(text.decode("utf-8", "surrogatepass"), parse_constant=_refuse)
        version = record.get("schema_version") if isinstance(record, dict) else SCHEMA_VERSION
        if version not in READABLE:
            raise NtkbenchError(
                f"{source} has schema_version {version!r:.60}, but this version of ntkbench reads only "
                f"{' and '.join(map(str, READABLE))}. Use the version of ntkbench that wrote it."
            )
        return msgspec.convert(record, _Record)
    understood = isinstance(wrong, msgspec.ValidationError)
    raise _damaged(source, str(wrong) if understood else f"it is not JSON ({wrong})") from None


def _damaged(source: str, what: str) -> NtkbenchError:
    what = what if what.isprintable() else ascii(what)[1:-1]
    return NtkbenchError(f"{source} is damaged: {what.rstrip('.'):.200}.")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"it contains {name}, which is not valid JSON")


def plain(value: Any) -> Any:
    """Return `value` as plain JSON: string keys, lists for sequences, null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | str | int):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, float):
        return _finite(value)
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return plain(value.item())
    return str(value)


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _earliest_checksum(text: bytes) -> str:
    """Return the checksum by the rule of earlier versions: of the record without its cell, which the key covers."""
    record = json.loads(text)
    try:
        return digest({name: value for name, value in record.items() if name not in ("cell", "checksum")})
    except (ValueError, RecursionError):  # infinity is not valid JSON
        return ""


def _finite(number: Any) -> float | None:
    if number is None:
        return None
    number = float(number)
    return number if math.isfinite(number) else None


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


def curve_to_json(curve: Curve) -> dict[str, Any]:
    """Return a curve as plain JSON, without its name. Whole numbers, such as steps, are written without a fraction."""
    short = {name: [_short(number) for number in getattr(curve, name)] for name in ("x", "y")}
    return {"x_unit": curve.x_unit, **short}


def _short(number: float) -> float | int:
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _curve(name: str, curve: _Curve, source: str) -> Curve:
    if len(curve.x) != len(curve.y):
        raise _damaged(source, f"the curve {name!r:.60} has {len(curve.x)} abscissas and {len(curve.y)} ordinates")
    return Curve(curve.x, curve.y, curve.x_unit, name)


def _value_to_json(value: Value) -> dict[str, Any]:
    return {
        "value": _finite(value.value),
        "error": _finite(value.error),
        "error_kind": value.error_kind,
        "precision": value.precision,
    }
