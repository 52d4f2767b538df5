"""The example of plugins/README.md, registered."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from ntkbench.registry.manager import GROUP, Registry

TEXT = (Path(__file__).parents[2] / "plugins/README.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL))


def test_the_entry_point_is_in_the_group_that_is_read():
    assert list(tomllib.loads(BLOCKS["toml"])["project"]["entry-points"]) == [GROUP]


def test_the_module_registers_its_architecture():
    names: dict[str, object] = {}
    exec(compile(BLOCKS["python"], "plugins/README.md", "exec"), names)
    registry = Registry()

    def register(name, target, **spec):
        registry.register("architectures", name, target, distribution="my-package", **spec)

    names["ntkbench_register_architectures"](register)
    assert registry.architectures["glu"].target == "my_package.glu:build"
