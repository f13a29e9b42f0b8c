"""Attention of a text to itself, with grouped query heads where asked for, and of a decoder to what an encoder has read.

(Vaswani et al. 2017, arXiv 1706.03762; Ainslie et al. 2023, 2305.13245.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zhixing.nn.norms import RMSNorm
from zhixing.nn.padding import Tokens
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
        tokens: Tokens | None = None,
    ) -> Tensor:
        """[B, T, D] -> [B, T, D].

        rotation: from `positions.rotation`, at the positions of these T tokens; None: positions are told in another way.
        mask: True where token t may attend to s, [B or 1, 1, T, S]. causal: nothing after t may be attended to, with or without a mask;
        where there is a past, the mask alone says what may be.
        past: a state and the number of this layer in it; keys and values are added to it.
        tokens: of padded rows [B, T]; x and the result then are [1, N, D], the tokens alone, and `mask` is that of the rows.
        """
        heads = self.qkv(x).unflatten(-1, (-1, self.head_width))
        q, k, v = heads.split((self.heads, self.kv_heads, self.kv_heads), dim=2)
        q, k = self.q_norm(q), self.k_norm(k)
        if rotation is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        if tokens is not None:
            q, k, v = tokens.put(q), tokens.put(k), tokens.put(v)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if past is not None:
            state, layer = past
            k, v = state.append(layer, k, v)
        mixed = attend(q, k, v, mask, causal=causal and past is None).transpose(1, 2).flatten(2)
        out: Tensor = self.out(mixed if tokens is None else tokens.take(mixed))
        return out


class CrossAttention(nn.Module):
    """One layer of attention to an encoder's memory, whose keys and values are made once (`read`) and then attended to at each step."""

    def __init__(self, width: int, heads: int, *, bias: bool = True) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.q = nn.Linear(width, width, bias=bias)
        self.kv = nn.Linear(width, 2 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def read(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Memory [B, S, D] -> keys and values [B, H, S, E]."""
        keys, values = self.kv(memory).unflatten(-1, (2, self.heads, self.head_width)).permute(2, 0, 3, 1, 4)
        return keys, values

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; mask: True where the memory has a token, [B, 1, 1, S].

        The memory may have B/k rows, each for k adjacent rows of x (the beams of a sentence): their queries are stacked, and no key is
        repeated.
        """
        rows = keys.shape[0]
        q = self.q(x).view(rows, -1, self.heads, self.head_width).transpose(1, 2)  # [B/k, H, k T, E]
        mixed = attend(q, keys, values, mask)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return out

    def weights(self, x: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, T, D] -> how much of each place of the memory goes into each token, the mean of the heads: [B, T, S], each row 1 in all."""
        q = self.q(x).unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)  # [B, H, T, E]
        scores = (q @ keys.mT).float() * self.head_width**-0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights: Tensor = scores.softmax(dim=-1).mean(dim=1)
        return weights


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
    """Softmax attention of q [B, H, T, E] over k and v [B, K, S, E]: [B, H, T, E].

    mask: True where t may attend to s, [B or 1, 1, T or 1, S]. causal: nothing after t may be attended to; then T = S, and a mask that is
    given hides what comes after itself.
    """
    if q.dtype == torch.bfloat16 and q.device.type == "cpu" and max(q.shape[2], k.shape[2]) <= SHORT and (causal or q.shape[2] > 1):
        return _attend_short(q, k, v, mask, causal)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal and mask is None, enable_gqa=q.shape[1] != k.shape[1])


SHORT, BLOCK = 512, 128
"""Up to SHORT tokens, matrix products in bf16 over BLOCK queries at a time beat PyTorch's fused CPU kernel, which multiplies in small
tiles: forward and backward take 0.33 of its time at 256 tokens and 0.36 at 512. Past that the blocks become many, and compiling slow."""


def _attend_short(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """Attention, a block of queries after the other; if causal, each over the keys up to its end: what lies after is never computed.

    Query heads that share a key head are stacked, so that no key is repeated.
    """
    batch, heads, count, width = q.shape
    grouped = q.reshape(batch, k.shape[1], -1, count, width)  # [B, K, H/K, T, E]
    positions = torch.arange(count, device=q.device)
    blocks = []
    for start in range(0, count, BLOCK):
        end = min(count, start + BLOCK)
        seen = end if causal else k.shape[2]
        queries = grouped[:, :, :, start:end].flatten(2, 3)  # [B, K, H/K*block, E]
        scores = (queries @ k[:, :, :seen].mT).view(batch, heads, end - start, seen).float() * width**-0.5
        if mask is not None:
            scores = scores.where(mask[..., start:end, :seen] if mask.shape[2] > 1 else mask[..., :seen], float("-inf"))
        elif causal:  # compared, not looked up: the compiled comparison is vectorised
            scores = scores.where(positions[start:end, None] >= positions[:seen], float("-inf"))
        weights = scores.softmax(dim=-1).to(v.dtype)
        mixed = weights.view(batch, k.shape[1], -1, seen) @ v[:, :, :seen]
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
