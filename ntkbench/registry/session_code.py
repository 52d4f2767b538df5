"""Describe functions of an interactive session, which have no file, by their code and by everything that they refer to.

In a notebook, a function changes with the cells that define its helpers and constants, although its own code stays the
same.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Literal

from attrs import define, field

from ..types import canonical_json

_PLAIN = (bool, int, str, type(None))


@define
class Description:
    """Describes values as plain JSON, and collects the source files that they come from.

    Attributes:
        is_installed: Whether a file belongs to an installed package, whose code is not part of a description.
        files: The other files that define values.
        modules: Names of the modules that are referred to.
    """

    is_installed: Callable[[Path], bool]
    files: set[Path] = field(factory=set)
    modules: set[str] = field(factory=set)
    _seen: dict[int, tuple[int, Any]] = field(factory=dict)  # with the values, which keeps their ids unique

    def of(self, value: Any) -> Any:
        """Return a value as plain JSON; None for one that belongs to an installed package."""
        if isinstance(value, _PLAIN):
            return value
        if id(value) in self._seen:
            return {"again": self._seen[id(value)][0]}
        self._seen[id(value)] = len(self._seen), value
        if isinstance(value, list | tuple):
            return [self.of(each) for each in value]
        if isinstance(value, set | frozenset):
            return sorted(canonical_json(self.of(each)) for each in value)
        if isinstance(value, Mapping):
            return sorted(canonical_json([self.of(key), self.of(each)]) for key, each in value.items())
        if isinstance(value, float | complex | bytes):
            return repr(value)
        if isinstance(value, ModuleType):
            self.modules.add(value.__name__)
            return None
        if isinstance(value, functools.partial):
            return [self.of(value.func), self.of(value.args), self.of(value.keywords)]
        if isinstance(value, MethodType):
            return [self.of(value.__func__), self.of(value.__self__)]
        if isinstance(value, FunctionType):
            return self._of_function(value)
        if isinstance(value, type):
            return self._of_class(value)
        return self._of_instance(value)

    def _of_function(self, function: FunctionType) -> Any:
        plain = inspect.unwrap(function)
        if not isinstance(plain, FunctionType) or self._origin(plain) != "session":
            return None
        names = dict.fromkeys(_global_names(plain.__code__))
        references = {name: plain.__globals__[name] for name in names if name in plain.__globals__}
        with suppress(ValueError):  # a cell that is still empty
            references |= inspect.getclosurevars(plain).nonlocals
        references |= {"(defaults)": plain.__defaults__, "(keyword defaults)": plain.__kwdefaults__}
        described = {name: self.of(each) for name, each in references.items()}
        known = {name: each for name, each in described.items() if each is not None}
        return [plain_code(plain.__code__), known] if known else plain_code(plain.__code__)

    def _of_class(self, kind: type) -> Any:
        if self._origin(kind) != "session":
            return None
        inherited = [self.of(base) for base in kind.__bases__]
        own = {name: each for name, each in vars(kind).items() if not name.startswith("__") or callable(each)}
        return [kind.__qualname__, inherited, self.of(own)]

    def _of_instance(self, value: Any) -> Any:
        if hasattr(value, "tobytes") and hasattr(value, "dtype"):  # a NumPy array or scalar
            return [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
        kind = type(value)
        origin = self._origin(kind)
        if origin == "installed":
            return None
        described = self.of(kind) if origin == "session" else kind.__qualname__
        return [described, self.of(getattr(value, "__dict__", None))]

    def _origin(self, value: Any) -> Literal["session", "file", "installed"]:
        """Return where a function or class is defined, and note a file that belongs to no installed package."""
        if isinstance(value, type) and value.__module__ == "__main__":  # its file says nothing about a cell
            value = next(filter(inspect.isfunction, vars(value).values()), value)
        try:
            path = Path(inspect.getsourcefile(value) or "")
        except OSError:
            return "session"
        except TypeError:  # built in, or in a module that has no file
            return "session" if getattr(value, "__module__", None) in ("__main__", None) else "installed"
        if not path.is_file():
            return "session"
        if self.is_installed(path):
            return "installed"
        self.files.add(path)
        return "file"


def plain_code(code: CodeType) -> list[Any]:
    """Return the contents of a code object as plain JSON, without its file and line numbers."""
    constants = [plain_code(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return [code.co_code.hex(), constants, list(code.co_names), list(code.co_varnames)]


def _global_names(code: CodeType) -> Iterator[str]:
    """Yield the global names that a function or a function inside it reads, except those that it also sets."""
    instructions = list(dis.get_instructions(code))
    written = {each.argval for each in instructions if each.opname == "STORE_GLOBAL"}
    for each in instructions:
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME") and each.argval not in written:
            yield each.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _global_names(inner)
