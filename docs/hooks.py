"""Pages made when the site is built: what is registered, presets, notebooks, and texts that live outside docs/."""

from __future__ import annotations

import json
import posixpath
import re
import textwrap
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from ntkbench.plan.preset import preset
from ntkbench.registry import registry
from ntkbench.registry.specs import Architecture, Dataset, Entry, Measurement

ROOT = Path(__file__).parents[1]
# Files of the site that live elsewhere in the repository.
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "tutorials/plugin.md": "plugins/README.md",
    "tutorials/features.md": "plugins/ntkbench-features/TUTORIAL.md",
    "board.md": "leaderboards/v1/board.md",
    "board-rules.md": "leaderboards/RULES.md",
    **{path.name: path.relative_to(ROOT).as_posix() for path in ROOT.glob("leaderboards/v1/*.svg")},
}
NOTEBOOKS = {f"notebooks/{path.stem}.md": path for path in sorted(ROOT.glob("docs/notebooks/*.ipynb"))}
PRESETS = ("quick", "zoo", "standard", "board", "full")
LINK = re.compile(r"(\]\(|(?:src|href)=\")([^)\s\"#:]+)((?:#[\w-]*)?[)\"])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that are not below docs/."""
    for name, source in ELSEWHERE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    for page, path in NOTEBOOKS.items():
        files.append(File.generated(config, page, content=notebook(path)))
    for kind, text in reference().items():
        files.append(File.generated(config, f"reference/{kind}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point every relative link at a page of the site, or at the file in the repository."""
    source = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    if source in ("README.md", "leaderboards/v1/board.md"):
        page.meta["hide"] = ["toc"]  # their tables need the room
    pages = {path: uri for uri, path in ELSEWHERE.items()}

    def target(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        uri = pages.get(path, path.removeprefix("docs/") if path.startswith("docs/") else "")
        if path.endswith(".ipynb"):
            uri = uri.removesuffix(".ipynb") + ".md"
        if files.get_file_from_path(uri) is not None:
            found = posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")
        elif (ROOT / path).exists():
            found = f"{config.repo_url.rstrip('/')}/blob/main/{path}"
        else:
            found = match[2]  # mkdocs reports it
        return f"{match[1]}{found}{match[3]}"

    return LINK.sub(target, markdown)


def reference() -> dict[str, str]:
    """Return the pages of what is registered: {name of the page: Markdown}."""
    known = registry()

    def ours(kind: str) -> list[Any]:
        return [entry for entry in getattr(known, kind).values() if entry.distribution == "ntkbench"]

    def page(title: str, lead: str, kind: str, section: Any) -> str:
        return "\n\n".join([f"# {title}", lead, *map(section, ours(kind))]) + "\n"

    command = "Made from the registry; `ntkbench list {} --json` prints the same, with those of installed plugins."
    return {
        "architectures": page(
            "Architectures",
            command.format("architectures")
            + " An exponent is that of the quantity as a power of width, at the default parameters; ≤ marks an upper "
            "bound. [What each architecture shows](../concepts/architectures.md) explains them.",
            "architectures",
            architecture,
        ),
        "measurements": page("Measurements", command.format("measurements"), "measurements", measurement),
        "datasets": page("Datasets", command.format("datasets"), "datasets", plain),
        "kernels": page("Registered kernels", command.format("kernels"), "kernels", plain),
        "suites": page("Suites", command.format("suites"), "suites", plain),
        "presets": presets(ours("architectures")),
    }


def table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Return a Markdown table, empty without rows."""
    lines = [header, tuple("---" for _ in header), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells) if rows else ""


def parameters(entry: Entry) -> str:
    """Return the table of an entry's parameters."""
    rows = []
    for name, param in entry.params.items():
        allowed = ", ".join(f"`{each}`" for each in param.choices or ())
        if param.minimum is not None or param.maximum is not None:
            allowed = " to ".join("" if bound is None else f"{bound:g}" for bound in (param.minimum, param.maximum))
        allowed += f", at most `{param.at_most}`" if param.at_most else ""
        allowed += "".join(f" or `{word}`" for word in param.words)
        rows.append((f"`{name}`", param.type, f"`{param.default}`", allowed, param.help))
    return table(("parameter", "type", "default", "allowed", "meaning"), rows)


def section(entry: Entry, *parts: str) -> str:
    """Return a section: the name, the summary and the parts that are not empty."""
    return "\n\n".join(part for part in (f"## {entry.name}", sentence(entry.summary), *parts) if part)


def sentence(text: str) -> str:
    """Return a summary as a sentence."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "." if text else ""


def architecture(entry: Architecture) -> str:
    """Return the section of an architecture."""
    rows = [
        (f"`{quantity}`", f"{'≤ ' * (claim.kind == 'upper bound')}{claim.exponent:.3g}".replace("-", "−"), claim.source)
        for quantity, claim in entry.theory.items()
    ]
    facts = f"Width: {entry.width_means}. Inputs: {', '.join(entry.inputs)}."
    return section(entry, facts, parameters(entry), table(("quantity", "theory's exponent", "source"), rows))


def measurement(entry: Measurement) -> str:
    """Return the section of a measurement, with one entry for each quantity."""
    parts = []
    for quantity in entry.quantities:
        low, high = (f"{bound:g}".replace("inf", "∞").replace("-", "−") for bound in quantity.bounds)
        facts = [f"symbol {quantity.symbol}", f"unit {quantity.unit}", f"reduction {quantity.reduction}"]
        facts.append(f"bounds {low} to {high}")
        if quantity.direction != "none":
            facts.append(f"more linear: {quantity.direction}")
        parts.append(f"### {quantity.key}\n\n{sentence(quantity.summary)}\n\n{sentence('; '.join(facts))}")
    return section(entry, parameters(entry), *parts)


def plain(entry: Entry) -> str:
    """Return the section of anything else."""
    forms = f"Forms: {', '.join(entry.forms)}." if isinstance(entry, Dataset) else ""
    return section(entry, forms, parameters(entry))


def presets(architectures: list[Architecture]) -> str:
    """Return the page of the presets."""
    rows = []
    for name in PRESETS:
        found = preset(name)
        widths, quantities = ", ".join(map(str, found.widths)), ", ".join(f"`{each}`" for each in found.measure)
        rows.append((f"`{name}`", widths, found.seeds, found.settings["n_probes"], quantities))
    own = [
        (f"`{entry.name}`", *(", ".join(map(str, entry.widths.get(name, ()))) for name in PRESETS))
        for entry in architectures
        if entry.widths
    ]
    return "\n\n".join(
        [
            "# Presets",
            "`--preset` chooses the sizes of a run; `--widths`, `--seeds`, `--probes` and `--measure` replace its "
            "choice. `quick` is the default.",
            table(("preset", "widths", "seeds", "probes", "quantities"), rows),
            "Architectures with widths of their own:",
            table(("architecture", *PRESETS), own),
        ]
    )


def notebook(path: Path) -> str:
    """Return a notebook as Markdown: text, code, and what the code printed."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                parts.append(f'<img alt="" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">')
            elif shown := "".join(output.get("text", data.get("text/plain", ()))).rstrip():
                parts.append(f"```text\n{textwrap.dedent(shown)}\n```")
    link = f"This page is the notebook [{path.name}]({{}}); download it to run it."
    return "\n\n".join([*parts, link.format(f"../../docs/notebooks/{path.name}")]) + "\n"
