"""Read and write records of what happens to a published receipt: verifications, corrections and withdrawals."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from attrs import asdict, field, frozen, validators

from ..atomic import create_folder, write_atomically
from ..errors import NtkbenchError
from ..reading import read_regular
from ..types import digest

Kind = Literal["verification", "correction", "withdrawal"]
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_WORDS = re.compile(r"(?=.*\S)[^\x00-\x1f\x7f-\x9f<>|`\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]{1,300}\Z")


def _texts(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(found)


@frozen(kw_only=True)
class Record:
    """One event concerning a published receipt. Records are added, never deleted.

    Attributes:
        kind: "verification", "correction" or "withdrawal".
        receipt: Hash of the receipt.
        by: Name of the author of the record.
        why: Reason for a correction or withdrawal; for a verification, a description of the re-run.
        date: Date as YYYY-MM-DD.
        replaced_by: Hash of the corrected receipt.
        cells: Number of cells that a verification re-ran.
        agreed: Number of these cells that agreed.
        rerun: Keys of these cells; empty in older records.
        time: Time of day in UTC, so that two equal re-runs are two records; empty in older records.
    """

    kind: Kind = field(validator=validators.in_(get_args(Kind)))
    receipt: str = field(validator=validators.matches_re(_HASH))
    by: str = field(validator=validators.matches_re(_WORDS))
    why: str = field(validator=validators.matches_re(_WORDS))
    date: str = field(validator=validators.matches_re(r"\d{4}-\d\d-\d\d\Z"))
    replaced_by: str = field(default="", validator=validators.matches_re(r"(?:[0-9a-f]{64})?\Z"))
    cells: int = field(default=0, validator=[validators.instance_of(int), validators.ge(0)])
    agreed: int = field(default=0, validator=[validators.instance_of(int), validators.ge(0)])
    rerun: tuple[str, ...] = field(
        default=(), converter=_texts, validator=validators.deep_iterable(validators.matches_re(r"[0-9a-f]{32}\Z"))
    )
    time: str = field(default="", validator=validators.matches_re(r"(?:\d\d:\d\d:\d\d\.\d{6})?\Z"))

    def __attrs_post_init__(self) -> None:
        if self.rerun and not len(set(self.rerun)) == len(self.rerun) == self.cells:
            raise ValueError(f"it reports {self.cells} re-run cells but names {len(set(self.rerun))}")
        if self.agreed > self.cells:
            raise ValueError(f"{self.agreed} cells agreed, but only {self.cells} were re-run")
        if self.replaced_by == self.receipt:
            raise ValueError("it replaces a receipt by itself")
        datetime.date.fromisoformat(self.date)
        if self.time:
            datetime.time.fromisoformat(self.time)


def new_record(**fields: Any) -> Record:
    """Return a record with the present date and time.

    Args:
        **fields: The other fields of `Record`.

    Raises:
        NtkbenchError: If a field is invalid.
    """
    for name in ("by", "why"):
        if not _WORDS.match(fields[name]):
            raise NtkbenchError(
                f"Invalid {name} {fields[name]!r:.80}. Use 1 to 300 characters on one line, not only spaces, without "
                "<, >, | and `."
            )
    now = datetime.datetime.now(datetime.UTC)
    return _record({"date": now.date().isoformat(), "time": f"{now:%H:%M:%S.%f}"} | fields, "The record")


def write_record(folder: Path, record: Record) -> Path:
    """Write a record to `folder`/records, in a file named by its contents, and return the path."""
    create_folder(folder / "records")
    path = folder / "records" / f"{record.kind}-{digest(asdict(record), 16)}.json"
    write_atomically(path, (json.dumps(asdict(record), indent=1, sort_keys=True) + "\n").encode())
    return path


def read_records(folder: Path) -> list[Record]:
    """Return the records in `folder`/records, sorted by date.

    Raises:
        NtkbenchError: If a file cannot be read or is not a valid record.
    """
    found = []
    for path in sorted((folder / "records").glob("*.json")):
        try:
            fields = json.loads(read_regular(path))
        except (OSError, ValueError, RecursionError) as error:
            raise NtkbenchError(f"{path} cannot be read: {error}.") from None
        if not isinstance(fields, Mapping):
            raise NtkbenchError(f"{path} is not a record: it does not contain a JSON object.")
        found.append(_record(fields, str(path)))
    return sorted(found, key=lambda record: (record.date, record.kind, record.receipt, record.by, record.time))


def _record(fields: Mapping[str, Any], source: str) -> Record:
    try:
        return Record(**fields)
    except (TypeError, ValueError) as error:
        raise NtkbenchError(f"{source} is not valid: {' '.join(str(error.args[0]).split())}.") from None
