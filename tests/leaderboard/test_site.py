"""The board as a site: complete, escaped, the same bytes twice, and it leaves other files alone."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pandas
import pytest
from attrs import evolve
from factories import SLOPES, failed, manifest, result, stored, sweep

from ntkbench.analysis.laws import series
from ntkbench.atomic import write_atomically
from ntkbench.cli.main import main
from ntkbench.cli.run import command as run_command
from ntkbench.errors import NtkbenchError
from ntkbench.leaderboard.build import new_board
from ntkbench.leaderboard.receipt import Receipt, read_receipt, write_receipt
from ntkbench.leaderboard.records import Record, new_record, write_record
from ntkbench.leaderboard.site import build as site_build, folder as folder_of_site
from ntkbench.leaderboard.site.addresses import stem, stems
from ntkbench.leaderboard.site.build import build_site
from ntkbench.leaderboard.site.command import command_of
from ntkbench.leaderboard.site.rows import pairs_of, site_rows
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.registry import registry
from ntkbench.report.pairs import joined, pair_of
from ntkbench.store.manifest import catalogue
from ntkbench.types import Theory, Value

FLAT = dict.fromkeys(SLOPES, 0.0)
EVIL = """x"'><script>evil()</script><img src=x onerror=evil()>{{ 7*7 }}javascript:evil()&lt;"""


def submitted(folder, name, results, theory=None):
    data = write_receipt(stored(folder.parent / f"run-{name}", results), name)
    (folder / "submissions").mkdir(parents=True, exist_ok=True)
    (folder / "submissions" / f"{name}.json").write_bytes(data)
    return read_receipt(data, name)


