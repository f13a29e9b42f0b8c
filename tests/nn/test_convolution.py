import pytest
import torch
import torch.nn.functional as F

from zhixing.nn.convolution import Convolution


def reference(layer, x):
    """PyTorch's convolution of each window, its matrix read as [channels, window, D]."""
    outs = []
    for matrix, window in zip(layer.matrices, layer.windows, strict=True):
        left = window - 1 if layer.causal else (window - 1) // 2
        kernel = matrix.weight.view(-1, window, x.shape[-1]).transpose(1, 2)
        padded = F.pad(x.transpose(1, 2), (left * layer.dilation, (window - 1 - left) * layer.dilation))
        outs.append(F.conv1d(padded, kernel, matrix.bias, dilation=layer.dilation).transpose(1, 2))
    return torch.cat(outs, dim=-1)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("windows", "dilation"), [((1,), 1), ((4,), 1), ((3,), 5), ((2, 3, 5), 2), ((5, 1, 4), 1)])
def test_equals_pytorch(windows, dilation, causal):
    torch.manual_seed(0)
    layer, x = (
        Convolution(6, windows, range(3, 3 + len(windows)), dilation=dilation, causal=causal),
        torch.randn(2, 9, 6, requires_grad=True),
    )
    ours, theirs = torch.cat(layer(x), dim=-1), reference(layer, x)
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(ours)
    inputs = [x, *layer.parameters()]
    for a, b in zip(torch.autograd.grad(ours, inputs, upstream), torch.autograd.grad(theirs, inputs, upstream), strict=True):
        torch.testing.assert_close(a, b)
    assert ours.shape == (2, 9, sum(range(3, 3 + len(windows))))


def test_a_document_ends_what_is_seen():
    torch.manual_seed(0)
    layer, x = Convolution(6, (3,), (4,), dilation=2), torch.randn(1, 9, 6)
    (out,) = layer(x, segments=torch.tensor([[7, 7, 7, 7, 3, 3, 3, 3, 3]]))
    torch.testing.assert_close(out, torch.cat([layer(x[:, :4])[0], layer(x[:, 4:])[0]], dim=1))


def test_pieces_with_what_was_kept_equal_the_whole():
    torch.manual_seed(0)
    layer, x = Convolution(6, (2, 4), (3, 5), dilation=3, causal=True), torch.randn(2, 20, 6)
    past, outs = None, []
    for piece in x.split([2, 1, 9, 8], dim=1):
        outs.append(torch.cat(layer(piece, past), dim=-1))
        past = layer.keep(piece, past)
        assert past.shape == (2, 9, 6)
    torch.testing.assert_close(torch.cat(outs, dim=1), torch.cat(layer(x), dim=-1))


def test_rows_of_unequal_length_keep_their_own_last_inputs():
    layer, x = Convolution(6, (3,), (4,), causal=True), torch.randn(3, 5, 6)
    past = layer.keep(x, None, torch.tensor([5, 1, 3]))
    torch.testing.assert_close(past[0], x[0, 3:])
    torch.testing.assert_close(past[1], torch.stack([torch.zeros(6), x[1, 0]]))
    torch.testing.assert_close(past[2], x[2, 1:3])
