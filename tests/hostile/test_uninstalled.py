"""Uninstalling a plugin loses no results: its rows stay, and say that it is not installed."""

from __future__ import annotations

import json
import shutil
import sys

from fakes import MEASURE, NET, install, loaded

from ntkbench.cli.main import main

WORDS = ["--widths", "4", "--seeds", "1", "--probes", "3", "--measure", "gradient_norm", "--measure", "size"]


def test_old_rows_are_marked(tmp_path, monkeypatch, capsys):
    site = tmp_path / "site"
    site.mkdir()
    install(site, "acme-nets", NET, version="1.2")
    install(site, "acme-size", MEASURE.format(name="size", value="0.5"), version="3.0")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NTKBENCH_PLUGINS", raising=False)
    loaded(monkeypatch)
    before = set(sys.modules)
    assert main(["run", "--arch", "fine", "--arch", "linear", *WORDS, "--out", "r", "--quiet"]) == 0
    installed = capsys.readouterr().out
    assert "not installed" not in installed

    shutil.rmtree(site)
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]
    loaded(monkeypatch)
    assert main(["table", "r"]) == 0
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if "not installed" in line]
    assert len(rows) == 1 and max(map(len, text.splitlines())) <= 100
    joined = " ".join(text.split())
    assert "Not installed: acme-nets 1.2, which provided fine." in joined
    assert "Not installed: acme-size 3.0, which provided size." in joined
    assert main(["table", "r", "--json"]) == 0
    found = {row["label"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert (found["fine"]["installed"], found["linear"]["installed"]) == (False, True)
    assert found["fine"]["plugin"] == "acme-nets" and found["fine"]["cells_ok"] == 2
    assert main(["export", "r", "--format", "csv"]) == 0
    assert "acme-nets" in capsys.readouterr().out
    assert main(["run", "--arch", "fine", *WORDS, "--out", "r"]) == 2
