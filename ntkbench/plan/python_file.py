"""A function in a user's Python file as an architecture."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import evolve, field, frozen

from ..datasets.forms import FORMS
from ..errors import NtkbenchError, UnknownName, reason_of
from ..registry.calling import exit_as_error
from ..registry.code import Code, code_of_file
from ..registry.specs import Architecture, Param
from ..types import digest
from .model_file import require_file
from .user_modules import enter, forget

# Arguments that the runner passes to every build function; all others are the user's own parameters.
GIVEN = ("width", "input_shape", "outputs", "seed", "inputs")
VOCABULARY = "vocabulary"  # passed too if the dataset declares one, unless the function has a number as its default
OUTPUT = "output"  # selects one of a model's outputs, unless the build function has a parameter of this name


@frozen(kw_only=True)
class FileArchitecture(Architecture):
    """A function in a Python file. The file is run when a model is built, not when the run is planned.

    Attributes:
        path: Path of the file.
        function: Name of the function.
        code: The source files that it depends on.
        loose: Parameters whose default, if any, is not a number, boolean or string.
        required: Parameters without a default.
        open_ended: Whether the function accepts arbitrary keywords.
    """

    path: Path
    function: str
    code: Code = field(factory=Code, repr=False)
    loose: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    open_ended: bool = False

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters. Values of unknown type are parsed as numbers or booleans if possible, else as text."""
        chosen = {} if self._takes_output else chosen_output(given)
        given = {name: value for name, value in given.items() if name not in chosen}
        loose = {
            name: _plain(value)
            for name, value in given.items()
            if name in self.loose or (self.open_ended and name not in self.params)
        }
        for name in self.required:
            if name not in loose:
                raise NtkbenchError(f"{self.name} needs {name!r}; write --arch {self.path}:{self.function}:{name}=….")
        return super().resolve({name: given[name] for name in given if name not in loose}) | loose | chosen

    def output_of(self, params: Mapping[str, Any]) -> str | None:
        """Return the name of the output that the parameters select, None if they select none."""
        return None if self._takes_output else params.get(OUTPUT)

    @property
    def _takes_output(self) -> bool:
        return OUTPUT in (*self.params, *self.loose)

    def load(self) -> Callable[..., Any]:
        """Run the file, unless a file with the same contents has already run, and return its function.

        The file may import modules from its own folder, as a script may.
        """
        beside = {name.partition("/")[0].removesuffix(".py") for name in self.code.files} - {self.path.stem}
        enter(self.path.parent, self.code.fingerprint, beside)
        name = self._module
        if name in sys.modules:
            return self._function_in(sys.modules[name])
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None or spec.loader is None:
            raise NtkbenchError(f"{self.path} cannot be imported as Python.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            with exit_as_error(self.path.name):
                spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, NtkbenchError) or not isinstance(error, Exception):
                raise
            reason = reason_of(error)
            raise NtkbenchError(f"{self.path} could not be imported: {reason}. Fix the file.") from error
        return self._function_in(module)

    def unload(self) -> None:
        """Forget the file and what it has imported from its folder, so that `load` runs it again."""
        sys.modules.pop(self._module, None)
        forget(self.path.parent)

    @property
    def _module(self) -> str:
        return f"ntkbench_file_{digest([str(self.path), self.code.fingerprint], 16)}"

    def _function_in(self, module: ModuleType) -> Callable[..., Any]:
        names = {name: value for name, value in vars(module).items() if callable(value)}
        if self.function not in names:
            raise UnknownName("function", self.function, names, f"in {self.path}")
        return names[self.function]


def chosen_output(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameter that selects an output, if the user set it."""
    return {OUTPUT: str(given[OUTPUT])} if OUTPUT in given else {}


def file_architecture(path: Path, function: str) -> FileArchitecture:
    """Return the architecture of a function in a Python file, read from the source without running it.

    Its parameters are those of the signature whose defaults are numbers, booleans or strings, and `inputs`, the form
    of the data.

    Args:
        path: Path of the file.
        function: Name of the function.

    Raises:
        NtkbenchError: The file or the function does not exist, or the function has no argument for the width.
    """
    tree = _parsed(path)
    names = dict(_definitions(tree.body))
    functions = [name for name, node in names.items() if isinstance(node, ast.FunctionDef)]
    if not function:
        hint = f"name one of {', '.join(functions)}" if functions else "the file defines none; add one"
        example = f"{path}:{functions[0] if functions else 'build'}"
        raise NtkbenchError(f"{path} is given without a function; {hint}, for example --arch {example}.")
    if function not in names and (difflib.get_close_matches(function, functions) or not _binds_unseen(tree)):
        raise UnknownName("function", function, functions, f"in {path}")
    name = f"{path.name}:{function}"
    node = names.get(function)
    shared: dict[str, Any] = {
        "name": name,
        "target": f"{path.stem}:{function}",
        "path": path.resolve(),
        "function": function,
        "code": code_of_file(path),
        "width_means": "the first argument",
        "variants": (),  # the defaults alone would be one, but a parameter may have none
    }
    inputs = Param(name="inputs", type="str", default="vector", help="form of the data")
    if not isinstance(node, ast.FunctionDef):  # an imported name or a class: its signature is not in this file
        return FileArchitecture(**shared, params={"inputs": inputs}, inputs=tuple(FORMS), open_ended=True)
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if not positional and not arguments.vararg:
        raise NtkbenchError(f"{function} in {path} takes no width; its first argument must be the width to build.")
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = list(zip(positional, defaults, strict=True))[1:] + list(
        zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    )
    params, loose, required = {"inputs": inputs}, [], []
    for argument, default in pairs:
        value = _literal(default)
        if argument.arg == "inputs" and isinstance(value, str):
            params["inputs"] = evolve(inputs, default=value)
        if argument.arg in GIVEN:
            continue
        if isinstance(value, bool | int | float | str):
            params[argument.arg] = Param.of(argument.arg, value)
        else:
            loose.append(argument.arg)
            if default is None and argument.arg != VOCABULARY:
                required.append(argument.arg)
    return FileArchitecture(
        **shared,
        params=params,
        inputs=tuple(FORMS),
        loose=tuple(loose),
        required=tuple(required),
        open_ended=arguments.kwarg is not None,
    )


def _parsed(path: Path) -> ast.Module:
    require_file(path)
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        raise NtkbenchError(f"{path} cannot be read: {error.strerror}.") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: nested too deeply
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "it is nested too deeply"
        raise NtkbenchError(f"{path} is not valid Python{line}: {reason}.") from None


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Yield (name, statement) for each name that a module binds at its top level."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((target.id, node) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name, node) for alias in node.names)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for part in ("body", "orelse", "finalbody"):
                yield from _definitions(getattr(node, part, []))


def _binds_unseen(tree: ast.Module) -> bool:
    """Return whether a module may bind names that its source does not show, or raise before it binds them.

    Such a file has to be run to find out.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return True
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("exec", "globals", "setattr", "vars"):
            return True
    return any(isinstance(node, ast.Raise) for node in _statements(tree.body))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported, which excludes bodies of functions and classes."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)


def _literal(node: ast.expr | None) -> Any:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def _plain(text: Any) -> Any:
    """Return a user's text as a number or boolean if it is one."""
    if not isinstance(text, str):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
