"""The checks of ntkbench, and one of our own."""

from ntkbench.testing import ArchitectureChecks

from ntkbench_template.network import build


class TestTemplate(ArchitectureChecks):
    architecture = "template"


def test_depth_counts_hidden_layers():
    model = build(8, input_shape=(5,), seed=0, depth=3)
    assert [weight.shape for weight in model.get_weights()] == [(5, 8), (8, 8), (8, 8), (8, 1)]