def pages(site):
    return {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and the text of scripts."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def links(self):
        return [of[name] for _, of in self.found for name in ("href", "src") if name in of]


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "boards"
    heads = registry().architectures["attention"].params_of_cells
    fixed = sweep("attention", slopes=FLAT, params=heads({}))
    growing = sweep("attention", label="attention:heads=grow", params=heads({"heads": "grow"}))
    submitted(folder, "first", [*sweep("fc"), *sweep("bent", slopes=FLAT), *fixed, *growing])
    submitted(folder, "second", [*sweep("fc", noise=0.2), *sweep("cnn", params={"as": "it is"})])
    (folder / "RULES.md").write_text("# Rules\n\n| a | b |\n|---|---|\n| 1 | <b>2</b> |\n\n[bad](javascript:evil())\n")
    return folder


@pytest.fixture(scope="module")
def site(boards):
    build_site(boards, boards.parent / "out", url="https://example.org/board/")
    return boards.parent / "out"


def test_every_row_and_submission_has_its_page(site):
    names = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    stems_ = ("bent", "attention", "attention~heads=grow", "cnn", "fc@first", "fc@second")
    rows = {f"rows/{each}.{kind}" for each in stems_ for kind in ("html", "svg", "csv", "json", "parquet")}
    shared = {"rows/fc.html", "rows/fc.svg"}
    submissions = {f"submissions/{name}.{kind}" for name in ("first", "second") for kind in ("html", "json")}
    assert names == rows | shared | submissions | {"index.html", "changes.html", "rules.html", "files.json"}


def test_every_link_leads_to_a_file_and_none_leaves_the_folder(site):
    for name, text in pages(site).items():
        for link in Elements(text).links():
            if not link.startswith("#"):
                assert (site / name).parent.joinpath(link).resolve().is_relative_to(site.resolve()), (name, link)
                assert (site / name).parent.joinpath(link).is_file(), (name, link)
        assert "@import" not in text and "url(" not in text and "default-src 'none'" in text


def test_the_front_page(site):
    text = (site / "index.html").read_text("utf-8")
    found = Elements(text).found
    rows = [of for tag, of in found if tag == "tr" and "data-row" in of]
    assert len(rows) == 6 and {row["data-verdict"] for row in rows} == {"falling", "non-linear"}
    assert {row["data-family"] for row in rows} == {"dense", "attention", "convolutional", "other"}
    points = [of for tag, of in found if tag == "a" and "data-row" in of]
    assert len(points) == 2 * 6, "the map is drawn for wide and for narrow windows"
    assert {of["href"] for of in points} == {row["data-row"] for row in rows}
    words = re.compile(r"bent: non-linear, exponent [+-]\.\d+±\.\d+, 0?\.\d+ at width 512, other")
    assert any(words.match(of["aria-label"]) for of in points)
    assert "1: attention – attention:heads=grow" in text and text.count('class="joint"') == 2
    heads = re.findall(r"<button[^>]*>([^<]*)</button>", text)
    assert heads[:3] == ["architecture", "verdict", "exponent"]
    assert 'family of other rows is "other"' in text


def test_the_page_of_a_row(site, boards):
    text = (site / "rows/fc@first.html").read_text("utf-8")
    for part in (">falling</strong>", "What would decide: ", "Fully connected", "kernel_change_gd", "512", "fc.html"):
        assert part in text, part
    assert text.count("<svg") == 5 and text.count('class="fit"') == 5 and text.count("seeds") >= 5
    assert "ntkbench run --arch fc --widths 64,128,256,512 --seeds 3 --probes 8 --measure" in text
    assert "https://example.org/board/rows/fc@first.svg)](https://example.org/board/rows/fc@first.html" in text
    assert "was not installed where this site was built" in (site / "rows/bent.html").read_text("utf-8")
    several = (site / "rows/fc.html").read_text("utf-8")
    assert "fc@first.html" in several and "fc@second.html" in several


def test_the_files_of_a_row_hold_its_cells(site, boards):
    receipt = read_receipt((boards / "submissions/first.json").read_bytes(), "first")
    values = {
        (result.cell.key, key): value.value
        for result in receipt.results
        if result.cell.label == "bent"
        for key, value in result.values.items()
    }
    data = {kind: (site / f"rows/bent.{kind}").read_bytes() for kind in ("csv", "json", "parquet")}
    frames = [
        pandas.read_csv(io.BytesIO(data["csv"])),
        pandas.DataFrame(json.loads(data["json"])),
        pandas.read_parquet(io.BytesIO(data["parquet"])),
    ]
    for frame in frames:
        assert len(frame) == len(values) and sorted(frame.value) == pytest.approx(sorted(values.values()))
        assert set(zip(frame.width, frame.seed, strict=True)) == {(w, s) for w in (64, 128, 256, 512) for s in range(3)}


def test_badges_are_images(site):
    for path in (site / "rows").glob("*.svg"):
        root = ElementTree.fromstring(path.read_text("utf-8"))
        assert root.tag.endswith("svg") and root.attrib["aria-label"].startswith("linearity: ")
    assert "non-linear" in (site / "rows/bent.svg").read_text("utf-8")


def test_two_builds_are_the_same_bytes_and_import_no_framework(boards, site, tmp_path):
    program = (
        "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\nfrom ntkbench.cli.main import main\n"
        f"sys.exit(main(['leaderboard', 'site', {str(boards)!r}, '-o', {str(tmp_path / 'again')!r}, "
        "'--url', 'https://example.org/board/']))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
    names = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*"))
    for name in names:
        assert (site / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_stale_pages_go_and_other_files_stay(boards, tmp_path):
    folder = tmp_path / "boards"
    submitted(folder, "one", sweep("fc"))
    submitted(folder, "two", sweep("bent", slopes=FLAT))
    out = tmp_path / "out"
    build_site(folder, out)
    (out / "rows/mine.html").write_text("mine")
    (tmp_path / "outside.txt").write_text("outside")
    same = (out / "rows/bent.parquet").read_bytes()
    listed = json.loads((out / "files.json").read_text())
    listed["files"] |= {"../outside.txt": "0", "rows/../../outside.txt": "0"}
    (out / "files.json").write_text(json.dumps(listed))
    del listed["files"]["rows/bent.parquet"]  # as if somebody else had put the same bytes there
    (out / "files.json").write_text(json.dumps(listed))
    build_site(folder, out)
    (out / "rows/bent.csv").write_text("edited by somebody")
    (folder / "submissions/two.json").unlink()
    build_site(folder, out)
    assert (out / "rows/bent.parquet").read_bytes() == same
    left = {path.name for path in out.rglob("*.*")}
    assert not left & {"bent.html", "bent.json", "bent.svg", "two.html", "two.json"}
    assert (out / "rows/mine.html").read_text() == "mine" and "fc.html" in left
    assert (out / "rows/bent.csv").read_text() == "edited by somebody" and (tmp_path / "outside.txt").exists()


def test_a_file_of_somebody_else_is_not_overwritten(boards, tmp_path, capsys):
    out = tmp_path / "out"
    build_site(boards, out)
    listed = json.loads((out / "files.json").read_text())
    del listed["files"]["rules.html"]
    (out / "files.json").write_text(json.dumps(listed))
    (out / "rules.html").write_text("my rules")
    (out / "index.html").write_text("older")
    assert main(["leaderboard", "site", str(boards), "-o", str(out)]) == 2
    assert "was not written by `ntkbench leaderboard site`" in capsys.readouterr().err
    assert (out / "rules.html").read_text() == "my rules"
    assert (out / "index.html").read_text() == "older", "nothing is written before all names are free"
    (out / "rules.html").unlink()
    assert main(["leaderboard", "site", str(boards), "-o", str(out)]) == 0
    assert main(["leaderboard", "site", str(tmp_path / "empty"), "-o", str(tmp_path / "b")]) == 2
    assert "contains no receipts" in capsys.readouterr().err and not (tmp_path / "b").exists()


def test_a_site_is_written_only_where_there_is_nothing_or_a_site(boards, tmp_path, capsys):
    def refused(place):
        assert main(["leaderboard", "site", str(boards), "-o", str(place)]) == 2
        assert not (place / "index.html").exists() and not (place / "files.json").exists()
        return capsys.readouterr().err

    (boards / "v1").mkdir(exist_ok=True)
    assert f"{boards} is the folder of receipts and records" in refused(boards)
    for place in (boards / "submissions", boards / "v1", boards / "new" / "site"):
        assert f"{place} is inside the folder of receipts and records" in refused(place)
    (tmp_path / "link").symlink_to(boards / "v1")
    assert "is inside the folder" in refused(tmp_path / "link")
    assert "holds the folder of receipts and records" in refused(boards.parent / ".")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/manifest.json").write_text("{}")
    assert "contains 'manifest.json' but no site" in refused(tmp_path / "run")
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refused(tmp_path / "file")
    (tmp_path / "pages/.git").mkdir(parents=True)
    assert main(["leaderboard", "site", str(boards), "-o", str(tmp_path / "pages")]) == 0


def test_names_with_two_dots_are_written_again(tmp_path):
    for noise in (0.1, 0.2):
        shutil.rmtree(tmp_path / "boards", ignore_errors=True)
        submitted(tmp_path / "boards", "a..b", sweep("fc", noise=noise))
        build_site(tmp_path / "boards", tmp_path / "out")


def test_the_next_build_knows_the_files_of_one_that_was_interrupted(boards, tmp_path, monkeypatch):
    def killed(path, data):
        if path.name == "index.html":
            raise KeyboardInterrupt
        write_atomically(path, data)

    monkeypatch.setattr(folder_of_site, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        build_site(boards, tmp_path / "out")
    monkeypatch.undo()
    build_site(boards, tmp_path / "out", url="https://example.org/board/")  # other pages
    assert "index.html" in {path.name for path in (tmp_path / "out").iterdir()}


def evil_board():
    """A board with markup in every text; reading refuses such receipts, and the pages do not rely on it."""
    names = ("architecture", "label", "architecture_plugin", "architecture_version", "measurement_plugin", "dataset")
    texts = dict.fromkeys(names, EVIL) | {"params": {EVIL: EVIL}, "dataset_params": {EVIL: EVIL}}
    results = [evolve(each, cell=evolve(each.cell, **texts), device=EVIL) for each in sweep("fc")]
    results[0] = failed(results[0].cell, message=EVIL)
    plan = manifest(results) | {"width_means": {EVIL: EVIL}}
    claim = {"exponent": -0.5, "source": EVIL, "kind": "rate", "from_width": 1}
    plan["theory"] = {EVIL: {"kernel_change_worst": claim}}
    receipt = Receipt("name", "0" * 64, {EVIL: EVIL, "nested": {EVIL: [EVIL]}}, plan, tuple(results), EVIL)
    record = Record(kind="verification", receipt="0" * 64, by="x", why="x", date="2026-01-01", cells=1, agreed=1)
    for name in ("by", "why", "date"):
        object.__setattr__(record, name, EVIL)
    return [receipt], [record, evolve_kind(record)], [f"name {EVIL}"]


def evolve_kind(record):
    import copy

    other = copy.copy(record)
    object.__setattr__(other, "kind", "withdrawal")
    return other


def test_markup_anywhere_is_text(tmp_path, monkeypatch):
    monkeypatch.setattr(site_build, "load_board", lambda folder, before="": evil_board())
    folder = tmp_path / "boards"
    (folder / "submissions").mkdir(parents=True)
    for name in ("name", "<img src=x onerror=evil()>"):
        (folder / "submissions" / f"{name}.json").write_text("{}")
    (folder / "RULES.md").write_text(f"# {EVIL}\n\n{EVIL}\n\n[x](javascript:evil())\n\n<script>evil()</script>\n")
    build_site(folder, tmp_path / "out", url="https://example.org")
    texts = pages(tmp_path / "out")
    assert len(texts) == 6 and all("evil()" in text for name, text in texts.items() if "changes" not in name)
    for name, text in texts.items():
        found = Elements(text).found
        scripts = [of for tag, of in found if tag == "script"]
        assert len(scripts) == (name == "index.html") and "<script>evil" not in text, name
        for tag, of in found:
            assert tag not in ("iframe", "object", "embed", "base", "form")
            assert not any(each.startswith("on") for each in of), (name, tag, of)
            assert not (of.get("href") or "").startswith("javascript:"), (name, tag, of)
            assert of.get("src", "").endswith((".svg", "")) and of.get("src") != "x"
    for path in (tmp_path / "out/rows").glob("*.svg"):
        assert not [each for each in ElementTree.fromstring(path.read_text()).iter() if "script" in each.tag]


def test_names_of_files_are_safe_and_differ():
    names = [
        "fc", "FC", "Fc", "fc:depth=3", "fc~depth=3", "fc-depth=3", "attention:heads=4,scale=inverse", "con", "nul.x",
        "aux:a=1", "a/b", "a\\b", "..", ".", "", "a b", "a\u202eb", "x" * 300, "x" * 301, "fc float64", "ünder", "_",
        "a.", "<script>", "fc@one", "a:",
    ]  # fmt: skip
    found = [stem(name) for name in names]
    assert len({each.lower() for each in found}) == len(names)
    for each in found:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._,=+~-]*", each) and len(each) <= 120 and not each.endswith(".")
        assert not re.match(r"(con|nul|aux)(\.|~|$)", each)
    assert stem("attention:heads=4") == "attention~heads=4"
    assert stems([("fc", "a"), ("fc", "b"), ("cnn", "a")]) == ["fc@a", "fc@b", "cnn"]


@pytest.mark.parametrize(
    "words",
    [
        {"arch": ["fc:depth=3"]},
        {"arch": ["attention:heads=grow"], "preset": "zoo"},
        {"arch": ["fc"], "radius": [2.0], "precision": "float64", "probes": 5, "dataset": ["diabetes"]},
        {"arch": ["fc"], "widths": "64,128,inf", "measure": ["kernel", "gd:curves", "hessian_norm"], "seeds": 2},
    ],
)
def test_the_command_of_a_row_plans_its_cells(words):
    plan = make_plan(RunOptions(**words), registry())
    results = [result(cell) for cell in plan.cells]
    (of,) = series(results)
    found = shlex.split(command_of(of, catalogue(manifest(results) | _quantities(plan.cells))))
    assert found[:2] == ["ntkbench", "run"]
    given = run_command.make_context("run", found[2:]).params
    names = {field.name for field in RunOptions.__attrs_attrs__}
    given = {name: value for name, value in given.items() if name in names} | {"measure": given["measure"] or None}
    again = make_plan(RunOptions(**given), registry())
    assert {cell.key for cell in again.cells} == {cell.key for cell in plan.cells}


def _quantities(cells):
    from ntkbench.store.manifest import new_manifest

    known = registry()
    return {"quantities": new_manifest(cells, architectures={}, measurements=known.measurements)["quantities"]}


def test_settings_without_an_option_have_no_command():
    (of,) = series(
        [evolve(each, cell=evolve(each.cell, settings={**each.cell.settings, "draws": 9})) for each in sweep("fc")]
    )
    assert command_of(of, {}) == ""


def rows_of(*results):
    everything = [each for some in results for each in some]
    board = new_board([Receipt("all", "0" * 64, {}, manifest(everything), tuple(everything))])
    return site_rows(board.rows, registry())


def test_pairs_are_joined_where_one_fixes_what_grows_or_one_falls_and_the_other_stays():
    known = registry().architectures
    heads, narrow = known["attention"].params_of_cells, known["fc-bottleneck"].params_of_cells
    rows = rows_of(
        sweep("fc", params=known["fc"].params_of_cells({})),
        sweep("resnet", params=known["resnet"].params_of_cells({})),
        sweep("attention", slopes=FLAT, params=heads({})),
        sweep("attention", label="attention:heads=1", slopes=FLAT, params=heads({"heads": 1})),
        sweep("attention", label="attention:heads=grow", params=heads({"heads": "grow"})),
        sweep("fc-bottleneck", label="fc-bottleneck:k=4", slopes=FLAT, params=narrow({"k": 4})),
        sweep("fc-bottleneck", label="fc-bottleneck:k=sqrt", params=narrow({"k": "sqrt"})),
        sweep("fc-square-output", slopes=FLAT, params=known["fc-square-output"].params_of_cells({})),
    )
    pairs = pairs_of(rows, registry())

    def names(of):
        return {frozenset(rows[i].name for i in pair) for pair in of}

    lines = {
        frozenset({"attention", "attention:heads=grow"}),
        frozenset({"attention:heads=1", "attention:heads=grow"}),
        frozenset({"fc-bottleneck:k=4", "fc-bottleneck:k=sqrt"}),
    }
    assert names(joined([row.row.verdict for row in rows], [row.family for row in rows], pairs)) == lines
    assert names(pairs) >= lines | {frozenset({"fc", "resnet"}), frozenset({"fc", "fc-square-output"})}


def test_a_row_of_a_package_that_is_not_installed_is_other():
    (row,) = rows_of([evolve(each, cell=evolve(each.cell, architecture_plugin="else")) for each in sweep("fc")])
    assert row.entry is None and row.family == "other"


def test_a_pair_that_was_not_probed_imports_no_plugin():
    from ntkbench.registry.specs import Architecture, Remembered

    def find():
        raise AssertionError("the plugin was imported")

    known = {Remembered.key({"k": 1}): "fc"}
    entry = Architecture(name="x", target="x:y", params={"k": 1}, pair=Remembered(find, known), distribution="else")
    assert [pair_of(entry, params) for params in ({"k": 1}, {"k": 2}, {"unknown": 2})] == ["fc", "", ""]


def test_kernel_slope_stands_in_and_zeros_are_listed(tmp_path):
    slopes = [
        evolve(
            each,
            cell=evolve(each.cell, measurement="ball", quantities=("kernel_slope",)),
            values={"kernel_slope": next(iter(each.values.values()))},
        )
        for each in sweep("fc")
        if each.cell.measurement == "hessian"
    ]
    plan = manifest(slopes)
    plan["quantities"]["ball"] = [plan["quantities"]["ball"][0] | {"name": "kernel_slope", "key": "kernel_slope"}]
    zero = [evolve(each, values=dict.fromkeys(each.values, Value(0.0))) for each in sweep("zero")]
    rows = new_board(
        [Receipt("s", "1" * 64, {}, plan, tuple(slopes)), Receipt("z", "2" * 64, {}, manifest(zero), tuple(zero))]
    )
    from ntkbench.leaderboard.site.pages import Site, front_page

    text = front_page(Site(rows, tuple(site_rows(rows.rows, registry())), ()), []).decode()
    assert (
        text.count(">κ</text>") == 2 and 'title="of kernel_slope">κ</abbr>' in text and "no kernel change was" in text
    )
    assert re.search(r"Not on the map: <a href=\"rows/zero.html\">zero</a> \(0 at every width\)", text)


def test_changes_since_the_last_correction(tmp_path):
    folder = tmp_path / "boards"
    old = submitted(folder, "old", [*sweep("fc", slopes=FLAT), *sweep("gone")])
    build_site(folder, tmp_path / "out")
    assert "this is the first board" in (tmp_path / "out/changes.html").read_text("utf-8")
    new = submitted(folder, "new", [*sweep("fc"), *sweep("added")])
    write_record(folder, new_record(kind="correction", receipt=old.hash, replaced_by=new.hash, by="Ada", why="a bug"))
    build_site(folder, tmp_path / "out")
    text = (tmp_path / "out/changes.html").read_text("utf-8")
    assert re.search(r"fc: non-linear \(.*\) → falling \(.*\): kernel_change_worst falls", text)
    assert "added: falling" in text and "gone: was falling" in text and "by Ada" in text
    assert "with the submissions old" in text
    page = (tmp_path / "out/submissions/old.html").read_text("utf-8")
    assert "Replaced by a corrected receipt" in page and 'href="new.html"' in page and "a bug" in page
    assert not (tmp_path / "out/submissions/old.json").exists()


def test_changes_since_an_earlier_copy(boards, tmp_path):
    submitted(tmp_path / "before", "first", sweep("fc"))
    build_site(boards, tmp_path / "out", before=tmp_path / "before")
    text = (tmp_path / "out/changes.html").read_text("utf-8")
    assert "an earlier copy of the folder, with the submissions first" in text and "cnn of second: " in text


def test_withdrawn_and_invalid_receipts_have_a_page(tmp_path):
    folder = tmp_path / "boards"
    submitted(folder, "one", sweep("fc"))
    gone = submitted(folder, "two", sweep("bent"))
    (folder / "submissions/damaged.json").write_text("{")
    with pytest.raises(NtkbenchError, match="damaged"):
        build_site(folder, tmp_path / "out")
    words = ["--by", "Ada", "--why", "a <fault>".replace("<", "").replace(">", ""), "--boards", str(folder)]
    for name in ("damaged", "two"):
        assert main(["leaderboard", "withdraw", str(folder / f"submissions/{name}.json"), *words]) == 0
    build_site(folder, tmp_path / "out")
    for name in ("damaged", "two"):
        assert "Withdrawn" in (tmp_path / f"out/submissions/{name}.html").read_text("utf-8")
    text = (tmp_path / "out/changes.html").read_text("utf-8")
    assert "bent of two: was" in text and gone.hash[:12] in text


def test_a_hundred_rows_of_ten_seeds_weigh_little(tmp_path):
    slopes = {key: value / 2 for key, value in SLOPES.items()}
    results = [
        each
        for i in range(100)
        for each in sweep(f"net{i}", slopes=slopes, seeds=10, widths=(32, 64, 128))
        if each.cell.measurement == "ball"
    ]
    from ntkbench.leaderboard.site.pages import Site, front_page, keys_of, row_page

    receipt = Receipt("all", "0" * 64, {}, manifest(results), tuple(results))
    board = new_board([receipt])
    site = Site(board, tuple(site_rows(board.rows, registry())), ())
    assert len(front_page(site, [])) < 1_000_000 and len(row_page(site, 0, keys_of(receipt))) < 1_000_000


def test_theory_is_shown_with_its_source():
    from ntkbench.leaderboard.site.pages import _theory

    found = _theory({"a": Theory(-0.5, "Liu 2020", "upper bound", 64)}, {})
    assert found == [{"key": "a", "claim": "≤-½ from width 64", "measured": "–", "agrees": "", "source": "Liu 2020"}]
