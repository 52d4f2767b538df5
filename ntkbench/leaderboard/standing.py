"""The receipts of a folder of boards that stand: neither withdrawn, nor of another version, nor there twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import NtkbenchError
from .receipt import RULES, OtherVersion, Receipt, hash_of_file, load_receipt, measured, order
from .records import Record, read_records

FOLDER = f"v{RULES}"
"""Of the board that is built, in the folder of boards."""


def load_board(folder: Path) -> tuple[list[Receipt], list[Record], list[str]]:
    """Return the receipts under `folder`/submissions that make the board, all records, and remarks on receipts.

    Left out, each with a remark: receipts of another version than the board's, which is the newest among them, and a
    second receipt of one run. Those that were withdrawn are not even read.

    Raises NtkbenchError for any other receipt or record that cannot be accepted: a board is built of sound parts only.
    """
    paths = sorted((folder / "submissions").glob("*.json"))
    records = read_records(folder)
    gone = _gone(records)
    if not paths and not (folder / FOLDER / "manifest.json").exists():
        raise NtkbenchError(
            f"{folder / 'submissions'} holds no receipt that stands; make one with `ntkbench leaderboard submit RUN`."
        )
    receipts, remarks = [], []
    for path in paths:
        if hash_of_file(path) in gone:
            continue
        try:
            receipts.append(load_receipt(path))
        except OtherVersion as error:
            remarks.append(f"{path.stem} is left out: {error.why}.")
        except NtkbenchError as error:
            way = f"ntkbench leaderboard withdraw {path} --by NAME --why TEXT"
            raise NtkbenchError(f"{error} To build the board without it, withdraw it: `{way}`.") from None
    newest = max((order(receipt.version) for receipt in receipts), default=())
    kept: dict[str, set[tuple[Any, ...]]] = {}
    for receipt in receipts:
        own = measured(receipt)
        # Exact zeros are alike in every run.
        same = {name: sum(any(v for _, v in cell[2:]) for cell in own & theirs) for name, theirs in kept.items()}
        twin = next((name for name, theirs in kept.items() if own == theirs), None)
        if order(receipt.version) != newest:
            remarks.append(
                f"{receipt.name} is left out: it is of ntkbench {receipt.version}, the other rows are of "
                f"{'.'.join(map(str, newest))}, and only one version's rows compare."
            )
        elif twin is not None:
            remarks.append(
                f"{receipt.name} is left out: it is the same run as {twin}, cell by cell and value by value."
            )
        else:
            kept[receipt.name] = own
            remarks += [
                f"{receipt.name} and {name} share {count} cells with the same values, as receipts of one run do."
                for name, count in same.items()
                if count
            ]
    return [receipt for receipt in receipts if receipt.name in kept], records, remarks


def twin_of(receipt: Receipt, folder: Path) -> str | None:
    """Return the name of a receipt under `folder`/submissions that stands and holds every cell of this one, or None.

    Receipts that cannot be accepted are passed over.
    """
    gone, own = _gone(read_records(folder)), measured(receipt)
    for path in sorted((folder / "submissions").glob("*.json")):
        with contextlib.suppress(NtkbenchError):
            if path.stem != receipt.name and hash_of_file(path) not in gone and own <= measured(load_receipt(path)):
                return path.stem
    return None


def _gone(records: Iterable[Record]) -> set[str]:
    """Return the hashes of the receipts that were taken off the board."""
    return {record.receipt for record in records if record.kind in ("withdrawal", "correction")}
