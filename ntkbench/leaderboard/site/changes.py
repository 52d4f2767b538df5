"""Compare the board with the last one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from ...report.verdict_words import exponent, name_of, shown_law
from ..build import Board, Row, new_board, tie_changes
from ..receipt import Receipt
from ..records import Record
from ..standing import load_board


@frozen
class Changes:
    """What changed between two boards.

    Attributes:
        against: Sentences on the board that is compared with.
        sections: Sentences by heading.
    """

    against: str
    sections: Mapping[str, Sequence[str]]


def changes(board: Board, folder: Path, before: Path | None = None) -> Changes:
    """Return the changes since the last board.

    Receipts carry no date. Without an earlier copy of the folder, the last board is therefore the one before the day of
    the last correction or withdrawal, which are dated.

    Args:
        board: The present board.
        folder: The folder of boards.
        before: An earlier copy of the folder.
    """
    try:
        if before is not None:
            receipts, records, _ = load_board(before)
            against = f"The last board is that of an earlier copy of the folder, with {_listed(receipts)}."
        else:
            days = [record.date for record in board.records if record.kind != "verification"]
            if not days:
                first = "No receipt was corrected or withdrawn, and receipts carry no date: this is the first board."
                return Changes(first, {})
            receipts, records, _ = load_board(folder, before=max(days))
            against = (
                f"The last board is the one before {max(days)}, the day of the last correction or withdrawal, with "
                f"{_listed(receipts)}. Receipts carry no date, so submissions added since then count as part of it."
            )
        last = new_board(receipts, records)
    except Exception:  # a receipt that was withdrawn because no board can be built from it
        return Changes("This version of ntkbench cannot read the last board, so there is nothing to compare with.", {})
    known = set(records)
    since = [record for record in board.records if record not in known]
    return Changes(against, _sections(last, board, since))


def _listed(receipts: Sequence[Receipt]) -> str:
    names = [receipt.name for receipt in receipts]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"the submissions {', '.join(names[:10])}{more}" if names else "no submissions"


def _sections(last: Board, board: Board, since: Sequence[Record]) -> dict[str, list[str]]:
    old, new = _by_place(last.rows, board.records), _by_place(board.rows, board.records)
    several = len({row.receipt.hash for row in board.rows}) > 1 or len({row.receipt.hash for row in last.rows}) > 1

    def name(of: Row) -> str:
        return name_of(of.verdict) + (f" of {of.receipt.name}" if several else "")

    both = [(old[place], new[place]) for place in old if place in new]
    changed = [(was, now) for was, now in both if was.verdict.name != now.verdict.name]
    kept = len(both) - len(changed)
    return {
        "Verdicts": [
            f"{name(now)}: {was.verdict.name} ({exponent(shown_law(was.verdict))}) → {now.verdict.name} "
            f"({exponent(shown_law(now.verdict))}): {now.verdict.reason}."
            for was, now in changed
        ]
        + ([f"{kept} {'row keeps its' if kept == 1 else 'rows keep their'} verdict."] if kept else []),
        "New rows": [f"{name(row)}: {row.verdict.name}" for place, row in new.items() if place not in old],
        "Rows that are gone": [
            f"{name(row)}: was {row.verdict.name}" for place, row in old.items() if place not in new
        ],
        "Ties": tie_changes(last, board),
        "Records": [f"{_words(record)} by {record.by}, {record.date}: {record.why}." for record in since],
    }


def _words(of: Record) -> str:
    if of.kind == "verification":
        return f"{of.agreed} of {of.cells} cells of receipt {of.receipt[:12]} agreed when they were run again"
    return f"{of.kind.capitalize()} of receipt {of.receipt[:12]}"


def _by_place(rows: Iterable[Row], records: Iterable[Record]) -> dict[tuple[str, str], Row]:
    """Return rows by their name and the receipt that their receipt was finally replaced by."""
    successor = {record.receipt: record.replaced_by for record in records if record.replaced_by}

    def last_of(receipt: str) -> str:
        seen = {receipt}
        while (following := successor.get(receipt)) is not None and following not in seen:
            receipt = following
            seen.add(receipt)
        return receipt

    return {(name_of(row.verdict), last_of(row.receipt.hash)): row for row in rows}
