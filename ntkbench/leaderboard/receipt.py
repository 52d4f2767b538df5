"""Read and write receipts: one run as one JSON file of plain data. Every field is checked before it is used."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn, get_args

from attrs import fields, frozen

from .._version import __version__
from ..errors import NtkbenchError
from ..reading import read_regular
from ..registry.code import OWN
from ..store.cell_file import READABLE, SCHEMA_VERSION, curve_to_json, decode, plain
from ..store.manifest import Catalogue, catalogue, companions
from ..store.manifest_types import check_types
from ..store.stored_run import StoredRun
from ..types import (
    HEADLINES,
    Cell,
    CellResult,
    Precision,
    Settings,
    Status,
    Width,
    canonical_json,
    digest,
    quantity_of,
)

KIND = "ntkbench-receipt"
RULES = 1
"""Version of the rules, of the receipt format and of the boards' folder (leaderboards/v1)."""
LARGEST_FILE = 64 * 2**20
LARGEST_NUMBER = 1e100
LONGEST_TEXT = 2000
DEEPEST = 20
"""Largest number of lists and objects inside each other."""
NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|\Z)")
"""Reserved device names of Windows, with any suffix: a repository with such a file cannot be checked out there."""
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}(?:[.a-z+-][a-z0-9.+-]{0,40})?\Z")
_TEXT = re.compile(
    r"[^\x00-\x1f\x7f-\x9f<>\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]*\Z"
)
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:,=+-]{0,199}\Z")
_FIELDS = {"kind", "rules", "name", "ntkbench", "schema_version", "plan", "environment", "groups", "hash"}
_PLAN = {"settings", "theory", "width_means", "quantities"}
_GROUP = {"cell", "label", "results"}
_RESULT = {"seed", "data_hash", "status", "message", "seconds", "n_parameters", "n_probes", "device", "values"}


Partners = Mapping[str, Mapping[str, Sequence[str]] | None]
"""Companion keys by measurement and result key; None for a measurement whose plan does not list them."""


@frozen
class Receipt:
    """A checked receipt.

    Attributes:
        name: Name of the submission.
        hash: SHA-256 of the other contents.
        environment: Versions and hardware of the run.
        manifest: The parts of the run's manifest that tables need.
        results: Results of the cells.
        version: Version of ntkbench that wrote the receipt.
    """

    name: str
    hash: str
    environment: Mapping[str, Any]
    manifest: Mapping[str, Any]
    results: tuple[CellResult, ...]
    version: str = __version__


class OtherVersion(NtkbenchError):
    """Raised for a receipt that only another version of ntkbench can read. why: the reason, without a period."""

    def __init__(self, source: str, why: str):
        super().__init__(f"{source} is rejected: {why}.")
        self.why = why


