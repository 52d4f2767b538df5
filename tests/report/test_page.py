"""The page of a run: whole, self-contained, and inert whatever the names are; in Chromium it sorts and filters."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from attrs import evolve
from factories import SLOPES, failed, manifest, stored, sweep

from ntkbench.cli.main import main
from ntkbench.report.page import report_page
from ntkbench.store.run_store import RunStore
from ntkbench.types import Value

HOSTILE = "<script>alert(1)</script>|=cmd"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--dump-dom",
)  # fmt: skip


@pytest.fixture(scope="module")
def results():
    bent = sweep("bent", slopes=dict.fromkeys(SLOPES, 0.0))
    hostile = [
        evolve(each, cell=evolve(each.cell, architecture=HOSTILE, label=HOSTILE, params={HOSTILE: "\u202e'\"><img>"}))
        for each in sweep("cnn", widths=(16, 32, 64))
    ]
    return [*sweep("fc"), *bent, *hostile[:-1], failed(hostile[-1].cell, message="</script><b>\x1b[31m")]


@pytest.fixture(scope="module")
def page(results):
    return report_page(results, manifest(results, {"fc": SLOPES, "bent": dict.fromkeys(SLOPES, 0.0)}))


def test_it_needs_nothing_else(page):
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", page) == [] and "@import" not in page and "url(" not in page
    assert len(page.encode()) < 3_000_000 and "default-src 'none'" in page


def test_it_holds_every_architecture_and_quantity(page, results):
    for name in ("fc", "bent"):
        assert f">{name}</a>" in page and f"<h3>{name}</h3>" in page
    assert page.count('class="fit"') == 15 and page.count('class="theory"') == 10
    assert (
        page.count("<tr data-verdict=") == 3
        and 'data-verdict="falling"' in page
        and 'data-verdict="non-linear"' in page
    )
    plots = re.findall(r'role="img" aria-label="([^"]*)"', page)
    assert len(plots) == page.count("<svg") == 4 + 15 and all(len(text) > 30 for text in plots)


def verdict_rows(page):
    """The rows of the verdict table as lists of texts."""
    body = page.partition('id="table"')[2].partition("</table>")[0]
    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<(?:th|td)[ >].*?</(?:th|td)>", row, re.S)]
        for row in re.findall(r"<tr data-verdict.*?</tr>", body, re.S)
    ]


def test_rows_are_grouped_as_on_the_board(results):
    claims = {"fc": SLOPES, "deep": SLOPES, "bent": dict.fromkeys(SLOPES, 0.0)}
    own = [*sweep("bent", slopes=dict.fromkeys(SLOPES, 0.0)), *sweep("fc"), *sweep("deep", noise=0.001, seeds=5)]
    hessian = [each for each in sweep("other") if each.cell.measurement == "gradient"]
    page = report_page([*own, *hessian], manifest([*own, *hessian], claims))
    rows = verdict_rows(page)
    assert [row[:2] for row in rows] == [
        ["deep", "linear"], ["fc", "falling"], ["bent", "non-linear"], ["other", "–"],
    ]  # fmt: skip
    _, verdict, ties, worst, last, floor, gd, theory, notes, widths, cells, why = rows[1]
    assert ties == "a" and worst.startswith("-.") and last.startswith("-.") and floor.endswith("%")
    assert (
        gd.startswith(("-1.", "-.9")) and theory == "-½ ✓" and notes == "" and widths == "64…512" and cells == "48/48"
    )
    assert why == "" and rows[2][-1].startswith("kernel_change_worst stays at 0.")
    assert "in the limit" not in page and "Rank" not in page and "falls as m^" in page
    for verdict in ("linear", "falling", "non-linear", "open"):
        assert f"<option>{verdict}</option>" in page and f".{verdict} {{ color: var(--{verdict});" in page


def test_remarks_and_flags_are_shown():
    kinked = [
        evolve(each, values=dict(each.values) | {"kink_share": Value(0.8)}) if each.cell.measurement == "ball" else each
        for each in sweep("fc")
    ]
    page = report_page(kinked, manifest(kinked))
    assert verdict_rows(page)[0][8] == "kinks" and "<dt>Remark</dt><dd>has kinks" in page


def test_hostile_names_are_text(page):
    assert page.count("<script") == 1 and page.count("</script>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;|=cmd" in page
    assert "<img>" not in page and "\x1b" not in page and "\u202e" not in page


def test_a_floor_is_told_with_its_interval(page):
    assert "· floor " not in page
    falling = sweep("fc", slopes=dict.fromkeys(SLOPES, -1.0), widths=(4, 8, 16, 32, 64), noise=0.001)
    level = [
        evolve(each, values={k: evolve(v, value=v.value * (1 + each.cell.width / 64)) for k, v in each.values.items()})
        for each in falling
    ]
    pattern = r"plateaus · floor (49|50|51)% \[.*\] of the value at the largest width .* exponent -(0.9\d|1.0\d) \[-"
    assert re.search(pattern, report_page(level, manifest(level)))


def test_nothing_measured_and_one_width_are_pages_too(results):
    assert "0 of 0" in report_page([], manifest(results))
    one = sweep("fc", widths=(64,), seeds=1)
    assert "<polyline" not in report_page(one, manifest(one))


def test_the_command(results, tmp_path, capsys):
    stored(tmp_path / "run", results)
    assert main(["report", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "run" / "report.html")
    assert main(["report", str(tmp_path / "run"), "-o", str(tmp_path / "a" / "b")]) == 0
    assert (tmp_path / "a/b/report.html").read_text() == (tmp_path / "run/report.html").read_text()
    (tmp_path / "file").write_text("")
    assert main(["report", str(tmp_path / "run"), "-o", str(tmp_path / "file")]) == 2


def test_it_imports_no_framework(results, tmp_path):
    store = RunStore(tmp_path / "run")
    store.create_or_open(manifest(results))
    store.write(results[0])
    program = (
        "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        f"from ntkbench.cli.main import main; sys.exit(main(['report', {str(tmp_path / 'run')!r}]))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser(page, tmp_path):
    """A script at the end of the page uses it as a reader would, and leaves what it saw in an attribute."""
    steps = """<script>
    const seen = [], visible = () => [...body.rows].filter(row => row.offsetHeight > 0);
    const names = () => visible().map(row => row.cells[0].textContent.trim());
    const heads = table.tHead.rows[0].cells;
    heads[3].firstElementChild.click(); seen.push(names(), heads[3].getAttribute("aria-sort"));
    heads[3].firstElementChild.click(); seen.push(names(), heads[3].getAttribute("aria-sort"));
    kind.value = "non-linear"; kind.dispatchEvent(new Event("change")); seen.push(names(), count.textContent);
    kind.value = ""; words.value = "SCRIPT"; words.dispatchEvent(new Event("input")); seen.push(names());
    heads[0].firstElementChild.focus(); seen.push(document.activeElement.tagName);
    location.hash = "#fold-1";
    setTimeout(() => {
      seen.push(document.getElementById("fold-1").open, document.documentElement.scrollWidth <= innerWidth);
      seen.push(visible().every(row => [...row.cells].every(cell => cell.getBoundingClientRect().right <= innerWidth)));
      document.body.dataset.seen = JSON.stringify(seen);
    }, 50);
    </script>"""
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", f"{steps}</body>"), encoding="utf-8")
    words = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=420,900"]
    done = subprocess.run(
        [*words, "--virtual-time-budget=3000", file.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    import html
    import json

    seen = json.loads(html.unescape(re.search(r'data-seen="([^"]*)"', done.stdout)[1]))
    assert seen[0][0] in ("fc", HOSTILE) and seen[0][-1] == "bent" and seen[1] == "ascending"
    assert seen[2] == seen[0][::-1] and seen[3] == "descending"
    assert seen[4] == ["bent"] and seen[5] == "1 of 3" and seen[6] == [HOSTILE]
    assert seen[7] == "BUTTON" and seen[8] is True and seen[9] is True
    assert seen[10] is True, "on a phone no cell is off the screen"
