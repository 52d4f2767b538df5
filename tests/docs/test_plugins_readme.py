"""plugins/README.md executed from top to bottom, in a folder of its own: every command, every output, every example.

What pip would write about the installed package is written here, so that no network is needed. Outputs are compared
with every digit alike: another processor rounds differently, and nothing takes the same time twice.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fakes import loaded, register

from ntkbench.cli.main import main
from ntkbench.registry.sources import GROUP

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "plugins/README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
INSTALL = ["pip", "install", "-q", "-e", ".[test]"]


def steps(block: str) -> list[tuple[list[str], str]]:
    """Return (words, output) of each command of a console block."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    return [(shlex.split(words), output) for words, output in zip(parts[1::2], parts[2::2], strict=True)]


def masked(text: str) -> str:
    """Return text without what another machine or moment prints otherwise: digits, and the line on the machine."""
    kept = [line for line in text.splitlines() if not line.startswith("ntkbench 0.1.0, TensorFlow")]
    return re.sub(r"\d+", "#", "\n".join(kept)).strip()


class Reader:
    """Somebody who does what the text says."""

    def __init__(self, folder: Path, monkeypatch, capsys):
        self.site, self.monkeypatch, self.capsys = folder / "site", monkeypatch, capsys
        self.names: dict[str, object] = {}
        self.commands: list[str] = []
        monkeypatch.setenv("NTKBENCH_CACHE", str(folder / "cache"))
        monkeypatch.delenv("NTKBENCH_PLUGINS", raising=False)
        monkeypatch.chdir(folder)

    def run(self, words: list[str]) -> str:
        """Do one command and return what it prints on standard output."""
        self.commands.append(words[0])
        if words[0] == "cd":
            self.monkeypatch.chdir(words[1])
            return ""
        if words == INSTALL:
            return self.install()
        if words[0] == "pytest":
            return self.pytest(words[1:])
        assert words[0] == "ntkbench"
        loaded(self.monkeypatch)
        code = main(words[1:])
        out, err = self.capsys.readouterr()
        assert code == 0, err
        assert max(map(len, out.splitlines())) <= 100
        return out

    def install(self) -> str:
        project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
        ((name, module),) = project["entry-points"][GROUP].items()
        register(self.site, project["name"], f"{name} = {module}", version=project["version"])
        for path in (self.site, Path.cwd()):
            self.monkeypatch.syspath_prepend(str(path))
        return ""

    def pytest(self, words: list[str]) -> str:
        path = os.pathsep.join(map(str, [self.site, Path.cwd(), ROOT]))
        command = [sys.executable, "-m", "pytest", "-p", "no:warnings", *words]  # of old versions, see constraints
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout


@pytest.fixture
def reader(tmp_path, monkeypatch, capsys):
    before = set(sys.modules)
    yield Reader(tmp_path, monkeypatch, capsys)
    for name in set(sys.modules) - before:
        if name.startswith("ntkbench_wavy"):
            del sys.modules[name]


def test_the_tutorial(reader):
    for language, text in BLOCKS:
        if language == "console":
            for words, output in steps(text):
                assert masked(reader.run(words)) == masked(output), shlex.join(words)
        elif language == "python" and (file := re.match(r"# (\S+\.py)\n", text)):
            assert Path(file[1]).is_file()
            Path(file[1]).write_text(text.partition("\n")[2], encoding="utf-8")
        elif language == "python":
            exec(compile(text, "plugins/README.md", "exec"), reader.names)
        elif language == "toml":
            assert text in Path("pyproject.toml").read_text()
    assert reader.commands == ["ntkbench", "cd", "pip", "pytest", "ntkbench", "ntkbench"]
    assert {finding.number for finding in reader.names["findings"] if finding.status != "ok"} == {"A15", "A16", "A17"}


def test_the_last_output_has_a_row_for_ones_own_architecture():
    (_, table) = steps([text for language, text in BLOCKS if language == "console"][-1])[0]
    assert re.search(r"^wavy +\S.*✓.* +\d+/\d+$", table, flags=re.MULTILINE)


def test_the_sentence_of_a_failed_check_is_the_kits():
    from ntkbench.testing.architectures import __file__ as source

    (shown,) = [text for language, text in BLOCKS if language == "text"]
    assert re.sub(r"\s+", " ", shown).strip().removeprefix("✗ A4 ") in Path(source).read_text(encoding="utf-8")


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links and [link for link in links if not (ROOT / "plugins" / link).is_file()] == []


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", TEXT))))
def test_options_named_in_passing_exist(option, capsys):
    helps = []
    for words in (["list"], ["run"], ["table"], ["plugin", "list"], ["plugin", "new"], ["plugin", "check"]):
        main([*words, "--help"])
        helps.append(capsys.readouterr().out)
    assert any(re.search(rf"(?<!\S){option}\b", text) for text in helps)
