"""Gradients derived by hand, written out in NumPy, against autograd through the parts that models are made of, all in float64."""

import math

import numpy as np
import torch
from torch import nn

from zhixing.nn.attention import attend
from zhixing.nn.losses import IGNORE, cross_entropy, squared_error
from zhixing.nn.norms import RMSNorm
from zhixing.nn.recurrent import Recurrent


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def near(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


def array(tensor):
    return tensor.detach().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_matrix_product():
    """Y = A B, upstream G = dL/dY: dL/dA = G B', dL/dB = A' G."""
    a, b, upstream = normal(4, 3), normal(3, 5, seed=1), normal(4, 5, seed=2)
    (a @ b).backward(upstream)
    near(array(upstream) @ array(b).T, a.grad)
    near(array(a).T @ array(upstream), b.grad)


def test_softmax_and_cross_entropy():
    """Z = H W' + b; dL/dZ = softmax(Z) - one-hot, zero where nothing is to be predicted."""
    states, matrix, bias = normal(6, 4), normal(9, 4, seed=1), normal(9, seed=2)
    targets = torch.tensor([3, 0, IGNORE, 8, 8, 1])
    h, w, b, y = array(states), array(matrix), array(bias), targets.numpy()
    probability = softmax(h @ w.T + b)
    counted = y != IGNORE
    slope = probability.copy()
    slope[counted, y[counted]] -= 1
    slope[~counted] = 0
    for chunk in (None, 2):
        total, count = cross_entropy(states, matrix, targets, bias=bias, chunk=chunk)
        gradients = torch.autograd.grad(total, (states, matrix, bias))
        assert count == 5
        exact = -np.log(probability[counted, y[counted]]).sum()
        np.testing.assert_allclose(total.item(), exact, rtol=1e-6)  # the loss is fp32 by promise, and so is what it passes back
        for ours, theirs in zip((slope @ w, slope.T @ h, slope.sum(0)), gradients, strict=True):
            np.testing.assert_allclose(ours, array(theirs), rtol=1e-5, atol=1e-6)
    logits = (states @ matrix.T + bias).detach().requires_grad_()
    nn.functional.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum").backward()
    near(slope, logits.grad)


def test_squared_error():
    """L = sum (p - y)^2: dL/dp = 2 (p - y)."""
    predictions, targets = normal(3, 4), normal(3, 4, seed=1).detach()
    total, count = squared_error(predictions, targets)
    total.backward()
    difference = array(predictions) - array(targets)
    assert count == 12
    np.testing.assert_allclose(total.item(), (difference**2).sum(), rtol=1e-6)
    np.testing.assert_allclose(array(predictions.grad), 2 * difference, rtol=1e-5, atol=1e-6)


def test_attention():
    """S = Q K' / sqrt(E), P = softmax(S), O = P V, upstream G:
    dV = P' G;  dP = G V';  dS = P * (dP - rowsum(dP * P));  dQ = dS K / sqrt(E);  dK = dS' Q / sqrt(E).
    What may not be attended to has P = 0, and with it dS = 0.
    """
    q, k, v, upstream = (normal(2, 3, 5, 4, seed=i) for i in range(4))
    attend(q, k, v, causal=True).backward(upstream)
    q_, k_, v_, g = (array(x) for x in (q, k, v, upstream))
    scores = q_ @ k_.swapaxes(-1, -2) / math.sqrt(4)
    p = softmax(np.where(np.tril(np.ones((5, 5), dtype=bool)), scores, -np.inf))
    dp = g @ v_.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True))
    near(p.swapaxes(-1, -2) @ g, v.grad)
    near(ds @ k_ / math.sqrt(4), q.grad)
    near(ds.swapaxes(-1, -2) @ q_ / math.sqrt(4), k.grad)


