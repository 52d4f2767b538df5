"""infinite_width reads the right limit from Keras models, and refuses by name what has none."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

import ntkbench as nb
from ntkbench import kernels as k, layers
from ntkbench.architectures.dag import draw_graph
from ntkbench.kernels.keras_model import infinite_width
from ntkbench.registry.current import registry

SHAPES = {"vector": (9,), "image": (5, 4, 2), "sequence": (4, 3)}
TANH = k.Activation("tanh")


def probes(shape, n=4):
    return np.random.default_rng(0).normal(size=(n, *shape))


def built(name, width=32, seed=0, **params):
    entry = registry().architectures[name]
    shape = SHAPES[entry.inputs[0]]
    return entry.load()(width, input_shape=shape, seed=seed, **entry.resolve(params)), probes(shape)


def _dag():
    """The kernel of the default graph, written out by hand."""

    def group(number):
        parents = draw_graph(5, 0)[number]
        inputs = [k.concatenate(*(group(parent) for parent in parents))] if parents else []
        return [*inputs, k.Dense(), TANH]

    read = {parent for parents in draw_graph(5, 0) for parent in parents}
    return [k.concatenate(*(group(number) for number in range(5) if number not in read)), k.Dense()]


def _densenet():
    """Each layer reads all earlier ones: three of them, written out by hand."""
    first = [k.Dense(), TANH]
    second = [*first, k.Dense(), TANH]
    third = [k.concatenate(first, second), k.Dense(), TANH]
    return [k.concatenate(first, second, third), k.Dense()]


HAND_BUILT = {
    "linear": [k.Dense(train_weights=False, train_bias=False), TANH, k.Dense()],
    "deep-linear": [k.Dense(), k.Dense(), k.Dense()],
    "fc": [k.Dense(), TANH, k.Dense(), TANH, k.Dense()],
    "fc-relu": [k.Dense(), k.Activation("relu"), k.Dense()],
    "cnn": [k.Conv(), TANH, k.Conv(), TANH, k.Flatten(), k.Dense()],
    "resnet": [k.Dense(), TANH, *[k.residual(k.Dense(), TANH)] * 3, k.Dense()],
    "densenet": _densenet(),
    "dag": _dag(),
    "rnn": [k.Dense(), k.Recurrence("tanh"), k.LastStep(), k.Dense()],
}


def test_every_architecture_with_a_limit_is_compared():
    ours = {name: entry for name, entry in registry().architectures.items() if entry.distribution == "ntkbench"}
    assert set(HAND_BUILT) == {name for name, entry in ours.items() if entry.has_limit}


@pytest.mark.parametrize("name", HAND_BUILT)
def test_is_the_hand_built_kernel(name):
    model, x = built(name)
    found = infinite_width(model).both(x)
    expected = k.InfiniteWidth(HAND_BUILT[name], feature_ndims=x.ndim - 1).both(x)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def volumes(shape, order):
    """A network on volumes whose axes are those of the other orders, moved."""
    three = keras.layers
    moved = lambda *sizes: tuple(sizes[axis] for axis in order)  # noqa: E731
    return keras.Sequential(
        [
            keras.Input((*moved(*shape), 2)),
            three.Conv3D(4, moved(3, 1, 2), padding="same", activation="gelu"),
            three.ZeroPadding3D(moved(1, 0, 0)),
            three.Conv3D(4, moved(2, 1, 2), strides=moved(1, 1, 2), activation="tanh"),
            three.AveragePooling3D(moved(2, 1, 1)),
            three.Flatten(),
            three.Dense(1),
        ]
    )


def test_three_spatial_axes_are_two_where_one_has_a_single_position():
    flat = keras.layers
    plane = keras.Sequential(
        [
            keras.Input((4, 5, 2)),
            flat.Conv2D(4, (3, 2), padding="same", activation="gelu"),
            flat.ZeroPadding2D((1, 0)),
            flat.Conv2D(4, 2, strides=(1, 2), activation="tanh"),
            flat.AveragePooling2D((2, 1)),
            flat.Flatten(),
            flat.Dense(1),
        ]
    )
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 2))
    expected = infinite_width(plane).both(x)
    for order in ((0, 1, 2), (1, 0, 2), (0, 2, 1)):
        volume = np.moveaxis(x[:, :, None], [1 + axis for axis in order], (1, 2, 3))
        for ours, theirs in zip(infinite_width(volumes((4, 1, 5), order)).both(volume), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_the_order_of_three_spatial_axes_does_not_matter():
    x = np.random.default_rng(0).normal(size=(2, 4, 2, 3, 2))
    expected = infinite_width(volumes((4, 2, 3), (0, 1, 2))).matrix(x)
    moved = infinite_width(volumes((4, 2, 3), (2, 0, 1))).matrix(np.moveaxis(x, (3, 1, 2), (1, 2, 3)))
    np.testing.assert_allclose(moved, expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["attention", "mlp-mixer", "fc-lazy", "fc-square-output", "fc-softmax-output"])
def test_architectures_without_a_limit_are_refused(name):
    entry = registry().architectures[name]
    shape = (8, 8) if entry.inputs[0] == "sequence" else (9,)
    model = entry.load()(16, input_shape=shape, seed=0, outputs=entry.outputs, **entry.resolve({}))
    with pytest.raises(k.NoLimit, match="'|The operation Unstack"):
        infinite_width(model)


@pytest.mark.parametrize("name", ["fc-bottleneck", "linear-bottleneck", "cnn-bottleneck"])
def test_bottlenecks_are_refused_and_may_be_widened(name):
    model, x = built(name)
    with pytest.raises(k.NoLimit, match="_2' is a bottleneck of 1 units between layers of 32 and 32"):
        infinite_width(model)
    assert np.isfinite(infinite_width(model, bottlenecks=True).matrix(x)).all()


VARIED = [
    ("fc", {"activation": "relu"}), ("resnet", {"activation": "gelu"}), ("densenet", {"activation": "softplus"}),
    ("cnn", {}), ("cnn", {"init": "orthogonal"}), ("dag", {"activation": "cos"}),
    ("fc", {"init": "orthogonal", "alpha": 2.0}), ("linear", {}),
]  # fmt: skip


def _distances(name, params, widths, seeds):
    _, x = built(name, 2)
    limit = infinite_width(built(name, widths[0], **params)[0]).matrix(x).numpy()
    found = []
    for width in widths:
        model, _ = built(name, width, **params)
        distances = []
        for seed in range(seeds):
            model.set_weights(built(name, width, seed, **params)[0].get_weights())  # one compiled function for all
            kernel = nb.empirical_ntk(model, x.astype("float32"))
            distances.append(np.linalg.norm(kernel - limit) / np.linalg.norm(limit))
        found.append(np.exp(np.mean(np.log(distances))))  # some draws of residual nets are far out
    return found


@pytest.mark.parametrize(("name", "params"), [("fc", {}), ("fc-relu", {})])
def test_finite_networks_converge_like_one_over_root_width(name, params):
    widths = (32, 128, 512)
    distances = _distances(name, params, widths, 64)
    slope = np.polyfit(np.log(widths), np.log(distances), 1)[0]
    assert -0.6 <= slope <= -0.4, (slope, distances)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "params"), [(name, {}) for name in HAND_BUILT if name != "linear"] + VARIED)
def test_finite_networks_of_all_kinds_converge(name, params):
    widths = (16, 32, 64, 128) if name == "cnn" else (128, 256, 512, 1024)
    distances = _distances(name, params, widths, 32)
    slope = np.polyfit(np.log(widths), np.log(distances), 1)[0]
    assert -0.6 <= slope <= -0.4, (slope, distances)


def test_delta_orthogonal_convolutions_have_a_limit_of_their_own():
    """Initial weights at the centre tap alone, gradients at all taps: another kernel than the Gaussian's."""
    x = probes((4, 4, 2), 3)

    def net(width, init="delta-orthogonal", seed=0):
        convolutions = [layers.Conv2D(width, 3, activation="tanh", init=init, seed=seed + i) for i in range(2)]
        last = [keras.layers.Flatten(), layers.Dense(1, seed=seed + 2)]
        return keras.Sequential([keras.Input((4, 4, 2)), *convolutions, *last])

    limit, gaussian = (infinite_width(net(8, init)).matrix(x).numpy() for init in ("delta-orthogonal", "gaussian"))
    distances = []
    for width in (16, 128):
        model, found = net(width), []
        for seed in range(12):
            model.set_weights(net(width, seed=3 * seed).get_weights())
            found.append(np.linalg.norm(nb.empirical_ntk(model, x.astype("float32")) - limit) / np.linalg.norm(limit))
        distances.append(np.sqrt(np.mean(np.square(found))))
    assert -0.7 <= np.log(distances[1] / distances[0]) / np.log(8) <= -0.3, distances
    assert np.linalg.norm(gaussian - limit) > 0.05 * np.linalg.norm(limit)


