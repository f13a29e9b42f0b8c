import pytest
import torch

from zhixing.nn.attention import CrossAttention, attend, attend_plain


def tensors(heads, kv_heads, queries, sources, number=torch.float32):
    torch.manual_seed(0)
    shapes = ((heads, queries), (kv_heads, sources), (kv_heads, sources))
    return [torch.randn(2, h, t, 16).to(number).requires_grad_() for h, t in shapes]


@pytest.mark.parametrize("number", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("time", [1, 7, 64, 256, 300])  # either side of where the CPU changes its way in bf16
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_causal_equals_the_written_out_reference(kv_heads, time, number):
    parts = tensors(4, kv_heads, time, time, number)
    exact = [x.detach().float().requires_grad_() for x in parts]
    ours, reference = attend(*parts, causal=True), attend_plain(*exact, causal=True)
    tolerance = 1e-5 if number == torch.float32 else 3e-2
    torch.testing.assert_close(ours.float(), reference, rtol=tolerance, atol=tolerance)
    weight = torch.randn_like(reference)
    for a, b in zip(torch.autograd.grad(ours, parts, weight.to(number)), torch.autograd.grad(reference, exact, weight), strict=True):
        torch.testing.assert_close(a.float(), b, rtol=10 * tolerance, atol=3 * tolerance)


@pytest.mark.parametrize("kv_heads", [1, 4])
def test_masked_equals_the_written_out_reference(kv_heads):
    parts = tensors(4, kv_heads, 5, 9)
    mask = torch.rand(2, 1, 5, 9) < 0.5
    mask[..., 0] = True
    torch.testing.assert_close(attend(*parts, mask), attend_plain(*parts, mask), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("number", [torch.float32, torch.bfloat16])
def test_documents_in_a_row_do_not_meet(number):
    parts = tensors(4, 2, 9, 9, number)
    segments = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 2, 2], [0] * 9])
    mask = (segments[:, :, None] == segments[:, None, :]).tril().unsqueeze(1)
    ours = attend(*parts, mask, causal=True).float()
    torch.testing.assert_close(ours, attend_plain(*(x.float() for x in parts), mask), rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(ours[:1, :, 3:7], attend(*(x[:1, :, 3:7] for x in parts), causal=True).float(), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("number", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("queries", "sources"), [(1, 7), (7, 7), (130, 130), (300, 300), (5, 200), (600, 600)])
@pytest.mark.parametrize("kind", ["all", "keys", "each"])
def test_both_ways_equals_the_written_out_reference(kind, queries, sources, number):
    parts = tensors(4, 2, queries, sources, number)
    exact = [x.detach().float().requires_grad_() for x in parts]
    mask = {
        "all": None,
        "keys": torch.arange(sources)[None, None, None] < torch.tensor([sources, 3])[:, None, None, None],
        "each": (torch.arange(queries)[:, None] - torch.arange(sources)).abs()[None, None] <= 200,
    }[kind]
    ours, reference = attend(*parts, mask), attend_plain(*exact, mask)
    tolerance = 1e-5 if number == torch.float32 else 3e-2
    torch.testing.assert_close(ours.float(), reference, rtol=tolerance, atol=tolerance)
    weight = torch.randn_like(reference)
    for a, b in zip(torch.autograd.grad(ours, parts, weight.to(number)), torch.autograd.grad(reference, exact, weight), strict=True):
        torch.testing.assert_close(a.float(), b, rtol=10 * tolerance, atol=3 * tolerance)


def test_cross_attention_equals_plain_attention_row_by_row():
    torch.manual_seed(0)
    cross = CrossAttention(16, 4)
    x, memory = torch.randn(6, 3, 16), torch.randn(2, 5, 16)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None, None, :]
    together = cross(x, *cross.read(memory), mask)  # three adjacent rows for each row of the memory
    for row in range(6):
        own = memory[row // 3 : row // 3 + 1, : 5 if row < 3 else 3]
        keys, values = cross.kv(own).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (4, 4)).transpose(1, 2) for part in (cross.q(x[row : row + 1]), keys, values))
        alone = cross.out(attend_plain(q, k, v).transpose(1, 2).flatten(2))
        torch.testing.assert_close(together[row : row + 1], alone)
