"""Models of registered architectures at their probes, as measurements get them."""

from __future__ import annotations

import pytest
from attrs import asdict
from hypothesis import settings as hypothesis_settings

# One commit, one verdict: examples are the same in every run. `--hypothesis-profile=search` draws new ones.
hypothesis_settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis_settings.register_profile("search", derandomize=False, deadline=None, max_examples=2000)
hypothesis_settings.load_profile("fixed")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A folder for what is remembered of plugins, instead of the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NTKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def context():
    """Return the function that makes the Context of one architecture at one width."""

    def make(name, width, *, seed=0, precision="float64", settings=None, **params):
        from ntkbench.registry.current import registry
        from ntkbench.runner.worker import GroupWorker
        from ntkbench.types import Cell, Settings

        cell = Cell(
            architecture=name,
            params=registry().architectures[name].resolve(params),
            width=width,
            seed=seed,
            dataset="digits",
            dataset_params={},
            measurement="hessian",
            quantities=("hessian_norm",),
            settings=asdict(settings or Settings(n_probes=3)),
            precision=precision,
        )
        return GroupWorker([cell], registry()).context(cell)

    return make
