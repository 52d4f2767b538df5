"""PyTorch with curvlinops: Lanczos on the Hessian operator of one output, one sample at a time."""

import math

import numpy as np
import torch
from curvlinops import HessianLinearOperator
from serve import Prepared, serve

VALUE_STEPS = 40


class Dense(torch.nn.Module):
    """A fully connected network in the NTK parameterisation."""

    def __init__(self, case):
        super().__init__()
        self.weights = torch.nn.ParameterList([torch.nn.Parameter(torch.from_numpy(w)) for w in case.weights])
        self.scales = [layer["std"] / math.sqrt(w.shape[0]) for layer, w in zip(case.net, self.weights, strict=True)]
        self.activations = [layer["activation"] for layer in case.net]

    def forward(self, x):
        """Return the outputs [N, O]."""
        for w, scale, activation in zip(self.weights, self.scales, self.activations, strict=True):
            x = scale * (x @ w)
            x = x if activation is None else getattr(torch, activation)(x)
        return x


class FirstOutput(torch.nn.Module):
    """A loss that equals the first output, so that its Hessian is that of the output."""

    reduction = "sum"

    def forward(self, prediction, _):
        """Return Σ_n f(x_n)."""
        return prediction[:, 0].sum()


def inner(u, v):
    """Return the inner product ⟨u, v⟩ over all weights."""
    return sum(torch.sum(a * b) for a, b in zip(u, v, strict=True))


def lanczos(case):
    """Prepare Lanczos without reorthogonalisation on the first sample."""
    net = Dense(case)
    parameters = list(net.parameters())
    data = [(torch.from_numpy(case.x[:1]), torch.zeros(1, 1))]
    operator = HessianLinearOperator(net, FirstOutput(), parameters, data, check_deterministic=False)
    rng = np.random.default_rng(0)
    start = [torch.from_numpy(rng.standard_normal(tuple(p.shape), np.float32)) for p in parameters]
    length = torch.sqrt(inner(start, start))
    start = [part / length for part in start]

    def tridiagonal(steps):
        v, before, alphas, betas = start, None, [], []
        for _ in range(steps):
            h = operator @ v
            alpha = inner(h, v)
            h = [a - alpha * b for a, b in zip(h, v, strict=True)]
            if before is not None:
                h = [a - betas[-1] * b for a, b in zip(h, before, strict=True)]
            beta = torch.sqrt(inner(h, h))
            before, v = v, [part / beta for part in h]
            alphas.append(float(alpha))
            betas.append(float(beta))
        return np.array(alphas), np.array(betas)

    @torch.no_grad()
    def run():
        tridiagonal(case.options["steps"])
        return {"work": case.options["steps"]}

    @torch.no_grad()
    def value():
        alpha, beta = tridiagonal(VALUE_STEPS)
        t = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
        return np.array([np.abs(np.linalg.eigvalsh(t)).max()])

    return Prepared(run, value)


if __name__ == "__main__":
    serve({"lanczos": lanczos}, ["torch", "curvlinops-for-pytorch", "numpy"])