# -- stock layers ---------------------------------------------------------------------------------------------------


def test_variances_are_those_of_the_initialisers():
    """A glorot kernel [9, 32] has σ_w² = 9 · 2 / (9 + 32); biases that start at 0 are in the tangent kernel only."""
    model = keras.Sequential([keras.Input((9,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(1)])
    x = probes((9,))
    hand = [
        k.Dense(math.sqrt(9 * 2 / 41), bias_ntk=1.0), k.Activation("relu"),
        k.Dense(math.sqrt(32 * 2 / 33), bias_ntk=1.0),
    ]  # fmt: skip
    kernel = infinite_width(model)
    for ours, theirs in zip(kernel.both(x), k.InfiniteWidth(hand).both(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert "standard parameterisation" in " ".join(kernel.notes) and len(kernel.standard) == 2
    assert "(32)" in kernel.notes[0]


def _outputs(make, x, draws=24):
    """Return the mean over fresh draws of f(x) f(x')."""
    total = 0.0
    for seed in range(draws):
        keras.utils.set_random_seed(seed)
        f = make()(x).numpy()
        total = total + f @ f.T / f.shape[1]
    return total / draws


STOCK = {
    "conv2d, average pooling": lambda: [
        keras.Input((6, 6, 2)), keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
        keras.layers.AveragePooling2D(2, padding="same"), keras.layers.Conv2D(64, 2, strides=2),
        keras.layers.LeakyReLU(0.1), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(64),
    ],
    "conv1d, dilation, zero padding": lambda: [
        keras.Input((9, 3)), keras.layers.ZeroPadding1D(1), keras.layers.Conv1D(96, 3, dilation_rate=2),
        keras.layers.ReLU(), keras.layers.Dropout(0.5), keras.layers.ZeroPadding1D((0, 2)),
        keras.layers.Conv1D(96, 2, padding="same", activation="gelu"), keras.layers.Flatten(), keras.layers.Dense(64),
    ],
    "layer normalisation, he, orthogonal": lambda: [
        keras.Input((4, 4, 3)), keras.layers.Rescaling(0.5, 0.1), keras.layers.Reshape((48,)),
        keras.layers.Dense(128, kernel_initializer=keras.initializers.HeNormal()), keras.layers.LayerNormalization(),
        keras.layers.Activation("silu"), keras.layers.Dense(128, kernel_initializer=keras.initializers.Orthogonal(1.3)),
        keras.layers.Activation("relu"), keras.layers.LayerNormalization(), keras.layers.Dense(64),
    ],
    "truncated, uniform, random biases": lambda: [
        keras.Input((7,)),
        keras.layers.Dense(
            128, "tanh", kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.4),
            bias_initializer=keras.initializers.RandomNormal(stddev=0.5),
        ),
        keras.layers.Dense(128, "softplus", kernel_initializer=keras.initializers.RandomUniform(-0.2, 0.2)),
        keras.layers.Dense(64, kernel_initializer="lecun_uniform"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", STOCK)
def test_outputs_of_stock_models_have_the_covariance_of_the_limit(name):
    """24 draws of 64 outputs: the mean errs by √(2/1536) = 3.6 % where the limit is a Gaussian process."""

    def make():
        return keras.Sequential(STOCK[name]())

    model = make()
    x = probes(model.input_shape[1:], 3).astype("float32")
    limit = infinite_width(model, "nngp").matrix(x.astype("float64")).numpy()
    found = _outputs(make, x)
    assert np.linalg.norm(found - limit) <= 0.1 * np.linalg.norm(limit)


def test_means_of_branches_enter_their_sum():
    """relu features have a mean, so that E[(a + b)(a' + b')] has mixed terms: checked by drawing."""

    def make(seed=0):
        x = keras.Input((5,))
        h = layers.Dense(512, "relu", seed=seed)(x)
        h = keras.layers.Add()([h, layers.Dense(512, "relu", seed=seed + 1)(h)])
        return keras.Model(x, layers.Dense(16, seed=seed + 2)(h))

    x = probes((5,), 3)
    limit = infinite_width(make(), "nngp").matrix(x).numpy()
    found = np.mean([(f := make(7 * s)(x).numpy()) @ f.T / 16 for s in range(30)], axis=0)
    assert np.linalg.norm(found - limit) <= 0.08 * np.linalg.norm(limit)
    apart = k.InfiniteWidth([k.Dense(), k.Activation("relu"), k.concatenate([], [k.Dense(), k.Activation("relu")]),
                             k.Dense(math.sqrt(2))], "nngp").matrix(x).numpy()  # fmt: skip
    assert np.linalg.norm(apart - limit) > 0.2 * np.linalg.norm(limit)


def test_nested_models_and_features_side_by_side():
    x = probes((5,))
    inner = keras.Sequential([keras.Input((16,)), layers.Activation("relu"), layers.Dense(24, seed=3)])
    inputs = keras.Input((5,))
    h = layers.Dense(16, seed=1)(inputs)
    both = keras.layers.Concatenate()([h, inner(h)])
    model = keras.Model(inputs, layers.Dense(1, seed=2)(layers.Activation("relu")(both)))
    hand = [
        k.Dense(), k.concatenate([], [k.Activation("relu"), k.Dense()], units=(16, 24)), k.Activation("relu"), k.Dense()
    ]  # fmt: skip
    np.testing.assert_allclose(infinite_width(model).matrix(x), k.InfiniteWidth(hand).matrix(x), rtol=1e-12)


def test_frozen_layers_have_no_share_in_the_tangent_kernel():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(16, "relu", seed=0), layers.Dense(1, seed=1)])
    x = probes((5,))
    model.layers[-1].trainable = False
    hand = [k.Dense(), k.Activation("relu"), k.Dense(train_weights=False)]
    np.testing.assert_allclose(infinite_width(model).matrix(x), k.InfiniteWidth(hand).matrix(x), rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, [0.0] * 16, np.zeros(16)])
@pytest.mark.parametrize("scale", [0.5, np.float32(0.5), np.array(0.5)])
def test_a_rescaling_without_an_offset_is_a_factor(scale, offset):
    hidden = keras.layers.Rescaling(scale, offset)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(16, seed=0), hidden, layers.Dense(1, seed=1)])
    x, hand = probes((5,)), [k.Dense(), k.Scale(0.5), k.Dense()]
    np.testing.assert_allclose(infinite_width(model).matrix(x), k.InfiniteWidth(hand).matrix(x), rtol=1e-12)


class Strange(keras.layers.Layer):
    def call(self, x):
        return 2 * x


SHARED = layers.Dense(16, seed=5, name="shared")
REFUSED = {
    "BatchNormalization 'norm'": lambda x: keras.layers.BatchNormalization(name="norm")(x),
    "MaxPooling1D 'pool'": lambda x: keras.layers.MaxPooling1D(name="pool")(x),
    "MultiHeadAttention 'attend'": lambda x: keras.layers.MultiHeadAttention(2, 4, name="attend")(x, x),
    "Strange 'odd' is a custom layer": lambda x: Strange(name="odd")(x),
    "Dense 'shared' is called twice": lambda x: SHARED(SHARED(x)),
    "uses the initialiser Ones": lambda x: keras.layers.Dense(16, kernel_initializer="ones")(x),
    "Dense 'same' has the seed of 'first'": lambda x: layers.Dense(16, seed=1, name="same")(x),
    "comes? from the same weights": lambda x: keras.layers.Add()([x, layers.Activation("relu")(x)]),
    "not Gaussian in the limit": lambda x: layers.Activation("relu")(layers.Activation("relu")(x)),
    "softmax mixes units": lambda x: keras.layers.Dense(16, "softmax")(x),
    "Rescaling 'shift' shifts features": lambda x: keras.layers.Rescaling(2.0, [1.0] * 16, name="shift")(x),
    "Rescaling 'moved' shifts features": lambda x: keras.layers.Rescaling(2.0, np.ones(16), name="moved")(x),
    "Rescaling 'units' shifts features or scales": lambda x: keras.layers.Rescaling([1.0, 2.0] * 8, name="units")(x),
    "The bias of Dense 'full' uses": lambda x: keras.layers.Dense(
        16, bias_initializer=keras.initializers.Constant(np.ones(16)), name="full"
    )(x),
    "Multiply 'times'": lambda x: keras.layers.Multiply(name="times")([x, layers.Dense(16, seed=9)(x)]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_known_limit_is_refused_by_name(what):
    inputs = keras.Input((8, 16))
    h = keras.layers.Flatten()(REFUSED[what](layers.Dense(16, seed=1, name="first")(inputs)))
    with pytest.raises(k.NoLimit, match=what):
        infinite_width(keras.Model(inputs, layers.Dense(1, seed=2)(h)))


def test_bent_and_unfinished_outputs_are_refused():
    def model(*behind):
        return keras.Sequential([keras.Input((5,)), layers.Dense(16, "tanh", seed=0), *behind])

    for behind, message in [
        ((layers.Dense(1, "sigmoid", seed=1),), "nonlinear output activation"),
        ((), "nonlinear output activation"),
        ((layers.Dense(8, seed=1), keras.layers.LayerNormalization()), "finitely many"),
    ]:
        with pytest.raises(k.NoLimit, match=message):
            infinite_width(model(*behind))
    with pytest.raises(nb.NtkbenchError, match="built Sequential or functional"):
        infinite_width(lambda x: x)


def test_the_standard_parameterisation_is_told():
    x = probes((9,))
    ntk, standard = (infinite_width(built("fc", parameterization=word)[0]) for word in ("ntk", "standard"))
    assert not ntk.standard and len(standard.standard) == 3
    for ours, theirs in zip(ntk.both(x), standard.both(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_mean_field_kernels_are_those_of_the_ntk_parameterisation_over_the_width():
    x = probes((9,))
    model, plain = (built("fc", parameterization=word)[0] for word in ("mean-field", "ntk"))
    width = model.layers[-1].kernel.shape[0]
    mean = infinite_width(model)
    assert not mean.standard and width > 1
    for ours, theirs in zip(mean.both(x), infinite_width(plain).both(x), strict=True):
        np.testing.assert_allclose(ours, theirs / width, rtol=1e-12)


@pytest.mark.parametrize("name", ["fc", "cnn", "resnet", "rnn", "linear"])
def test_the_tangent_kernel_of_maximal_updates_is_that_of_the_ntk_parameterisation(name):
    """At w0, that is; their outputs are 1/√width of those, or 1/√(width · positions) after convolutions."""
    (mup, x), (plain, _) = built(name, parameterization="mup"), built(name)
    shares = 1 if name != "cnn" else mup.layers[-1].kernel.shape[0] // mup.layers[-3].kernel.shape[-1]
    ours, theirs = infinite_width(mup), infinite_width(plain)
    np.testing.assert_allclose(shares * ours.ntk.matrix(x, x), theirs.ntk.matrix(x, x), rtol=1e-12)
    np.testing.assert_allclose(
        mup.layers[-1].kernel.shape[0] * ours.nngp.matrix(x, x), theirs.nngp.matrix(x, x), rtol=1e-12
    )
    empirical = [nb.empirical_ntk(model, x) for model in (mup, plain)]
    np.testing.assert_allclose(shares * empirical[0], empirical[1], rtol=1e-3)


@pytest.mark.parametrize("word", ["mean-field", "mup"])
def test_no_kernel_describes_networks_that_learn_features_at_infinite_width(word):
    from ntkbench.architectures import fully_connected
    from ntkbench.kernels.limit import limit_of

    entry = registry().get("architectures", "fc").resolved({"parameterization": word})
    models = [lambda m=m: fully_connected.build(m, input_shape=(5,), seed=0, parameterization=word) for m in (8, 16)]
    with pytest.raises(nb.NtkbenchError, match="learns features"):
        limit_of(entry, {"parameterization": word}, (5,), *models)
    assert limit_of(entry, {"parameterization": word}, (5,), models[0]).ntk is not None


def normalised(width, seed, activation, gain=True):
    dense = [layers.Dense(units, seed=seed + 50 * i) for i, units in enumerate((width, width, 1))]
    hidden = [
        layer
        for one in dense[:-1]
        for layer in (one, keras.layers.LayerNormalization(scale=gain), keras.layers.Activation(activation))
    ]
    return keras.Sequential([keras.Input((6,)), *hidden, dense[-1]])


def test_a_trained_gain_is_correlated_with_its_unit():
    """∂f/∂γ_i = v_i φ'(u_i) u_i: with relu the gains of a layer add E[φ(u) φ(u')], not E[φ'(u) φ'(u')] E[u u']."""
    x = np.random.default_rng(0).standard_normal((6, 6)).astype("float32")
    limit = np.asarray(k.infinite_width(normalised(8, 0, "relu")).matrix(x))
    draws = [np.asarray(nb.empirical_ntk(normalised(512, seed, "relu"), x)) for seed in range(8)]
    assert np.linalg.norm(np.mean(draws, 0) - limit) < 0.06 * np.linalg.norm(limit)  # 0.15 by the wrong formula


def test_a_gain_before_an_activation_without_a_dual_for_it_is_refused():
    x = np.ones((2, 6), "float32")
    with pytest.raises(nb.NtkbenchError, match="acts on units with trained factors"):
        k.infinite_width(normalised(8, 0, "tanh")).matrix(x)
    assert np.isfinite(k.infinite_width(normalised(8, 0, "tanh", gain=False)).matrix(x)).all()
