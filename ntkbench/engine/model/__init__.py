"""Wrap a model as a function of one weight vector, and inspect its layers, graph and precision."""

from .casting import (
    COPIED,
    copied,
    dtype_policy,
    in_precision,
    network_in,
    require_same_outputs,
    take_weights,
)
from .explained import explained
from .fingerprint import fingerprint
from .graph import POINTS, Graph, graph_of, owner_of
from .in_units import InUnits
from .layer_facts import (
    FORWARD_SAFE,
    KEEPS_SAMPLES,
    OPAQUE,
    PLAIN,
    has,
    is_ours,
    is_stock,
    joined_by_layers,
    made_of,
    vectorises,
)
from .network import Network, SeveralOutputs, network, renewed
from .ownership import layers_of
from .replaced import replaced_calls
from .trace import EPS, layer_of, named_layers, noise_of, rounding_of, trace_of
from .variable_names import variable_names

__all__ = [
    "COPIED",
    "EPS",
    "FORWARD_SAFE",
    "KEEPS_SAMPLES",
    "OPAQUE",
    "PLAIN",
    "POINTS",
    "Graph",
    "InUnits",
    "Network",
    "SeveralOutputs",
    "copied",
    "dtype_policy",
    "explained",
    "fingerprint",
    "graph_of",
    "has",
    "in_precision",
    "is_ours",
    "is_stock",
    "joined_by_layers",
    "layer_of",
    "layers_of",
    "made_of",
    "named_layers",
    "network",
    "network_in",
    "noise_of",
    "owner_of",
    "renewed",
    "replaced_calls",
    "require_same_outputs",
    "rounding_of",
    "take_weights",
    "trace_of",
    "variable_names",
    "vectorises",
]
