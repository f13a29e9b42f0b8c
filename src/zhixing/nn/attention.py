"""Self-attention, with grouped query heads where asked for (Vaswani et al. 2017, arXiv 1706.03762; Ainslie et al. 2023, 2305.13245)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhixing.nn.norms import RMSNorm
from zhixing.nn.positions import rotate
from zhixing.nn.state import State


class Attention(nn.Module):
    """One layer of self-attention; query, key and value are one matrix product, split by `heads`, `kv_heads`, `kv_heads`.

    qk_norm: RMSNorm of each query and key head before the rotation, as in Qwen3 (Henry et al. 2020, arXiv 2010.04245).
    bias: a bias on query, key and value, as in Qwen2; out_bias: one on the output projection too, as in BERT and GPT-2.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_width: int,
        *,
        qk_norm: bool = False,
        bias: bool = False,
        out_bias: bool = False,
        epsilon: float = 1e-6,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, head_width
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * head_width, bias=bias)
        self.out = nn.Linear(heads * head_width, width, bias=out_bias)
        self.q_norm = RMSNorm(head_width, epsilon) if qk_norm else nn.Identity()
        self.k_norm = RMSNorm(head_width, epsilon) if qk_norm else nn.Identity()

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
        past: tuple[State, int] | None = None,
        *,
        causal: bool = True,
    ) -> Tensor:
        """[B, T, D] -> [B, T, D].

        rotation: from `positions.rotation`, at the positions of these T tokens; None: positions are told in another way.
        mask: True where token t may attend to s, [B or 1, 1, T, S]. causal: nothing after t may be attended to, with or without a mask;
        where there is a past, the mask alone says what may be.
        past: a state and the number of this layer in it; keys and values are added to it.
        """
        heads = self.qkv(x).unflatten(-1, (-1, self.head_width))
        q, k, v = heads.split((self.heads, self.kv_heads, self.kv_heads), dim=2)
        q, k = self.q_norm(q), self.k_norm(k)
        if rotation is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if past is not None:
            state, layer = past
            k, v = state.append(layer, k, v)
        mixed = attend(q, k, v, mask, causal=causal and past is None)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
    """Softmax attention of q [B, H, T, E] over k and v [B, K, S, E]: [B, H, T, E].

    mask: True where t may attend to s, [B or 1, 1, T, S]. causal: nothing after t may be attended to, with or without a mask; then T = S.
    """
    if causal and q.dtype == torch.bfloat16 and q.device.type == "cpu" and q.shape[2] <= SHORT:
        return _attend_short(q, k, v, mask)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal and mask is None, enable_gqa=q.shape[1] != k.shape[1])


SHORT, BLOCK = 512, 128
"""Up to SHORT tokens, matrix products in bf16 over BLOCK queries at a time beat PyTorch's fused CPU kernel, which multiplies in small
tiles: forward and backward take 0.33 of its time at 256 tokens and 0.36 at 512. Past that the blocks become many, and compiling slow."""


def _attend_short(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Causal attention, a block of queries after the other, each over the keys up to its end: what lies after is never computed.

    Query heads that share a key head are stacked, so that no key is repeated.
    """
    batch, heads, count, width = q.shape
    grouped = q.reshape(batch, k.shape[1], -1, count, width)  # [B, K, H/K, T, E]
    positions = torch.arange(count, device=q.device)
    blocks = []
    for start in range(0, count, BLOCK):
        end = min(count, start + BLOCK)
        queries = grouped[:, :, :, start:end].flatten(2, 3)  # [B, K, H/K*block, E]
        scores = (queries @ k[:, :, :end].mT).view(batch, heads, end - start, end).float() * width**-0.5
        # Compared, not looked up, where it can be: the compiled comparison is vectorised.
        visible = positions[start:end, None] >= positions[:end] if mask is None else mask[..., start:end, :end]
        weights = scores.where(visible, float("-inf")).softmax(dim=-1).to(v.dtype)
        mixed = weights.view(batch, k.shape[1], -1, end) @ v[:, :, :end]
        blocks.append(mixed.view(batch, heads, end - start, width))
    return torch.cat(blocks, dim=2)


def attend_plain(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
    """`attend`, written out: the reference for its tests."""
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for x in (k, v))
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    mixed: Tensor = scores.float().softmax(dim=-1).to(v.dtype) @ v
    return mixed
