"""Select the receipts that a board is built from: not withdrawn, of the newest version, and without duplicates."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import NtkbenchError, reason_of
from ..registry.current import registry
from .bounds import bound_problems
from .receipt import RULES, OtherVersion, Receipt, hash_of_file, load_receipt, measured, order
from .records import Record, read_records

FOLDER = f"v{RULES}"
"""Name of the board's folder inside the folder of boards."""


def load_board(folder: Path, before: str = "") -> tuple[list[Receipt], list[Record], list[str]]:
    """Load the receipts in `folder`/submissions that the board is built from.

    The version of the board is the newest version among its receipts. Receipts of older versions and duplicate receipts
    of one run are left out, each with a remark. Withdrawn receipts are not read at all.

    Args:
        folder: The folder of boards.
        before: Load the board as it was before the records of this date (YYYY-MM-DD): receipts that were corrected or
            withdrawn later are on it, the corrected ones are not. Default: the present board.

    Returns:
        The receipts, all records (those before the date), and remarks on receipts.

    Raises:
        NtkbenchError: If there is no receipt, or if any other receipt or a record is invalid, or if a number is outside
            the bounds that its installed measurement declares.
    """
    paths = sorted((folder / "submissions").glob("*.json"))
    records = read_records(folder)
    later = [record for record in records if before and record.date >= before]
    records = [record for record in records if record not in later]
    gone, restored = _gone(records) | {record.replaced_by for record in later}, _gone(later)
    if not paths and not (folder / FOLDER / "manifest.json").exists():
        raise NtkbenchError(
            f"{folder / 'submissions'} contains no receipts. Create one with `ntkbench leaderboard submit RUN`."
        )
    receipts, remarks = [], []
    hashes = {path: hash_of_file(path) for path in paths}
    for path, own_hash in hashes.items():
        if own_hash in gone:
            continue
        try:
            receipt = load_receipt(path)
            for problem in bound_problems(receipt, registry()):
                raise NtkbenchError(f"{path} is rejected: {problem}.")
            receipts.append(receipt)
        except OtherVersion as error:
            remarks.append(f"{path.stem} is left out: {error.why}.")
        except NtkbenchError as error:
            if own_hash in restored:  # it was withdrawn because it is invalid
                continue
            if other := next((each for each in paths if each != path and hashes[each] == own_hash), None):
                # Withdrawing it would withdraw the other one, too.
                raise NtkbenchError(f"{error} It is a copy of {other}; delete it.") from None
            raise _with_remedy(str(error), path) from None
    newest = max((order(receipt.version) for receipt in receipts), default=())
    kept: dict[str, set[tuple[Any, ...]]] = {}
    for receipt in receipts:
        own = measured(receipt)
        # Cells of exact zeros are equal in every run, so they do not indicate a duplicate.
        same = {name: sum(any(v for _, v in cell[2:]) for cell in own & theirs) for name, theirs in kept.items()}
        twin = next((name for name, theirs in kept.items() if own == theirs), None)
        if order(receipt.version) != newest:
            remarks.append(
                f"{receipt.name} is left out: it was measured with ntkbench {receipt.version}, the other rows with "
                f"{'.'.join(map(str, newest))}; only rows of one version are comparable."
            )
        elif twin is not None:
            remarks.append(
                f"{receipt.name} is left out: it is the same run as {twin}, cell by cell and value by value."
            )
        else:
            kept[receipt.name] = own
            remarks += [
                f"{receipt.name} and {name} share {count} cells with the same values, like receipts of one run."
                for name, count in same.items()
                if count
            ]
    return [receipt for receipt in receipts if receipt.name in kept], records, remarks


@contextlib.contextmanager
def naming_the_cause(folder: Path, receipts: Sequence[Receipt], alone: Callable[[Receipt], object]) -> Iterator[None]:
    """Turn an unexpected error into a sentence that names the receipt that causes it, and how to withdraw it.

    Args:
        folder: The folder of boards.
        receipts: The receipts on the board.
        alone: Does with one receipt what is done with all of them; the receipt that it fails for is the cause.
    """
    try:
        yield
    except NtkbenchError:
        raise
    except Exception:
        for receipt in receipts:
            try:
                alone(receipt)
            except Exception as error:
                path = folder / "submissions" / f"{receipt.name}.json"
                why = f"{path} is rejected: no board can be built from it ({reason_of(error)})."
                raise _with_remedy(why, path) from error
        raise


def _with_remedy(why: str, path: Path) -> NtkbenchError:
    way = f"ntkbench leaderboard withdraw {path} --by NAME --why TEXT"
    return NtkbenchError(f"{why} To build the board without this receipt, withdraw it: `{way}`.")


def twin_of(receipt: Receipt, folder: Path) -> str | None:
    """Return the name of a receipt in `folder`/submissions that contains every cell of this one, or None.

    Withdrawn and invalid receipts are skipped.
    """
    gone, own = _gone(read_records(folder)), measured(receipt)
    for path in sorted((folder / "submissions").glob("*.json")):
        with contextlib.suppress(NtkbenchError):
            if path.stem != receipt.name and hash_of_file(path) not in gone and own <= measured(load_receipt(path)):
                return path.stem
    return None


def _gone(records: Iterable[Record]) -> set[str]:
    """Return the hashes of the receipts that were withdrawn or replaced by a corrected one."""
    return {record.receipt for record in records if record.kind in ("withdrawal", "correction")}