def write_receipt(run: StoredRun, name: str, dataset: str | None = None) -> bytes:
    """Return the receipt of a finished run as canonical bytes: equal runs give equal bytes.

    Args:
        run: The run.
        name: Name of the submission.
        dataset: Label of the dataset whose cells are submitted; needed only if the run has several.

    Raises:
        NtkbenchError: If the name is invalid, the run has unreadable files or missing cells, it has several datasets
            or none of this label, another version of ntkbench measured it, it used a user's own file, which others
            could not run, or it chose units or weights that its architectures do not declare.
    """
    if not NAME.match(name):
        raise NtkbenchError(
            f"Invalid submission name {name!r}. Use at most 64 lowercase letters, digits, '.', '-' and '_', such as "
            "'board-2026'."
        )
    if _DEVICE.match(name):
        raise NtkbenchError(f"Invalid submission name {name!r}: Windows reserves it for devices. Choose another one.")
    results = run.results
    if run.problems:
        raise NtkbenchError(f"{run.path} contains files that cannot be read: {run.problems[0]}")
    missing = set(run.manifest.get("cells", ())) - {result.cell.key for result in results}
    if missing or not results:
        raise NtkbenchError(
            f"{run.path} is not finished: {len(missing)} planned cells are missing. Rerun its `ntkbench run` command "
            "to measure them, then submit."
        )
    submitted = _on_one_dataset(run, results, dataset)
    built_in = {each.cell.measurement_version for each in submitted if each.cell.measurement_plugin == OWN}
    built_in |= {each.cell.architecture_version for each in submitted if each.cell.architecture_plugin == OWN}
    if others := sorted(version for version in built_in if minor(version) != minor(__version__)):
        raise NtkbenchError(
            f"{run.path} was measured with ntkbench {others[0]}, and this is {__version__}; rows of different versions "
            f"are not comparable. Submit it with ntkbench {others[0]}, or measure it again."
        )
    own = sorted({result.cell.label for result in submitted if result.cell.source_hash})
    if own:
        raise NtkbenchError(f"{own[0]} is a local file, which others cannot run. Turn it into a plugin to submit it.")
    chosen = [each.get("options", {}) for each in run.manifest.get("invocations", ())]
    if any(options.get("units") or options.get("redraw") for options in chosen):
        raise NtkbenchError(
            f"{run.path} was measured with --units or --redraw, but rows of a board are in the coordinates that each "
            "architecture declares. Run it without these options, then submit."
        )
    body = {
        "kind": KIND,
        "rules": RULES,
        "name": name,
        "ntkbench": __version__,
        "schema_version": SCHEMA_VERSION,
        "plan": {key: run.manifest.get(key, {}) for key in sorted(_PLAN)},
        "environment": run.manifest.get("provenance", {}),
        "groups": _groups(submitted),
    }
    body = plain(body)
    text = canonical_json(body | {"hash": _hash(body)}) + "\n"
    data = text.replace('{"cell":', '\n{"cell":').encode()
    read_receipt(data, name)
    return data


def _on_one_dataset(run: StoredRun, results: Sequence[CellResult], dataset: str | None) -> Sequence[CellResult]:
    labels = list(dict.fromkeys(result.cell.dataset_label for result in results))
    listed = ", ".join(labels)
    if dataset is None and len(labels) > 1:
        raise NtkbenchError(
            f"{run.path} holds results on {len(labels)} datasets ({listed}), but a submission has one, so that all its "
            "rows are comparable. Choose one with --dataset, and submit the others under other names."
        )
    if dataset is not None and dataset not in labels:
        raise NtkbenchError(f"{run.path} has no results on {dataset!r}. Choose --dataset from: {listed}.")
    return [result for result in results if dataset in (None, result.cell.dataset_label)]


def load_receipt(path: Path) -> Receipt:
    """Read and check the receipt in a file.

    Raises:
        OtherVersion: If only another version of ntkbench can read it.
        NtkbenchError: If the file cannot be read or the receipt is invalid; the message gives the reason.
    """
    receipt = read_receipt(_read(path), str(path))
    if path.name != f"{receipt.name}.json":
        raise NtkbenchError(
            f"{path} is rejected: its receipt is named {receipt.name!r}, so the file must be named {receipt.name}.json."
        )
    return receipt


