"""Registrations of the family of outputs: networks that differ in what comes out."""

from .theory import derived, floor, linear


def coupling(given):
    """Return the claims on additive couplings by their number."""
    if given["layers"] == 1:
        return linear(derived(1, "the one coupling adds a wide network of the input"))
    return floor(derived(2, "the state between couplings has few entries"), hessian_from=256, kernel_from=256)


def pinn(given):
    """Return the claims on the residual of a differential equation."""
    source = "arXiv 2402.03864: the tangent kernel is "
    if given["residual"] == "gradient":
        return linear(derived(1, "a derivative of the output is a sum over the same units"))
    if given["residual"] == "linear":
        return linear(f"{source}deterministic and constant for linear equations; {derived(1, 'as the network')}")
    return floor(f"{source}random, and the Hessian stays, for non-linear equations; {derived(2, 'u and u_e')}")


def register_all(register):
    """Register the family."""
    register(
        "autoencoder",
        "outputs:build_autoencoder",
        summary="autoencoder with a narrow code, of which one reconstructed input is measured",
        width_means="units in each hidden layer; the code is fixed",
        params={"k": {"default": 4, "minimum": 1, "maximum": 1024, "help": "units of the code"}},
        theory=lambda given: floor(
            "Liu, Zhu, Belkin 2020 (arXiv 2010.01092): a bottleneck keeps the Hessian at order 1",
            hessian_from=8 * given["k"],
            kernel_from=8 * given["k"],
        ),
        bottleneck=True,
        pair="fc-bottleneck:k=4",
        priority="B",
    )
    register(
        "coupling",
        "outputs:build_coupling",
        summary="normalising flow of additive couplings, of which one output is measured",
        width_means="units in the hidden layer of each coupling",
        params={"layers": {"default": 3, "minimum": 1, "maximum": 16, "help": "number of couplings"}},
        theory=coupling,
        bottleneck=lambda given: given["layers"] > 1,
        known_limit=False,
        pair=lambda given: "coupling" if given["layers"] == 1 else "coupling:layers=1",
        priority={"B": ({}, {"layers": 1})},
    )
    register(
        "pinn",
        "outputs:build_pinn",
        summary="residual of a differential equation of a fully connected network",
        width_means="units in each hidden layer",
        params={
            "residual": {"default": "burgers", "choices": ("burgers", "linear", "gradient")}
            | {"help": "burgers: u u_e − ν u_ee; linear: u_e − ν u_ee; gradient: u_e alone"}
        },
        theory=pinn,
        bottleneck=lambda given: given["residual"] == "burgers",
        known_limit=False,
        pair=lambda given: "pinn:residual=linear" if given["residual"] == "burgers" else "pinn",
        priority={"B": ({}, {"residual": "linear"}), "C": ({"residual": "gradient"},)},
    )
    register(
        "vae-decoder",
        "outputs:build_vae_decoder",
        summary="fully connected network of a few inputs, as a decoder of a narrow code",
        width_means="units in each hidden layer; the input is narrow",
        params={"k": {"default": 4, "minimum": 1, "maximum": 61, "help": "number of inputs"}},
        theory=linear(derived(1, "no hidden layer is narrow, and a narrow input is no bottleneck")),
        pair="autoencoder",
        priority="C",
    )
    register(
        "cosine",
        "outputs:build_cosine",
        summary="cosine between features and a trained vector, times a temperature",
        width_means="units in each hidden layer",
        params={
            "temperature": {"default": "fixed", "choices": ("fixed", "trained"), "help": "whether the scale is trained"}
        },
        theory=lambda given: (
            linear(derived(3, "both norms average over units"))
            if given["temperature"] == "fixed"
            else floor(derived(6, "the temperature multiplies the features of all units"))
        ),
        bottleneck=lambda given: given["temperature"] == "trained",
        known_limit=False,
        pair=lambda given: "cosine" if given["temperature"] == "trained" else "cosine:temperature=trained",
        priority={"C": ({}, {"temperature": "trained"})},
    )
    register(
        "product",
        "outputs:build_product",
        summary="product of two networks",
        width_means="units in each hidden layer",
        theory=floor(derived(2, "the output bends as a function of the two networks' outputs")),
        linear_output=False,
        bottleneck=True,
        known_limit=False,
        pair="fc",
        priority="C",
    )
    register(
        "unit-norm-output",
        "outputs:build_unit_norm",
        summary="first of two outputs, divided by the norm of both",
        width_means="units in each hidden layer",
        theory=floor(derived(2, "the output bends as a function of the two networks' outputs, with tails")),
        linear_output=False,
        bottleneck=True,
        known_limit=False,
        targets=(-0.5, 0.5),
        pair="fc",
        priority="C",
    )
