"""The pages of the documentation: executed, linked, and in agreement with what there is."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from pages import ROOT, blocks, commands, execute, execute_notebook, own_modules

from ntkbench.cli.main import VERBS, main
from ntkbench.registry import registry

PAGES = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))
ALONE = (
    "answers.md",  # an hour's commands, which measure what its receipts hold
    "kernels.md",  # these are executed by tests of their own, or of a plugin
    "layer-rules.md",
    "tutorials/sequences.md",
)
EXECUTED = [
    page
    for page in PAGES
    if page not in ALONE and {"python", "bash", "console"} & {language for language, _ in blocks(ROOT / "docs" / page)}
]
NOTEBOOKS = sorted(path.name for path in (ROOT / "docs/notebooks").glob("*.ipynb"))
TEXTS = [f"docs/{page}" for page in PAGES] + [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "LICENSE",
    ".ci/run",
    "mkdocs.yml",
    "pyproject.toml",
    "constraints/lowest.txt",
    "plugins/README.md",
    "leaderboards/README.md",
    "leaderboards/RULES.md",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, from which the page's own modules are imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    before = {name: dict(entries) for name, entries in registry()._entries.items()}
    with own_modules("my_net"):
        yield tmp_path
    registry()._entries.update(before)


@pytest.mark.parametrize("page", EXECUTED)
def test_a_page_runs_from_top_to_bottom(page, folder, capsys):
    names = execute(ROOT / "docs" / page, folder, capsys)
    if page == "how-to/python.md":
        assert names["kernel"].shape == (4, 4) and names["norms"].converged.all()
        assert names["eigenvalues"].value.shape == (4, 2) and names["linear"].shape == (4, 1)
        assert 0 < names["distance"] < 1
        assert set(names["frame"].status) == {"ok"} and set(names["laws"].architecture) == {"fc", "linear"}
    if page == "how-to/train.md":
        assert names["later"] == names["trainer"].advance(names["start"], 200) and names["end"] == names["same"]
        assert names["loss"] < names["trainer"].loss(names["start"]) and 0 < abs(names["gap"]).max() < 3
        assert [state.step for state in names["snapshots"]] == [0, 10, 100]
        assert {result.status for result in names["run"].results} == {"ok"}
    if page == "how-to/results.md":
        assert (folder / "linearity.png").stat().st_size > 10_000
        assert (folder / "results.csv").read_text().startswith("architecture,params,width,seed,")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name, folder):
    names = execute_notebook(ROOT / "docs/notebooks" / name)
    if name == "first-look.ipynb":
        wide, narrow = names["slopes"].values()
        assert wide < -0.3 < narrow
    else:
        assert {finding.status for finding in names["findings"]} <= {"ok", "skipped"}
        assert set(names["run"].frame().status) == {"ok"}


def test_there_are_two_notebooks():
    assert len(NOTEBOOKS) == 2


@pytest.mark.parametrize("page", [*PAGES, "../README.md", "../CONTRIBUTING.md"])
def test_links_lead_to_files(page):
    path = ROOT / "docs" / page
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text)
    made = {"architectures.md", "measurements.md", "datasets.md", "kernels.md", "presets.md", "suites.md", "plugin.md"}
    missing = [link for link in links if not (path.parent / link).exists() and link.rpartition("/")[2] not in made]
    assert missing == []


@pytest.mark.parametrize("page", [*PAGES, "../README.md"])
def test_options_that_a_page_uses_exist(page, capsys):
    path = ROOT / "docs" / page
    text = path.read_text(encoding="utf-8")
    shown = "\n".join(block for language, block in blocks(path) if language in ("bash", "console"))
    inline = "\n".join(re.findall(r"`(ntkbench [^`]*)`", text))
    for words in commands(f"{shown}\n{inline}"):
        groups = words[:2] if words[:1] in (["leaderboard"], ["plugin"]) and len(words) > 1 else words[:1]
        assert main([*groups, "--help"]) == 0
        known = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", capsys.readouterr().out))
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, words


def test_options_named_in_passing_exist(capsys):
    known = set()
    verbs = [[verb] for verb in VERBS] + [["leaderboard", verb] for verb in ("submit", "verify", "build", "withdraw")]
    for words in [*verbs, *(["plugin", verb] for verb in ("list", "new", "check"))]:
        main([*words, "--help"])
        known |= set(re.findall(r"(?<!\S)--[a-z][a-z-]*", capsys.readouterr().out))
    texts = [(ROOT / "docs" / page).read_text(encoding="utf-8") for page in [*PAGES, "../README.md"]]
    named = {option for text in texts for option in re.findall(r"`(--[a-z][a-z-]*)", text)}
    assert named and named <= known


def test_every_architecture_is_explained():
    text = (ROOT / "docs/concepts/architectures.md").read_text(encoding="utf-8")
    ours = [name for name, entry in registry().architectures.items() if entry.distribution == "ntkbench"]
    assert ours and [name for name in ours if f"`{name}`" not in text] == []


def test_the_columns_of_the_results_are_described():
    from ntkbench.store.frame import COLUMNS, CURVE_COLUMNS

    text = (ROOT / "docs/reference/results.md").read_text(encoding="utf-8")
    described = re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE)))
    assert described[: len(COLUMNS)] == list(COLUMNS)
    assert described[len(COLUMNS) :] == [
        column for column in CURVE_COLUMNS if column not in COLUMNS or column == "unit"
    ]


def test_every_public_name_is_in_the_reference():
    import ntkbench as nb

    text = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^::: ntkbench\.([\w.]+)$", text, re.MULTILINE))
    rooms = {"kernels": nb.kernels, "layers": nb.layers, "testing": nb.testing, "training": nb.training}
    assert {name for name in nb.__all__ if name not in rooms} <= named
    for room, module in rooms.items():
        assert {f"{room}.{name}" for name in module.__all__} <= named


@pytest.mark.parametrize("path", TEXTS)
def test_no_text_names_a_folder_of_somebodys_machine(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])/(?:work|tmp|root|home|mnt|opt|Users)\b\S*", text) == []


def test_the_site_builds(tmp_path):
    """Every page, every link and every signature; CI installs what it needs."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site/reference/python/index.html").read_text(encoding="utf-8")
    assert 'id="ntkbench.hessian_norm"' in reference
    assert "kernel_change_worst" in (tmp_path / "site/reference/measurements/index.html").read_text(encoding="utf-8")
    assert "--until-decided" in (tmp_path / "site/reference/cli/index.html").read_text(encoding="utf-8")
