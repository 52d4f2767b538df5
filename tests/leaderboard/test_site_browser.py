"""The site in Chromium, from a folder: wide and narrow, light and dark, by mouse, keyboard and touch, and with axe."""

from __future__ import annotations

import pytest
from chromium import CHROMIUM, chromium
from factories import SLOPES, stored, sweep

from ntkbench.leaderboard.receipt import write_receipt
from ntkbench.leaderboard.site.build import build_site
from ntkbench.registry import registry

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
FLAT = dict.fromkeys(SLOPES, 0.0)
PAGES = ("index.html", "rows/fc.html", "submissions/first.html", "changes.html", "rules.html")

MIDDLE = """(() => {
  const point = figure.querySelector("%s a .hit"); point.scrollIntoView({block: "center"});
  const box = point.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2];
})()"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    heads = registry().architectures["attention"].params_of_cells
    results = [
        *sweep("fc"), *sweep("fc-relu"), *sweep("attention", slopes=FLAT, params=heads({})),
        *sweep("attention", label="attention:heads=grow", params=heads({"heads": "grow"})),
        *sweep("a-name-that-is-long", label="a-name-that-is-long:with=parameters,that=are,very=long,as=they-can-be"),
    ]  # fmt: skip
    (folder / "boards/submissions").mkdir(parents=True)
    data = write_receipt(stored(folder / "run", results), "first")
    (folder / "boards/submissions/first.json").write_bytes(data)
    (folder / "boards/RULES.md").write_text("# Rules\n\n```console\nntkbench " + "word " * 60 + "\n```\n")
    build_site(folder / "boards", folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_no_page_overflows_or_has_a_serious_fault(site, browser, width, dark):
    for name in PAGES:
        browser.open(site / name, width, dark=dark)
        assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches") is dark
        assert browser.run("[document.documentElement.scrollWidth, innerWidth]") == [width, width], name
        outside = "[...document.querySelectorAll('main *')].filter(each => !each.closest('.scroll, svg') "
        outside += "&& each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 80))"
        assert browser.run(outside) == [], name
        assert browser.faults() == [], name
        assert browser.console == [], name


def test_axe_finds_a_fault_that_is_put_in(site, browser):
    browser.open(site / "index.html", 1280)
    browser.run("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=x.png><button></button>'); 0")
    assert {fault.partition(" ")[0] for fault in browser.faults()} >= {"image-alt", "button-name"}
    browser.console.clear()


def test_by_keyboard(site, browser):
    browser.open(site / "index.html", 1280)
    focused = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
    browser.press("Tab")
    assert browser.run(focused) == "Skip to the content"
    browser.press("Tab", 4)
    assert browser.run(focused) == "Skip the map"
    browser.press("Tab")
    first = browser.run(focused)
    assert ", exponent " in first and browser.run("!tip.hidden && tip.textContent") == first
    browser.press("Tab", 4)
    assert browser.run("figure.contains(document.activeElement)"), "five points can be reached"
    browser.press("Escape")
    assert browser.run("tip.hidden")
    for _ in range(30):
        browser.press("Tab")
        if browser.run(focused) == "exponent":
            break
    else:
        pytest.fail("the button that sorts by exponent cannot be reached")
    head = "document.activeElement.parentElement.getAttribute('aria-sort')"
    order = "[...body.rows].map(row => Number(row.cells[2].dataset.key))"
    assert browser.run(head) == "none"
    browser.press("Enter")
    assert browser.run(head) == "ascending" and browser.run(order) == sorted(browser.run(order))
    browser.press("Enter")
    assert browser.run(head) == "descending" and browser.run(order) == sorted(browser.run(order), reverse=True)


def test_filters_hide_rows_and_dim_points(site, browser):
    browser.open(site / "index.html", 1280)
    assert browser.run("getComputedStyle(document.querySelector('.filters')).display") == "flex"
    assert browser.run("choices.map(each => each.name)") == ["family", "verdict", "submission"]
    browser.run("choices[0].value = 'attention'; choices[0].dispatchEvent(new Event('change')); 0")
    shown = "[...body.rows].filter(row => row.offsetHeight).map(row => row.cells[0].textContent.trim()).sort()"
    assert browser.run(shown) == ["attention", "attention:heads=grow"] and browser.run("count.textContent") == "2 of 5"
    assert browser.run("figure.querySelectorAll('svg.wide a:not(.off)').length") == 2
    browser.run("words.value = 'GROW'; words.dispatchEvent(new Event('input')); 0")
    assert browser.run(shown) == ["attention:heads=grow"]


def test_on_a_phone_verdict_and_exponent_come_first_and_a_tap_names_a_point(site, browser):
    browser.open(site / "index.html", 400)
    assert browser.run("getComputedStyle(figure.querySelector('svg.wide')).display") == "none"
    lines = "[...body.rows].map(row => [0, 1, 2].map(i => row.cells[i].getBoundingClientRect().top))"
    below = "[...body.rows].map(row => row.cells[3].getBoundingClientRect().top)"
    for (name, verdict, exponent), other in zip(browser.run(lines), browser.run(below), strict=True):
        assert verdict == pytest.approx(exponent, abs=4) and other > verdict and name <= verdict + 4
    x, y = browser.run(MIDDLE % "svg.narrow")
    browser.tap(x, y)
    assert browser.run("!tip.hidden && location.pathname.endsWith('index.html')")
    words = browser.run("figure.querySelector('svg.narrow a').getAttribute('aria-label')")
    link = browser.run("[tip.textContent, tip.firstElementChild.href]")
    assert link[0] == words and link[1].endswith(".html") and "/rows/" in link[1]
    browser.tap(x, y)
    browser.wait("location.pathname.includes('/rows/')")


def test_the_mouse_names_a_point(site, browser):
    browser.open(site / "index.html", 1280)
    browser.hover(*browser.run(MIDDLE % "svg.wide"))
    browser.wait("!tip.hidden")
    assert browser.run("tip.textContent") == browser.run(
        "figure.querySelector('svg.wide a').getAttribute('aria-label')"
    )
    browser.hover(2, 2)
    browser.wait("tip.hidden")


def test_no_line_of_a_picture_is_without_a_name(site, browser):
    """Ticks name the grid, numbers the lines between points, captions and tooltips the rest."""
    browser.open(site / "index.html", 1280)
    assert browser.run("figure.querySelectorAll('svg.wide .joint').length") == browser.run(
        "document.querySelectorAll('.pairs li').length"
    )
    unnamed = (
        "[...document.querySelectorAll('svg line:not(.grid):not(.joint)')].filter(each => !each.closest('a')).length"
    )
    assert browser.run(unnamed) == 0
    browser.open(site / "rows/fc.html", 1280)
    unnamed = "[...document.querySelectorAll('figure')].filter(each => each.querySelector('.fit') && "
    assert browser.run(unnamed + "!each.querySelector('figcaption').textContent.includes('fit'))") == []
    assert browser.run(unnamed.replace(".fit", ".theory") + "!each.textContent.includes('theory'))") == []
