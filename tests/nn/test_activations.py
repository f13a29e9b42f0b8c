"""The formulas and derivatives of the docstrings, written out, against PyTorch's functions and against autograd, in float64."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from zhixing.nn.activations import gelu, gelu_tanh, glu, relu, sigmoid, silu, softmax, tanh


def s(x):
    return 1 / (1 + np.exp(-x))


def u(x):
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


CASES = {
    sigmoid: (s, lambda x: s(x) * (1 - s(x))),
    tanh: (lambda x: 2 * s(2 * x) - 1, lambda x: 1 - np.tanh(x) ** 2),
    relu: (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
    gelu: (lambda x: x * (1 + special.erf(x / math.sqrt(2))) / 2, lambda x: stats.norm.cdf(x) + x * stats.norm.pdf(x)),
    gelu_tanh: (
        lambda x: x * (1 + np.tanh(u(x))) / 2,
        lambda x: (1 + np.tanh(u(x))) / 2 + x * (1 - np.tanh(u(x)) ** 2) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2) / 2,
    ),
    silu: (lambda x: x * s(x), lambda x: s(x) * (1 + x * (1 - s(x)))),
}


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_value_and_derivative(function):
    value, derivative = CASES[function]
    x = torch.linspace(-6, 6, 97, dtype=torch.float64, requires_grad=True)  # 0 among them
    y = function(x)
    y.sum().backward()
    points = x.detach().numpy()
    np.testing.assert_allclose(y.detach().numpy(), value(points), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(x.grad.numpy(), derivative(points), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("axis", [-1, 0])
def test_softmax(axis):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 7, dtype=torch.float64, generator=generator).requires_grad_()
    upstream = torch.randn(5, 7, dtype=torch.float64, generator=generator)
    y = softmax(x, axis)
    y.backward(upstream)
    by_hand = x.detach().exp() / x.detach().exp().sum(axis, keepdim=True)
    torch.testing.assert_close(y.detach(), by_hand)
    torch.testing.assert_close(x.grad, by_hand * (upstream - (upstream * by_hand).sum(axis, keepdim=True)))


def test_glu():
    x = torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    glu(x).sum().backward()
    a, b = x.detach().numpy()[:, :4], x.detach().numpy()[:, 4:]
    np.testing.assert_allclose(glu(x).detach().numpy(), a * s(b))
    np.testing.assert_allclose(x.grad.numpy(), np.concatenate([s(b), a * s(b) * (1 - s(b))], axis=1))


def test_tanh_gelu_is_within_its_stated_distance_of_gelu():
    x = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    assert 0.0004 < (gelu(x) - gelu_tanh(x)).abs().max() < 0.0005