def test_layer_norm():
    """n = (x - mean) / r with r^2 = mean((x - mean)^2) + e, y = w n + b, h = w G:
    dx = (h - mean(h) - n mean(h n)) / r;  dw = sum G n;  db = sum G.
    """
    layer, x, upstream = nn.LayerNorm(6, eps=1e-5).double(), normal(4, 6), normal(4, 6, seed=1)
    with torch.no_grad():
        layer.weight.copy_(normal(6, seed=2))
    layer(x).backward(upstream)
    x_, g, w = array(x), array(upstream), array(layer.weight)
    root = np.sqrt(x_.var(-1, keepdims=True) + 1e-5)
    n, h = (x_ - x_.mean(-1, keepdims=True)) / root, w * g
    near((h - h.mean(-1, keepdims=True) - n * (h * n).mean(-1, keepdims=True)) / root, x.grad)
    near((g * n).sum(0), layer.weight.grad)
    near(g.sum(0), layer.bias.grad)


def test_rms_norm():
    """n = x / r with r^2 = mean(x^2) + e, y = w n, h = w G: dx = (h - n mean(h n)) / r;  dw = sum G n."""
    layer, x, upstream = RMSNorm(6, 1e-6).double(), normal(4, 6), normal(4, 6, seed=1)
    with torch.no_grad():
        layer.weight.copy_(normal(6, seed=2))
    layer(x).backward(upstream)
    x_, g, w = array(x), array(upstream), array(layer.weight)
    root = np.sqrt((x_**2).mean(-1, keepdims=True) + 1e-6)
    n, h = x_ / root, w * g
    near((h - n * (h * n).mean(-1, keepdims=True)) / root, x.grad)
    near((g * n).sum(0), layer.weight.grad)


def test_one_step_of_an_lstm():
    """a = x U' + h W' + b in four parts;  i, f, o = s(a_i), s(a_f), s(a_o);  z = tanh(a_z);  c' = f c + i z;  h' = o tanh(c').

    From dh' and dc':  dc' += dh' o (1 - tanh(c')^2);  da_o = dh' tanh(c') o (1 - o);  da_i = dc' z i (1 - i);
    da_f = dc' c f (1 - f);  da_z = dc' i (1 - z^2);  dc = dc' f;  dx = da U;  dh = da W;  dU = da' x;  dW = da' h;  db = sum da.
    """
    layer = Recurrent("lstm", 4).double()
    cell = layer.cell
    x, h, c = normal(3, 4), normal(3, 4, seed=1), normal(3, 4, seed=2)
    to_h, to_c = normal(3, 4, seed=3), normal(3, 4, seed=4)
    _, (h_after, c_after) = layer(x.unsqueeze(1), (h, c))
    torch.autograd.backward((h_after, c_after), (to_h, to_c))
    x_, h_, c_, dh, dc = (array(t) for t in (x, h, c, to_h, to_c))
    u, w = array(cell.weight_ih_l0), array(cell.weight_hh_l0)
    a = x_ @ u.T + h_ @ w.T + array(cell.bias_ih_l0) + array(cell.bias_hh_l0)
    i, f, z, o = (part(block) for part, block in zip((sigmoid, sigmoid, np.tanh, sigmoid), np.split(a, 4, axis=1), strict=True))
    after = f * c_ + i * z
    near(after, c_after)
    near(o * np.tanh(after), h_after)
    dc = dc + dh * o * (1 - np.tanh(after) ** 2)
    da = np.concatenate([dc * z * i * (1 - i), dc * c_ * f * (1 - f), dc * i * (1 - z**2), dh * np.tanh(after) * o * (1 - o)], axis=1)
    near(dc * f, c.grad)
    near(da @ u, x.grad)
    near(da @ w, h.grad)
    near(da.T @ x_, cell.weight_ih_l0.grad)
    near(da.T @ h_, cell.weight_hh_l0.grad)
    near(da.sum(0), cell.bias_ih_l0.grad)
    near(da.sum(0), cell.bias_hh_l0.grad)
