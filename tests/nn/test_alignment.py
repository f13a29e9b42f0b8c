import math

import pytest
import torch

from zhixing.nn import alignment
from zhixing.nn.alignment import Alignment


def slowly(layer, x, memory, mask):
    """The formulas of the module, a target token and a source token at a time."""
    out = torch.zeros_like(x)
    for b in range(len(x)):
        for t in range(x.shape[1]):
            scores = []
            for s in range(memory.shape[1]):
                if layer.queries is not None:
                    scores.append(layer.vector @ torch.tanh(layer.queries(x[b, t]) + layer.keys(memory[b, s])))
                else:
                    scores.append(x[b, t] @ layer.keys(memory[b, s]) / math.sqrt(x.shape[-1]))
                if not mask[b, s]:
                    scores[-1] = torch.tensor(float("-inf"))
            out[b, t] = layer.out(torch.stack(scores).softmax(0) @ memory[b])
    return out


@pytest.mark.parametrize("score", ["additive", "multiplicative"])
def test_equals_the_formulas(score):
    torch.manual_seed(0)
    layer, x, memory = Alignment(score, 6), torch.randn(2, 3, 6), torch.randn(2, 4, 6)
    mask = torch.tensor([[True, True, True, True], [False, True, True, False]])
    torch.testing.assert_close(layer(x, layer.read(memory), mask), slowly(layer, x, memory, mask))
    torch.testing.assert_close(layer(x, layer.read(memory)), slowly(layer, x, memory, torch.ones_like(mask)))


def test_in_blocks_it_is_the_same(monkeypatch):
    torch.manual_seed(0)
    layer, x, memory = Alignment("additive", 6), torch.randn(2, 7, 6, requires_grad=True), torch.randn(2, 4, 6, requires_grad=True)
    found = []
    for numbers in (1 << 24, 2 * memory.numel()):
        monkeypatch.setattr(alignment, "NUMBERS", numbers)
        out = layer(x, layer.read(memory))
        found.append([out, *torch.autograd.grad(out.square().sum(), [x, memory, *layer.parameters()])])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)