def hash_of_file(path: Path) -> str:
    """Return the hash by which records refer to the receipt in a file, even if the receipt is invalid.

    The hash is computed from the contents and never read from them. Otherwise, withdrawing a forged copy would also
    withdraw the genuine receipt.

    Raises:
        NtkbenchError: If the file cannot be read.
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
        return read_regular(path)
    except OSError as error:
        raise NtkbenchError(f"{path} could not be read: {error.strerror or error}.") from None


def read_receipt(data: bytes, source: str) -> Receipt:
    """Parse a receipt and check every field: format, names, numbers, hash, and that no cell is missing.

    Receipts that an earlier version of ntkbench wrote in the same format are accepted.

    Args:
        data: Contents of the file.
        source: Name of the file for error messages.

    Raises:
        OtherVersion: If the receipt has another format or comes from a later version of ntkbench.
        NtkbenchError: If the receipt is invalid; the message gives the reason.
    """
    check = _Check(source)
    body = check.parse(data)
    if body.get("kind") != KIND:
        check.fail(f"its kind is {body.get('kind')!r:.80}, not {KIND!r}")
    rules, schema, version = (body.get(name) for name in ("rules", "schema_version", "ntkbench"))
    if rules != RULES or schema not in READABLE:
        raise OtherVersion(
            source,
            f"it follows rules {rules!r:.20} and schema {schema!r:.20}; this version reads rules {RULES} and schemas "
            f"{' and '.join(map(str, READABLE))}",
        )
    if not isinstance(version, str) or not _VERSION.match(version):
        check.fail(f"{version!r:.80} is not a version of ntkbench")
    if order(version) > order(__version__):
        raise OtherVersion(
            source,
            f"it was written by ntkbench {version}, this is {__version__}; only rows of one version are comparable",
        )
    check.keys(body, _FIELDS, "the receipt")
    if not isinstance(body["name"], str) or not NAME.match(body["name"]) or _DEVICE.match(body["name"]):
        check.fail(f"its name {body['name']!r} is invalid: use lowercase letters, digits, '.', '-' and '_'")
    check.data(body, "it", DEEPEST)
    if body["hash"] != _hash({key: value for key, value in body.items() if key != "hash"}):
        check.fail("its hash does not match its contents: the file was changed after it was written")
    check.keys(body["plan"], _PLAN, "its plan")
    manifest = {**body["plan"], "provenance": body["environment"], "labels": {}, "cells": []}
    try:
        check_types(manifest)
    except ValueError as error:
        check.fail(f"its plan or its environment is invalid ({str(error).replace('$.provenance', '$.environment')})")
    if lacking := [each.name for each in fields(Settings) if each.name not in manifest["settings"]]:
        check.fail(f"the settings of its plan lack {lacking[0]}")
    quantities = catalogue(manifest)
    partners = {measurement: companions(manifest, measurement) for measurement in quantities}
    results = tuple(_results(check, body["groups"], quantities, partners))
    _complete(check, results, quantities)
    return Receipt(body["name"], body["hash"], body["environment"], manifest, results, version)


class _Check:
    """Check parts of a receipt, and raise NtkbenchError with the reason if one is rejected."""

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
                self.fail(f"an object contains the key {twice!r:.80} twice")
            return found

        try:
            body = json.loads(
                data,
                object_pairs_hook=once,
                parse_constant=lambda name: self.fail(f"it contains {name}, which is not a number"),
            )
        except (ValueError, RecursionError) as error:
            self.fail(f"it is not JSON ({error})")
        if not isinstance(body, dict):
            self.fail("it is not a JSON object")
        return body

    def keys(self, found: Any, known: Iterable[str], what: str) -> None:
        if not isinstance(found, dict) or set(found) != set(known):
            names = set(found) ^ set(known) if isinstance(found, dict) else {"everything"}
            self.fail(f"{sorted(names)[0]!r:.80} is missing or not allowed in {what}")

    def data(self, value: Any, where: str, depth: int) -> None:
        """Reject long text, markup, invisible characters, paths with "..", very large numbers, and deep nesting."""
        if depth < 0:
            self.fail(f"it has more than {DEEPEST} lists and objects inside each other")
        if isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                self.fail(f"{where} contains a text of {len(value)} characters; the maximum is {LONGEST_TEXT}")
            if not _TEXT.match(value):
                self.fail(f"{where} contains the text {value!r:.80}, with markup or invisible characters")
            if re.search(r"(?:^|[\\/])\.\.(?:[\\/]|$)", value):
                self.fail(f"{where} contains {value!r:.80}, a path with '..'")
        elif isinstance(value, bool) or value is None:
            pass
        elif isinstance(value, int | float):
            if not abs(value) <= LARGEST_NUMBER:
                self.fail(f"{where} contains the number {value!s:.40}, which exceeds {LARGEST_NUMBER:g}")
        elif isinstance(value, list):
            for each in value:
                self.data(each, where, depth - 1)
        else:
            for key, each in value.items():
                self.data(key, where, depth)
                self.data(each, f"{key!r:.80}", depth - 1)


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
                "message": _sanitise(result.message),
                "seconds": round(result.seconds, 3),
                "n_parameters": result.n_parameters,
                "n_probes": result.n_probes,
                "device": result.device,
                "values": {
                    key: [value.value, value.error, value.error_kind, value.precision]
                    for key, value in result.values.items()
                },
            }
            | _curves(result)
        )
    return list(groups.values())


def _curves(result: CellResult) -> dict[str, Any]:
    """Return the curves of a result as plain JSON; nothing if it has none, so that the other receipts do not grow."""
    if not result.curves:
        return {}
    return {"curves": {name: curve_to_json(curve) for name, curve in result.curves.items()}}


def _sanitise(message: str) -> str:
    """Return a message without the characters that receipts reject."""
    return "".join(c if _TEXT.match(c) else " " for c in message)[:300].replace("..", ". .")


def _results(check: _Check, groups: Any, quantities: Catalogue, partners: Partners) -> Iterable[CellResult]:
    if not isinstance(groups, list) or not groups:
        check.fail("it has no cells")
    for group in groups:
        check.keys(group, _GROUP, "a group")
        label, identity = group["label"], group["cell"]
        if not isinstance(label, str) or not _LABEL.match(label):
            check.fail(f"the label {label!r:.80} is not a valid name of an architecture")
        if not isinstance(identity, dict) or not isinstance(group["results"], list):
            check.fail(f"a group of {label} is invalid")
        name = identity.get("architecture")
        if label != name and not label.startswith(f"{name}:"):
            check.fail(f"{label} is the label of cells of the architecture {name!r:.80}")
        if identity.get("source_hash"):
            check.fail(f"{label} is a local file of the submitter, which others cannot run")
        for found in group["results"]:
            held = {"curves"} if isinstance(found, dict) and "curves" in found else set()
            check.keys(found, _RESULT | held, f"a cell of {label}")
            yield _result(check, label, identity, found, quantities, partners)


def _result(
    check: _Check,
    label: str,
    identity: Mapping[str, Any],
    found: Mapping[str, Any],
    quantities: Catalogue,
    partners: Partners,
) -> CellResult:
    cell = {**identity, "seed": found["seed"], "data_hash": found["data_hash"]}
    values = found["values"]
    if not isinstance(values, dict) or not all(isinstance(each, list) and len(each) == 4 for each in values.values()):
        check.fail(f"the values of a cell of {label} are invalid")
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
        "curves": found.get("curves", {}),
    }
    try:
        result = decode(json.dumps(record), f"a cell of {label}")
    except NtkbenchError as error:
        check.fail(str(error).rstrip("."))
    for key, value in result.values.items():
        if key.partition(":")[0] in HEADLINES and (value.value or 0.0) < 0:
            check.fail(f"{key} of a cell of {label} is {value.value}, but it cannot be negative")
        if (value.error or 0.0) < 0:
            check.fail(f"the error of {key} of a cell of {label} is {value.error}, but it cannot be negative")
    for precision in {result.cell.precision, *(value.precision for value in result.values.values())} - {None, ""}:
        if precision not in get_args(Precision):
            check.fail(f"the precision {precision!r:.80} of a cell of {label} is unknown")
    declared = quantities.get(result.cell.measurement, {})
    named = {key: key if (of := quantity_of(declared, key)) is None else of.key for key in result.values}
    # Companions of a quantity, such as the gain of its search, are measured without being requested. Plans of earlier
    # versions do not list them, so every declared quantity is accepted there.
    known = partners.get(result.cell.measurement)
    requested = set(result.cell.quantities)
    accepted = set(declared) if known is None else {each for key in requested for each in known.get(key, ())}
    wrong = (set(named.values()) - requested - accepted) | (set(result.curves) - requested)
    if wrong or (result.status == Status.OK and not result.values and not result.curves):
        check.fail(f"a cell of {label} at width {result.cell.width} does not contain the quantities that it names")
    return result


def _complete(check: _Check, results: Sequence[CellResult], quantities: Catalogue) -> None:
    """Reject a receipt with missing or duplicate cells of widths × seeds × measurements, or with mixed data."""
    seeds = {result.cell.seed for result in results}
    seen: dict[tuple[Any, ...], Cell] = {}
    data: dict[tuple[str, str], dict[int, str]] = {}
    datasets = list(dict.fromkeys(result.cell.dataset_label for result in results))
    if len(datasets) > 1:
        check.fail(f"it has cells on {len(datasets)} datasets ({', '.join(datasets[:3])}), but a receipt has one")
    for result in results:
        cell = result.cell
        place = (
            cell.label,
            canonical_json(dict(cell.settings)),
            cell.precision,
            cell.width,
            cell.seed,
            # Curves may have been measured apart from the numbers.
            (cell.measurement, _has_numbers(cell, quantities)),
        )
        if place in seen:
            check.fail(f"it contains {cell.label} at width {cell.width}, seed {cell.seed}, {cell.measurement} twice")
        seen[place] = cell
        of_seeds = data.setdefault((cell.label, cell.measurement), {})
        if of_seeds.setdefault(cell.seed, cell.data_hash) != cell.data_hash:
            check.fail(f"seed {cell.seed} of {cell.label} has two datasets, so seeds were swapped")
    labels: dict[tuple[Any, ...], tuple[set[Width], set[str]]] = {}
    for label, settings, precision, width, _, measurement in seen:
        # Fewer measurements exist at infinite width than at the others.
        infinite = width == math.inf
        widths, measurements = labels.setdefault((label, settings, precision, infinite), (set(), set()))
        widths.add(width)
        measurements.add(measurement)
    wanted = sum(len(widths) * len(measurements) * len(seeds) for widths, measurements in labels.values())
    if seeds != set(range(len(seeds))) or wanted != len(seen):
        check.fail(f"{max(wanted - len(seen), 1)} cells of its widths × seeds × measurements are missing")
    of_labels: dict[str, list[dict[int, str]]] = {}
    for (label, _), of_seeds in data.items():
        of_labels.setdefault(label, []).append(of_seeds)
    for label, of_measurements in of_labels.items():
        # The data of a measurement that needs a task are the probes and the task, so all their hashes are others.
        for one, other in combinations(of_measurements, 2):
            if one != other and set(one.values()) & set(other.values()):
                check.fail(f"{label} has the data of one seed under two, so seeds were swapped")


def _has_numbers(cell: Cell, quantities: Catalogue) -> bool:
    """Return whether a cell requests anything besides curves."""
    declared = quantities.get(cell.measurement, {})
    return any(key not in declared or declared[key].per != "point" for key in cell.quantities)


def measured(receipt: Receipt) -> set[tuple[Any, ...]]:
    """Return key, status and values of each cell. Two receipts of one run have the same ones."""
    return {
        (result.cell.key, result.status, *sorted((key, value.value) for key, value in result.values.items()))
        for result in receipt.results
    }


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()


def minor(version: Any) -> str:
    """Return the first two numbers of a version; rows of one minor version are comparable."""
    return ".".join(str(version).split(".")[:2])


def order(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version as a tuple, for comparisons."""
    return tuple(int(re.match(r"\d*", part)[0] or 0) for part in version.split(".")[:2])  # type: ignore[index]
