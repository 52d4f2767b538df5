"""The JSON text of one cell's result."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn, get_args

import attrs

from ..errors import NtkbenchError
from ..types import Cell, CellResult, ErrorKind, Status, Value

SCHEMA_VERSION = 1

_JSON_TYPES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
}
_CELL_TYPES: dict[str, type] = {
    "params": dict,
    "dataset_params": dict,
    "settings": dict,
    "quantities": list,
    "width": int,
    "seed": int,
    "numerics_version": int,
    "reinit": bool,
}


class _NotJson(ValueError):
    """What JSON has not, and Python reads all the same."""


def _refuse(name: str) -> NoReturn:
    raise _NotJson(f"it holds {name}, which is not JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse)
_MARK = b',\n "checksum": "'
_CELL_NAMES = tuple(attribute.name for attribute in attrs.fields(Cell) if attribute.name != "label")
_CELL_KINDS = [_CELL_TYPES.get(name, str) for name in _CELL_NAMES]
_STATUSES = frozenset(map(str, Status))
_ERROR_KINDS = frozenset(get_args(ErrorKind))
_FIELDS = frozenset(
    ("schema_version", "key", "label", "status", "message", "seconds", "n_parameters", "n_probes", "device", "values")
    + ("cell", "provenance", "traceback", "checksum")
)


def encode(result: CellResult) -> str:
    """Return the JSON text of `result`. JSON has no NaN: a value or error that is not finite becomes null.

    Its last line holds the hash of the text before, so that a digit that a disk lost is noticed.
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
    # One line for each field: as easy to read as with indent=1, for which json has no fast encoder.
    lines = (f" {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in plain(record).items())
    body = "{\n" + ",\n".join(lines)
    return f'{body}{_MARK.decode()}{_checksum(body.encode())}"\n}}\n'


def decode(text: str | bytes, source: str) -> CellResult:
    """Return the result that `text` holds.

    source: the file's name, for the sentence.   Raises NtkbenchError when the text is damaged, of another schema,
    or when its key is not the hash of its cell's identity, its checksum not that of its contents. Texts written before
    there were checksums, and those of receipts, have none.
    """
    reader = _Reader(source)
    text = (text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text).replace(b"\r\n", b"\n")
    body, mark, end = text.rpartition(_MARK)
    whole = bool(mark) and end == f'{_checksum(body)}"\n}}\n'.encode()
    record = reader.parse(text)
    version = record.get("schema_version")
    if version != SCHEMA_VERSION:
        raise NtkbenchError(
            f"{source} has schema_version {version!r}; this ntkbench reads {SCHEMA_VERSION}. "
            "Read it with the ntkbench that wrote it."
        )
    if unknown := sorted(record.keys() - _FIELDS):
        reader.fail(f"it has the unknown field {unknown[0]!r:.60}")
    cell = _cell(reader, record, whole)
    status = reader.take(record, "status", str)
    if status not in _STATUSES:
        reader.fail(f"status {status!r} is unknown")
    values = reader.take(record, "values", dict)
    result = CellResult(
        cell=cell,
        status=Status(status),
        values={key: _value(reader, key, value) for key, value in values.items()},
        message=reader.take(record, "message", str),
        seconds=reader.take(record, "seconds", float, optional=True) or 0.0,
        n_parameters=reader.take(record, "n_parameters", int, optional=True),
        n_probes=reader.take(record, "n_probes", int, optional=True),
        device=reader.take(record, "device", str),
        provenance=reader.take(record, "provenance", dict),
        traceback=reader.take(record, "traceback", str) if "traceback" in record else "",
    )
    if "checksum" in record and not whole:
        reader.fail("its checksum is not that of its contents")
    return result


def plain(value: Any) -> Any:
    """Return `value` as plain JSON: text keys, lists for sequences, null for what is not finite."""
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


def _finite(number: Any) -> float | None:
    if number is None:
        return None
    number = float(number)
    return number if math.isfinite(number) else None


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


def _value_to_json(value: Value) -> dict[str, Any]:
    return {
        "value": _finite(value.value),
        "error": _finite(value.error),
        "error_kind": value.error_kind,
        "precision": value.precision,
    }


class _Reader:
    """Takes fields out of a record, and says in a sentence which file holds a wrong one."""

    def __init__(self, source: str):
        self.source = source

    def fail(self, what: str) -> NoReturn:
        raise NtkbenchError(f"{self.source} is damaged: {what}.")

    def parse(self, text: str | bytes) -> dict[str, Any]:
        try:
            record = _JSON.decode(text if isinstance(text, str) else text.decode("utf-8", "surrogatepass"))
        except _NotJson as error:
            self.fail(str(error))
        except (ValueError, RecursionError) as error:
            self.fail(f"it is not JSON ({error})")
        if not isinstance(record, dict):
            self.fail("it is not a JSON object")
        return record

    def take(self, record: Mapping[str, Any], name: str, kind: type, optional: bool = False) -> Any:
        if name not in record:
            self.fail(f"{name!r} is missing")
        value = record[name]
        if type(value) is kind and kind is not float:
            return value
        if value is None and optional:
            return None
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fail(f"{name!r} is {value!r:.60} where {_JSON_TYPES[kind]} belongs")
        if isinstance(value, float) and not math.isfinite(value):
            self.fail(f"{name!r} is not finite")
        return value


def _cell(reader: _Reader, record: Mapping[str, Any], whole: bool) -> Cell:
    """Return the cell. whole: it is as it was written, so that its key is known to be its own."""
    identity = reader.take(record, "cell", dict)
    key = reader.take(record, "key", str)
    if list(map(type, map(identity.get, _CELL_NAMES))) != _CELL_KINDS or len(identity) != len(_CELL_NAMES):
        for name in identity.keys() - set(_CELL_NAMES):
            reader.fail(f"its cell has the unknown field {name!r:.60}")
        for name, kind in zip(_CELL_NAMES, _CELL_KINDS, strict=True):
            reader.take(identity, name, kind)
    for quantity in identity["quantities"]:
        if not isinstance(quantity, str):
            reader.fail(f"its cell wants the quantity {quantity!r:.60}, which is not a name")
    fields = identity | {"quantities": tuple(identity["quantities"]), "label": reader.take(record, "label", str)}
    cell = Cell(**fields)
    if whole:
        cell.remember_key(key)
    elif cell.key != key:
        reader.fail(f"its key {key!r:.60} is not the hash of its cell")
    return cell


def _value(reader: _Reader, key: str, record: Any) -> Value:
    if not isinstance(record, dict):
        reader.fail(f"the value of {key!r:.60} is not an object")
    kind = reader.take(record, "error_kind", str)
    if kind not in _ERROR_KINDS:
        reader.fail(f"the error_kind {kind!r:.60} of {key!r:.60} is unknown")
    return Value(
        value=reader.take(record, "value", float, optional=True),
        error=reader.take(record, "error", float, optional=True),
        error_kind=kind,
        precision=reader.take(record, "precision", str, optional=True),
    )
