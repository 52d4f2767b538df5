"""What happens to receipts after they are published: verifications, corrections and withdrawals, as records."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from attrs import asdict, field, frozen, validators

from ..errors import NtkbenchError
from ..store.atomic import write_atomically
from ..types import digest

Kind = Literal["verification", "correction", "withdrawal"]
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_WORDS = re.compile(r"[^\x00-\x1f<>|`]{1,300}\Z")


def _texts(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(found)


@frozen(kw_only=True)
class Record:
    """One event in a receipt's life. Records are added, never deleted.

    receipt: its hash.   by: who says so.   why: of a correction or withdrawal, or what was re-run.
    replaced_by: the hash of the corrected receipt.   cells, agreed: of a verification.   date: YYYY-MM-DD.
    rerun: the keys of a verification's cells; earlier records name none.
    time: of the day, in UTC, so that two equal re-runs are two records; earlier records have none.
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
            raise ValueError(f"it says that {self.cells} cells were run again and names {len(set(self.rerun))}")


def new_record(**fields: Any) -> Record:
    """Return a record of this moment; raise NtkbenchError for a field that cannot be accepted."""
    for name in ("by", "why"):
        if not _WORDS.match(fields[name]):
            raise NtkbenchError(
                f"{name} {fields[name]!r:.80} cannot be accepted: give 1 to 300 characters on one line without <, >, | "
                "and `."
            )
    now = datetime.datetime.now(datetime.UTC)
    return _record({"date": now.date().isoformat(), "time": f"{now:%H:%M:%S.%f}"} | fields, "The record")


def write_record(folder: Path, record: Record) -> Path:
    """Write a record under `folder`/records, under a name made of its contents, and return the file."""
    (folder / "records").mkdir(parents=True, exist_ok=True)
    path = folder / "records" / f"{record.kind}-{digest(asdict(record), 16)}.json"
    write_atomically(path, (json.dumps(asdict(record), indent=1, sort_keys=True) + "\n").encode())
    return path


def read_records(folder: Path) -> list[Record]:
    """Return the records under `folder`/records by date; raise NtkbenchError for one that cannot be accepted."""
    found = []
    for path in sorted((folder / "records").glob("*.json")):
        try:
            fields = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise NtkbenchError(f"{path} cannot be read: {error}.") from None
        if not isinstance(fields, Mapping):
            raise NtkbenchError(f"{path} is no record: it is not a JSON object.")
        found.append(_record(fields, str(path)))
    return sorted(found, key=lambda record: (record.date, record.kind, record.receipt, record.by, record.time))


def _record(fields: Mapping[str, Any], source: str) -> Record:
    try:
        return Record(**fields)
    except (TypeError, ValueError) as error:
        raise NtkbenchError(f"{source} cannot be accepted: {' '.join(str(error.args[0]).split())}.") from None
