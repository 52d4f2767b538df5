"""A receipt: one run as one JSON file of plain data, checked field by field before anything is done with it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen

from .._version import __version__
from ..errors import NtkbenchError
from ..store.cell_file import SCHEMA_VERSION, decode, plain
from ..store.manifest import Catalogue, catalogue, theory
from ..store.stored_run import StoredRun
from ..types import Cell, CellResult, Status, canonical_json, digest, quantity_of

KIND = "ntkbench-receipt"
RULES = 1
"""The version of the rules, of the receipt's form and of the boards' folder (leaderboards/v1)."""
LARGEST_FILE = 64 * 2**20
LARGEST_NUMBER = 1e100
LONGEST_TEXT = 2000
NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|\Z)")
"""Names that Windows keeps for devices, with any ending: a repository with such a file cannot be checked out there."""
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}(?:[.a-z+-][a-z0-9.+-]{0,40})?\Z")
_TEXT = re.compile(r"[^\x00-\x1f\x7f<>\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]*\Z")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:,=+-]{0,199}\Z")
_FIELDS = {"kind", "rules", "name", "ntkbench", "schema_version", "plan", "environment", "groups", "hash"}
_PLAN = {"settings", "theory", "width_means", "quantities"}
_GROUP = {"cell", "label", "results"}
_RESULT = {"seed", "data_hash", "status", "message", "seconds", "n_parameters", "n_probes", "device", "values"}


@frozen
class Receipt:
    """A checked receipt.

    hash: SHA-256 of everything else in it.   manifest: what tables need.   results: the cells.
    version: of the ntkbench that wrote it.
    """

    name: str
    hash: str
    environment: Mapping[str, Any]
    manifest: Mapping[str, Any]
    results: tuple[CellResult, ...]
    version: str = __version__


class OtherVersion(NtkbenchError):
    """A receipt, perhaps a sound one, that only another version of ntkbench can read. why: the reason, no sentence."""

    def __init__(self, source: str, why: str):
        super().__init__(f"{source} is rejected: {why}.")
        self.why = why


def write_receipt(run: StoredRun, name: str) -> bytes:
    """Return the receipt of a finished run as canonical bytes: the same run, the same bytes.

    Raises NtkbenchError for a name that is no name, files that cannot be read, a half-finished run, or a user's own
    files: what is published must be something that others can run.
    """
    if not NAME.match(name):
        raise NtkbenchError(
            f"{name!r} is no name for a submission: use small letters, digits, '.', '-' and '_', at most 64, such as "
            "'board-2026'."
        )
    if _DEVICE.match(name):
        raise NtkbenchError(f"{name!r} is no name for a submission: Windows keeps it for a device. Choose another one.")
    results = run.results
    if run.problems:
        raise NtkbenchError(f"{run.path} holds files that cannot be read: {run.problems[0]}")
    missing = set(run.manifest.get("cells", ())) - {result.cell.key for result in results}
    if missing or not results:
        raise NtkbenchError(
            f"{run.path} is half finished: {len(missing)} planned cells are missing. Give its `ntkbench run` command "
            "again, then submit."
        )
    own = sorted({result.cell.label for result in results if result.cell.source_hash})
    if own:
        raise NtkbenchError(f"{own[0]} is a file of yours, which nobody else can run; make it a plugin to submit it.")
    body = {
        "kind": KIND,
        "rules": RULES,
        "name": name,
        "ntkbench": __version__,
        "schema_version": SCHEMA_VERSION,
        "plan": {key: run.manifest.get(key, {}) for key in sorted(_PLAN)},
        "environment": run.manifest.get("provenance", {}),
        "groups": _groups(results),
    }
    body = plain(body)
    text = canonical_json(body | {"hash": _hash(body)}) + "\n"
    data = text.replace('{"cell":', '\n{"cell":').encode()
    read_receipt(data, name)
    return data


def load_receipt(path: Path) -> Receipt:
    """Return the checked receipt in a file; raise NtkbenchError, saying why, for one that cannot be accepted."""
    receipt = read_receipt(_read(path), str(path))
    if path.name != f"{receipt.name}.json":
        raise NtkbenchError(f"{path} is rejected: it is called {receipt.name!r} inside; the file must be named so.")
    return receipt


def hash_of_file(path: Path) -> str:
    """Return the hash by which records name the receipt in a file, also one that cannot be accepted.

    It is made of the contents, never read from them: else a forged copy that is withdrawn would take the honest
    receipt with it.   Raises NtkbenchError for a file that cannot be read.
    """
    if path.is_file() and path.stat().st_size > LARGEST_FILE:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    data = _read(path)
    try:
        body = _Check(str(path)).parse(data)
        return _hash({key: value for key, value in body.items() if key != "hash"})
    except (NtkbenchError, ValueError, RecursionError):
        return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise NtkbenchError(f"{path} is rejected: it is larger than {LARGEST_FILE >> 20} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise NtkbenchError(f"{path} could not be read: {error.strerror or error}.") from None


def read_receipt(data: bytes, source: str) -> Receipt:
    """Return the receipt in `data`, every field checked: form, names, numbers, hash, and that no cell is missing.

    Receipts of earlier versions of ntkbench with this form are read too.   Raises OtherVersion for a receipt of a later
    version or of another form, NtkbenchError for any other that cannot be accepted.
    """
    check = _Check(source)
    body = check.parse(data)
    if body.get("kind") != KIND:
        check.fail(f"its kind is {body.get('kind')!r:.80}, not {KIND!r}")
    rules, schema, version = (body.get(name) for name in ("rules", "schema_version", "ntkbench"))
    if rules != RULES or schema != SCHEMA_VERSION:
        raise OtherVersion(
            source,
            f"it follows rules {rules!r:.20} and schema {schema!r:.20}; here they are {RULES} and {SCHEMA_VERSION}",
        )
    if not isinstance(version, str) or not _VERSION.match(version):
        check.fail(f"its version {version!r:.80} is no version of ntkbench")
    if order(version) > order(__version__):
        raise OtherVersion(
            source, f"it is of ntkbench {version}, this is {__version__}; only one version's rows compare"
        )
    check.keys(body, _FIELDS, "the receipt")
    if not isinstance(body["name"], str) or not NAME.match(body["name"]) or _DEVICE.match(body["name"]):
        check.fail(f"its name {body['name']!r} is no name: small letters, digits, '.', '-' and '_' only")
    check.data(body, "it")
    if body["hash"] != _hash({key: value for key, value in body.items() if key != "hash"}):
        check.fail("its hash is not that of its contents: something was changed after it was written")
    check.keys(body["plan"], _PLAN, "its plan")
    manifest = {**body["plan"], "provenance": body["environment"], "labels": {}, "cells": []}
    try:
        theory(manifest)
        quantities = catalogue(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        check.fail(f"its plan is not understood ({type(error).__name__}: {error})")
    results = tuple(_results(check, body["groups"], quantities))
    _complete(check, results)
    return Receipt(body["name"], body["hash"], body["environment"], manifest, results, version)


class _Check:
    """Says in a sentence why a receipt is rejected."""

    def __init__(self, source: str):
        self.source = source

    def fail(self, why: str) -> NoReturn:
        raise NtkbenchError(f"{self.source} is rejected: {why}.")

    def parse(self, data: bytes) -> dict[str, Any]:
        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            found = dict(pairs)
            if len(found) != len(pairs):
                names = [name for name, _ in pairs]
                twice = next(name for name in names if names.count(name) > 1)
                self.fail(f"the key {twice!r:.80} stands twice in one object")
            return found

        try:
            body = json.loads(
                data, object_pairs_hook=once, parse_constant=lambda name: self.fail(f"it holds {name}, no number")
            )
        except (ValueError, RecursionError) as error:
            self.fail(f"it is not JSON ({error})")
        if not isinstance(body, dict):
            self.fail("it is not a JSON object")
        return body

    def keys(self, found: Any, known: Iterable[str], what: str) -> None:
        if not isinstance(found, dict) or set(found) != set(known):
            names = set(found) ^ set(known) if isinstance(found, dict) else {"everything"}
            self.fail(f"in {what}, {sorted(names)[0]!r:.80} is missing or does not belong there")

    def data(self, value: Any, where: str) -> None:
        """Refuse text that is long, hidden or markup, paths that climb, and numbers out of all bounds."""
        if isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                self.fail(f"{where} holds a text of {len(value)} characters")
            if not _TEXT.match(value):
                self.fail(f"{where} holds the text {value!r:.80}, with markup or characters that hide")
            if re.search(r"(?:^|[\\/])\.\.(?:[\\/]|$)", value):
                self.fail(f"{where} holds {value!r:.80}, a path that climbs")
        elif isinstance(value, bool) or value is None:
            pass
        elif isinstance(value, int | float):
            if not abs(value) <= LARGEST_NUMBER:
                self.fail(f"{where} holds the number {str(value):.40}, beyond {LARGEST_NUMBER:g}")
        elif isinstance(value, list):
            for each in value:
                self.data(each, where)
        else:
            for key, each in value.items():
                self.data(key, where)
                self.data(each, f"{key!r:.80}")


def _groups(results: Sequence[CellResult]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for result in results:
        identity = result.cell.identity()
        own = {"seed": identity.pop("seed"), "data_hash": identity.pop("data_hash")}
        group = groups.setdefault(
            canonical_json([identity, result.cell.label]),
            {"cell": identity, "label": result.cell.label or result.cell.architecture, "results": []},
        )
        group["results"].append(
            own
            | {
                "status": str(result.status),
                "message": _tame(result.message),
                "seconds": round(result.seconds, 3),
                "n_parameters": result.n_parameters,
                "n_probes": result.n_probes,
                "device": result.device,
                "values": {
                    key: [value.value, value.error, value.error_kind, value.precision]
                    for key, value in result.values.items()
                },
            }
        )
    return list(groups.values())


def _tame(message: str) -> str:
    """Return a message without the characters that a receipt refuses."""
    return "".join(c if _TEXT.match(c) else " " for c in message)[:300].replace("..", ". .")


def _results(check: _Check, groups: Any, quantities: Catalogue) -> Iterable[CellResult]:
    if not isinstance(groups, list) or not groups:
        check.fail("it has no cells")
    for group in groups:
        check.keys(group, _GROUP, "a group")
        label, identity = group["label"], group["cell"]
        if not isinstance(label, str) or not _LABEL.match(label):
            check.fail(f"the label {label!r:.80} is no name of an architecture")
        if not isinstance(identity, dict) or not isinstance(group["results"], list):
            check.fail(f"a group of {label} is not understood")
        if identity.get("source_hash"):
            check.fail(f"{label} is a file of the submitter's, which nobody else can run")
        for found in group["results"]:
            check.keys(found, _RESULT, f"a cell of {label}")
            yield _result(check, label, identity, found, quantities)


def _result(
    check: _Check, label: str, identity: Mapping[str, Any], found: Mapping[str, Any], quantities: Catalogue
) -> CellResult:
    cell = {**identity, "seed": found["seed"], "data_hash": found["data_hash"]}
    values = found["values"]
    if not isinstance(values, dict) or not all(isinstance(each, list) and len(each) == 4 for each in values.values()):
        check.fail(f"the values of a cell of {label} are not understood")
    record = {
        "schema_version": SCHEMA_VERSION,
        "key": digest(cell),
        "label": label,
        **{name: found[name] for name in ("status", "message", "seconds", "n_parameters", "n_probes", "device")},
        "values": {
            key: dict(zip(("value", "error", "error_kind", "precision"), each, strict=True))
            for key, each in values.items()
        },
        "cell": cell,
        "provenance": {},
    }
    try:
        result = decode(json.dumps(record), f"a cell of {label}")
    except NtkbenchError as error:
        check.fail(str(error).rstrip("."))
    declared = quantities.get(result.cell.measurement, {})
    named = {key: key if (of := quantity_of(declared, key)) is None else of.key for key in result.values}
    # What a quantity comes with, such as its search's gain, is declared but not asked for.
    wrong = set(named.values()) - set(result.cell.quantities) - set(declared)
    if wrong or (result.status == Status.OK and not result.values):
        check.fail(f"a cell of {label} at width {result.cell.width} does not hold the quantities that it names")
    return result


def _complete(check: _Check, results: Sequence[CellResult]) -> None:
    """Refuse a receipt that lacks a cell of widths × seeds × measurements, has one twice, or mixes settings or data."""
    seeds = {result.cell.seed for result in results}
    seen: dict[tuple[Any, ...], Cell] = {}
    data: dict[tuple[Any, ...], str] = {}
    for result in results:
        cell = result.cell
        place = (
            cell.label,
            canonical_json(dict(cell.settings)),
            cell.precision,
            cell.width,
            cell.seed,
            cell.measurement,
        )
        if place in seen:
            check.fail(f"{cell.label} at width {cell.width}, seed {cell.seed}, {cell.measurement} stands there twice")
        seen[place] = cell
        form = (cell.label, cell.dataset, canonical_json(dict(cell.dataset_params)), cell.seed)
        if data.setdefault(form, cell.data_hash) != cell.data_hash:
            check.fail(f"seed {cell.seed} of {cell.label} has two data sets, so a seed was swapped")
    labels: dict[tuple[Any, ...], tuple[set[int], set[str]]] = {}
    for label, settings, precision, width, _, measurement in seen:
        widths, measurements = labels.setdefault((label, settings, precision), (set(), set()))
        widths.add(width)
        measurements.add(measurement)
    wanted = sum(len(widths) * len(measurements) * len(seeds) for widths, measurements in labels.values())
    if seeds != set(range(len(seeds))) or wanted != len(seen):
        check.fail(f"{max(wanted - len(seen), 1)} cells of its widths × seeds × measurements are missing")


def measured(receipt: Receipt) -> set[tuple[Any, ...]]:
    """Return what a receipt says of each cell: its key, its status and its values. Two of one run say the same."""
    return {
        (result.cell.key, result.status, *sorted((key, value.value) for key, value in result.values.items()))
        for result in receipt.results
    }


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()


def minor(version: Any) -> str:
    """Return the first two numbers of a version: rows of one minor version compare."""
    return ".".join(str(version).split(".")[:2])


def order(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, to be compared with those of others."""
    return tuple(int(re.match(r"\d*", part)[0] or 0) for part in version.split(".")[:2])  # type: ignore[index]
