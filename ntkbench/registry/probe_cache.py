"""Cache of probe results, so that each version of each plugin is probed once."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import attrs

from ..types import digest
from . import hookspecs, probe as probing
from .code import files_of
from .snapshot import Probe
from .sources import Source

FOLDER = "NTKBENCH_CACHE"
FORMAT = 3
_MOST_FILES = 2000  # Python files, and files of any kind, of a package that are checked for changes


def folder() -> Path:
    """Return the cache folder: the one in NTKBENCH_CACHE, by default inside the user's cache folder."""
    given = os.environ.get(FOLDER)
    if given:
        return Path(given, "plugins")
    import platformdirs

    return platformdirs.user_cache_path("ntkbench", appauthor=False) / "plugins"


def probes(sources: Sequence[Source]) -> list[Probe]:
    """Return the probe of each plugin, in order: from the cache, or new ones run in parallel."""
    memory = Memory(folder())
    known = [memory.recall(source) for source in sources]
    new = [source for source, found in zip(sources, known, strict=True) if found is None]
    if not new:
        return [found for found in known if found is not None]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        fresh: Iterator[Probe] = iter(list(pool.map(lambda source: again(source, memory), new)))
    return [next(fresh) if found is None else found for found in known]


def again(source: Source, memory: Memory | None = None) -> Probe:
    """Probe a plugin even if its result is cached, and cache the new result."""
    memory = memory or Memory(folder())
    key = memory.key(source)
    found = probing.probe(source)
    memory.keep(source, key, found)
    return found


class Memory:
    """Probe results in a folder: one JSON file for each plugin in each Python environment.

    A result is valid for one version of the distribution, its entry point, ntkbench's own code, and the sizes and
    times of the files of the plugin's package, so that an edited editable install is probed again. A failed probe is
    valid only until a distribution is installed or removed, because a missing dependency may be there by then. Cache
    files that are unreadable or damaged are ignored, and so are errors when writing them.
    """

    def __init__(self, path: Path):
        self.path = path
        self._shared = {
            "format": FORMAT,
            "hooks": hookspecs.VERSION,
            "python": [sys.implementation.cache_tag, sys.prefix],
            "registry": _stamps([Path(__file__).parent]),
        }
        self._environment = environment()

    def key(self, source: Source) -> dict[str, Any]:
        """Return the key under which a result is valid."""
        assert source.point is not None
        own = [source.distribution, source.version, source.point.name, source.point.value]
        return {**self._shared, "plugin": own, "code": _code(source)}

    def recall(self, source: Source) -> Probe | None:
        """Return the cached result if it is still valid, otherwise None."""
        try:
            kept = json.loads(self._file(source).read_bytes())
            found = Probe.from_json(kept["probe"])
            if kept["key"] != self.key(source) or (found.reason and kept["environment"] != self._environment):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found

    def keep(self, source: Source, key: Mapping[str, Any], found: Probe) -> None:
        """Cache a result; a concurrent reader sees either the old file or the new one."""
        text = json.dumps({"key": key, "environment": self._environment, "probe": attrs.asdict(found)})
        with contextlib.suppress(OSError):
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self.path, suffix=".part")
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, self._file(source))

    def _file(self, source: Source) -> Path:
        return self.path / f"{digest([self._shared['python'], source.name])}.json"


def _code(source: Source) -> str:
    """Return a digest of the sizes and times of the files of the plugin's package, without importing it."""
    assert source.point is not None
    try:
        spec = importlib.util.find_spec(source.point.module.partition(".")[0])
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        return ""
    if spec.submodule_search_locations is not None:
        return _stamps(map(Path, spec.submodule_search_locations))
    return _stamps([Path(spec.origin)] if spec.origin else [])


def _stamps(paths: Iterable[Path]) -> str:
    found = []
    for file in {file for path in paths for file in _checked(path)}:
        with contextlib.suppress(OSError):
            stat = os.stat(file)
            found.append([os.fspath(file), stat.st_size, stat.st_mtime_ns])
    return digest(sorted(found))


def _checked(path: Path) -> Iterator[Path]:
    """Yield a file, or the files of a package; many data files do not leave out its Python files."""
    if not path.is_dir():
        yield path
        return
    for python_only in (True, False):
        yield from islice(files_of(path, python_only=python_only), _MOST_FILES)


def environment() -> str:
    """Return a digest that changes when a distribution is installed or removed."""
    found = []
    for path in sys.path:
        if os.path.basename(path) in ("site-packages", "dist-packages"):
            with contextlib.suppress(OSError):
                found.append([path, os.stat(path).st_mtime_ns])
    return digest(found)
