"""Build the site: read the folder of boards, and write every page, plot and file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import evolve

from ...errors import NtkbenchError
from ...reading import read_regular
from ...registry.current import registry as the_registry
from ...report.data import csv_bytes, json_bytes, parquet_bytes
from ...store.frame import COLUMNS, frame_of_rows, rows as tidy_rows
from ...store.manifest import catalogue
from ..build import Board, new_board
from ..receipt import Receipt, hash_of_file
from ..records import Record
from ..standing import load_board, naming_the_cause
from . import pages
from .addresses import stem
from .changes import changes
from .folder import refuse_foreign, write_site
from .pages import Site
from .rows import pairs_of, site_rows


def build_site(
    folder: Path,
    out: Path,
    *,
    before: Path | None = None,
    url: str = "",
    tell: Callable[[str], object] = lambda sentence: None,
) -> int:
    """Write the site of a board. The same receipts and records give the same bytes; TensorFlow is not imported.

    Args:
        folder: Folder of submissions, records and boards.
        out: Folder of the site: a new or empty one, or that of an earlier site, whose files that are no longer part of
            the site are removed. It must be outside `folder`.
        before: An earlier copy of `folder`, for the page of changes; see `changes`.
        url: Address under which the site will be published, for the badges.
        tell: Called with a sentence for each receipt that is left out.

    Returns:
        The number of files.

    Raises:
        NtkbenchError: If there is no receipt, a receipt or a record is invalid, or `out` holds anything but a site.
    """
    # The site has .json files and a folder submissions/, which the next build would read as receipts and records.
    site, boards = out.resolve(), folder.resolve()
    if site.is_relative_to(boards) or boards.is_relative_to(site):
        where = "is" if site == boards else "holds" if boards.is_relative_to(site) else "is inside"
        raise NtkbenchError(
            f"{out} {where} the folder of receipts and records, {folder}. Choose another folder for the site."
        )
    refuse_foreign(out)
    receipts, records, remarks = load_board(folder)
    for remark in remarks:
        tell(remark)

    def board_of(receipts: Sequence[Receipt], records: Sequence[Record] = (), remarks: Sequence[str] = ()) -> Board:
        return evolve(new_board(receipts, records), remarks=tuple(remarks))

    with naming_the_cause(folder, receipts, lambda each: _files(folder, [each], board_of([each]), before, url)):
        files = _files(folder, receipts, board_of(receipts, records, remarks), before, url)
    return write_site(out, files)


def _files(folder: Path, receipts: Sequence[Receipt], board: Board, before: Path | None, url: str) -> dict[str, bytes]:
    """Return the files of a site by name."""
    registry = the_registry()
    rows = tuple(site_rows(board.rows, registry))
    rules = _rules(folder)
    site = Site(board, rows, tuple(pairs_of(rows, registry)), rules is not None, url)
    files = dict(_row_files(site, receipts))
    files |= _submission_files(site, folder, receipts)
    if rules is not None:
        files["rules.html"] = pages.rules_page(site, rules)
    return files | {"changes.html": pages.changes_page(site, changes(board, folder, before))}


def _rules(folder: Path) -> str | None:
    """Return the text of RULES.md, None if there is none."""
    try:
        return read_regular(folder / "RULES.md").decode("utf-8", "replace")
    except OSError:
        return None


def _row_files(site: Site, receipts: Sequence[Receipt]) -> Iterator[tuple[str, bytes]]:
    """Yield the page, the cells and the badge of each row, and a page for each name that several submissions have."""
    keys = {receipt.hash: pages.keys_of(receipt) for receipt in receipts}
    for i, row in enumerate(site.rows):
        receipt, of = row.row.receipt, row.row.verdict.series
        declared = catalogue(receipt.manifest)
        yield f"rows/{row.stem}.html", pages.row_page(site, i, keys[receipt.hash])
        yield f"rows/{row.stem}.svg", pages.badge(site, [i])
        found = list(tidy_rows(of.results, declared))
        yield f"rows/{row.stem}.csv", csv_bytes(COLUMNS, found)
        yield f"rows/{row.stem}.json", json_bytes(found)
        yield f"rows/{row.stem}.parquet", parquet_bytes(frame_of_rows(found))
    for name, own in site.repeated.items():
        yield f"rows/{stem(name)}.html", pages.label_page(site, name, own)
        yield f"rows/{stem(name)}.svg", pages.badge(site, own)


def _submission_files(site: Site, folder: Path, receipts: Sequence[Receipt]) -> Iterator[tuple[str, bytes]]:
    """Yield the page of each submission, the receipts on the board, and the front page, which lists all of them."""
    standing = {receipt.name: receipt for receipt in receipts}
    paths = {path.stem: path for path in sorted((folder / "submissions").glob("*.json"))}
    hashes = {name: standing[name].hash if name in standing else hash_of_file(path) for name, path in paths.items()}
    names = {hash_: stem(name) for name, hash_ in hashes.items()}
    listed = []
    for name, path in paths.items():
        own = [record for record in site.board.records if record.receipt == hashes[name]]
        status = _status(name, standing, own)
        file = stem(name)
        listed.append({"name": name, "file": file, "status": status})
        page = pages.submission_page(site, name, hashes[name], status, standing.get(name), own, names)
        yield f"submissions/{file}.html", page
        if name in standing:
            yield f"submissions/{name}.json", read_regular(path)
    yield "index.html", pages.front_page(site, listed)


def _status(name: str, standing: Mapping[str, Receipt], records: Sequence[Record]) -> str:
    kinds = {record.kind for record in records}
    if name in standing:
        return "on the board"
    if "withdrawal" in kinds:
        return "withdrawn"
    return "replaced by a corrected receipt" if "correction" in kinds else "left out of the board"
