"""README executed: its commands at small sizes, its examples, and what it says against what there is."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ntkbench.cli.main import VERBS, main
from ntkbench.plan.preset import preset
from ntkbench.registry.current import registry
from ntkbench.types import HEADLINES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
INSTALL, TEST = (text.strip() for language, text in BLOCKS if language == "bash")
PROSE = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    ".ci/run",
    "plugins/README.md",
    "leaderboards/README.md",
    "leaderboards/RULES.md",
    "docs/distributed.md",
    "docs/kernels.md",
    "docs/laws.md",
    "docs/scale.md",
]

THREE = ["--arch", "fc", "--arch", "fc-bottleneck:k=1", "--arch", "linear"]
SMALL = ["--widths", "16,32", "--seeds", "1", "--probes", "4"]


def architectures() -> list[str]:
    """Return the names of the built-in architectures; plugins may be installed beside them."""
    return [name for name, entry in registry().architectures.items() if entry.distribution == "ntkbench"]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words after `ntkbench` of each command in a block, comments left out."""
    for line in text.splitlines():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words[:1] == ["ntkbench"]:
                yield words[1:]


def small(words: list[str]) -> list[str]:
    """Return a command that measures less: three architectures for all of them, two narrow widths, one seed."""
    if words[0] != "run":
        return words
    if "all" in words:
        at = words.index("all")
        words = [*words[: at - 1], *THREE, *words[at + 1 :]]
    if "--dry-run" not in words:
        words = [*words, *SMALL, "--executor", "serial"]  # workers would start longer than they work
    # The first screen's run and the one with a name are one folder here, so that it is measured once.
    return words if "--out" in words or "--dry-run" in words else [*words, "--out", "runs/first"]


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """An empty folder to work in, from which `my_net` is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("my_net", None)
    yield tmp_path
    sys.modules.pop("my_net", None)


def test_readme_runs_from_top_to_bottom(fresh, capsys):
    names: dict[str, object] = {}
    for language, text in BLOCKS:
        if language == "python" and (file := re.match(r"# (\w+\.py)\n", text)):
            (fresh / file[1]).write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(text, "README.md", "exec"), names)
        elif language in ("bash", "console"):
            for words in commands(text):
                code = main(small(words))
                out, err = capsys.readouterr()
                assert code == 0, f"ntkbench {shlex.join(words)}: {err}"
                assert out.strip() or "-o" in words, f"ntkbench {shlex.join(words)} printed nothing"
                assert words[0] not in ("run", "table", "list") or max(map(len, out.splitlines())) <= 100
    assert names["kernel"].shape == (4, 4)
    assert names["norms"].converged.all()
    assert names["linear"].shape == (4, 1)
    assert 0 < names["distance"] < 1
    assert set(names["frame"].status) == {"ok"}
    assert set(names["laws"].architecture) == {"fc", "linear"}
    assert (fresh / "linearity.png").stat().st_size > 10_000
    assert (fresh / "results.csv").read_text().startswith("architecture,params,width,seed,")


def test_the_first_screen_has_the_two_commands_and_ci_runs_the_second():
    assert INSTALL == "pip install . && ntkbench run --arch all"
    assert TEST == 'pip install ".[test]" && pytest'
    assert TEST in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_the_top_of_the_board_is_the_boards():
    shown = re.search(r"<!-- board:begin -->\n\n(.*?)\n\n<!-- board:end -->", README, flags=re.DOTALL)
    assert shown, "README has no table between its board markers"
    board = (ROOT / "leaderboards/v1/board.md").read_text(encoding="utf-8").splitlines()
    start = board.index(shown[1].splitlines()[0])
    assert shown[1].splitlines() == board[start : start + 12], "the header and the first ten rows"


def test_the_table_has_a_row_for_each_architecture():
    block = re.search(r"<!-- table:begin -->\n```text\n(.*?)```\n<!-- table:end -->", README, flags=re.DOTALL)
    assert block, "README has no fenced block between its table markers"
    lines = block[1].splitlines()
    rows = {line.split()[0].partition(":")[0] for line in lines if line.strip()}
    missing = set(architectures()) - rows
    assert not missing, f"fill README's table from a stored run; it has no row for {', '.join(sorted(missing))}"
    assert max(map(len, lines)) <= 100


def test_every_architecture_is_explained():
    text = README.partition("What it says about each architecture")[2].partition("Why three perturbations")[0]
    assert [name for name in architectures() if f"`{name}`" not in text] == []


@pytest.mark.parametrize("verb", VERBS)
def test_help_names_every_option_that_readme_uses(verb, capsys):
    assert main([verb, "--help"]) == 0
    known = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", capsys.readouterr().out))
    blocks = "\n".join(text for language, text in BLOCKS if language in ("bash", "console"))
    inline = "\n".join(re.findall(r"`(ntkbench [^`]*)`", README))
    used = {
        word for words in commands(f"{blocks}\n{inline}") if words[0] == verb for word in words if word.startswith("-")
    }
    assert used <= known


def test_options_named_in_passing_exist(capsys):
    main(["run", "--help"])
    known = set(re.findall(r"(?<!\S)--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"`(--[a-z-]+)", README)) <= known


def test_the_presets_table_is_what_the_presets_say():
    rows = re.findall(r"^\| `(\w+)`.*?\| ([\d, ]+) \| (\d+) \| (\d+) \| (all|the four [^|]*) \|$", README, re.M)
    assert [row[0] for row in rows] == ["quick", "standard", "board", "full"]
    for name, widths, seeds, probes, quantities in rows:
        found = preset(name)
        assert widths == ", ".join(map(str, found.widths))
        assert int(seeds) == found.seeds
        assert int(probes) == found.settings["n_probes"]
        named = {"all": ["all"], "the four headlines": list(HEADLINES)}
        named["the four headlines, `bend`"] = [*HEADLINES, "bend"]
        assert list(found.measure) == named[quantities]


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [link for link in links if not (ROOT / link).is_file()] == []


@pytest.mark.parametrize("path", PROSE)
def test_no_text_names_a_folder_of_somebodys_machine(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])/(?:work|tmp|root|home|mnt|opt|Users)\b\S*", text) == []
