import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from zhixing.nn.losses import IGNORE, cross_entropy


def inputs(number=torch.float32):
    torch.manual_seed(0)
    states, weight = torch.randn(3, 11, 8).to(number).requires_grad_(), torch.randn(50, 8, requires_grad=True)
    targets = torch.randint(50, (3, 11))
    targets[0, :5] = IGNORE
    return states, weight, targets


@pytest.mark.parametrize("chunk", [None, 1, 7, 33, 100])
def test_equals_pytorch(chunk):
    states, weight, targets = inputs()
    total, count = cross_entropy(states, weight, targets, chunk=chunk)
    reference = F.cross_entropy(F.linear(states, weight).flatten(0, 1), targets.flatten(), reduction="sum")
    torch.testing.assert_close(total, reference)
    assert count == 28
    ours = torch.autograd.grad(total * 0.25, (states, weight))
    for a, b in zip(ours, torch.autograd.grad(reference * 0.25, (states, weight)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("chunk", [None, 4])
def test_nothing_to_predict_is_zero(chunk):
    states, weight, targets = inputs()
    total, count = cross_entropy(states, weight, torch.full_like(targets, IGNORE), chunk=chunk)
    assert total == 0
    assert count == 0
    assert all(g.abs().max() == 0 for g in torch.autograd.grad(total, (states, weight)))


@pytest.mark.parametrize("chunk", [None, 4])
def test_in_autocast_the_loss_and_the_gradients_of_parameters_are_fp32(chunk):
    states, weight, targets = inputs(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, _ = cross_entropy(states, weight, targets, chunk=chunk)
    assert total.dtype == torch.float32
    to_states, to_weight = torch.autograd.grad(total, (states, weight))
    assert (to_states.dtype, to_weight.dtype) == (torch.bfloat16, torch.float32)
    exact = F.cross_entropy(F.linear(states.float(), weight).flatten(0, 1), targets.flatten(), reduction="sum")
    torch.testing.assert_close(total, exact, rtol=0.02, atol=0)
    torch.testing.assert_close(to_weight, torch.autograd.grad(exact, weight)[0], rtol=0.1, atol=0.1)


def test_without_gradients_chunks_compute_none():
    states, weight, targets = inputs()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        assert not cross_entropy(states, weight, targets, chunk=4)[0].requires_grad
    assert counter.get_total_flops() == 2 * states.numel() * len(weight)


def test_large_logits_stay_finite():
    states, weight, targets = inputs()
    for chunk in (None, 4):
        total, _ = cross_entropy(states * 1e4, weight, targets, chunk=chunk)
        assert torch.isfinite(total)
        assert all(g.isfinite().all() for g in torch.autograd.grad(total, (states, weight)))


@pytest.mark.parametrize("chunk", [None, 3, 100])
def test_smoothed_targets_are_torchs(chunk):
    torch.manual_seed(0)
    states, matrix, bias = (torch.randn(*shape, requires_grad=True) for shape in ((7, 5), (11, 5), (11,)))
    targets = torch.tensor([1, 4, -100, 10, 0, 3, -100])
    ours, _ = cross_entropy(states, matrix, targets, bias=bias, chunk=chunk, smoothing=0.1)
    theirs = torch.nn.functional.cross_entropy(states @ matrix.T + bias, targets, label_smoothing=0.1, reduction="sum")
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(torch.autograd.grad(ours, (states, matrix, bias)), torch.autograd.grad(theirs, (states, matrix, bias)), strict=True):
        torch.testing.assert_close(a, b)
