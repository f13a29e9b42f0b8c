"""What architectures that have both roles promise of an encoder and of an encoder-decoder. Their decoders are in `test_architecture`."""

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from zhixing.errors import SettingError
from zhixing.models import (
    CNNSettings,
    Decoder,
    Encoder,
    LlamaSettings,
    Memory,
    RNNSettings,
    build,
    flops_per_token,
    kinds,
    parameters,
)
from zhixing.nn.losses import IGNORE, cross_entropy

VOCABULARY = 61
ARCHITECTURES = {
    "rnn": RNNSettings(cell="rnn", layers=2, width=32, attention="multiplicative"),
    "lstm": RNNSettings(cell="lstm", layers=2, width=32, tied=False),
    "gru": RNNSettings(cell="gru", layers=1, width=32),
    "cnn": CNNSettings(layers=2, width=32, windows=(3,), tied=False),
    "cnn-text": CNNSettings(layers=1, width=32, windows=(3, 4, 5), activation="relu"),
    "cnn-dilated": CNNSettings(layers=3, width=32, windows=(3,), dilation=2),
}
every = pytest.mark.parametrize("settings", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
either = pytest.mark.parametrize("shape", ["encoder", "encoder-decoder"])


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def perturbed(settings, shape, source_vocabulary=None):
    """A model none of whose parts is idle: fresh ones begin with zero output projections."""
    torch.manual_seed(1)
    model = build(settings, VOCABULARY, shape, source_vocabulary).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.1))
    return model


def ids(rows: int, count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCABULARY, (rows, count), generator=torch.Generator().manual_seed(seed))


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def masked(lengths: list[int], count: int) -> torch.Tensor:
    return torch.arange(count) < torch.tensor(lengths)[:, None]


@every
def test_shapes_and_roles(settings):
    model = perturbed(settings, "encoder")
    assert isinstance(model.encoder, Encoder)
    states = model(ids(3, 7))
    assert states.shape == (3, 7, 32)
    assert model.head(states).shape == (3, 7, VOCABULARY)
    both = perturbed(settings, "encoder-decoder")
    assert isinstance(both.encoder, Encoder)
    assert isinstance(both.decoder, Decoder)
    assert both(ids(3, 5), ids(3, 7)).shape == (3, 7, 32)
    assert both.encoder.embedding is both.decoder.embedding
    assert both.settings == settings
    apart = build(settings, VOCABULARY, "encoder-decoder", 23)
    assert apart.encoder.embedding.weight.shape == (23, 32)


@every
@either
def test_parameters_and_flops_are_counted(settings, shape):
    model = build(settings, VOCABULARY, shape)
    assert parameters(settings, VOCABULARY, shape) == sum(p.numel() for p in model.parameters())
    trunks = [model.encoder.trunk] + ([model.decoder.trunk] if shape == "encoder-decoder" else [])
    matrices = sum(p.numel() for trunk in trunks for p in trunk.parameters() if p.ndim == 2)
    looks = 0 if shape == "encoder" else settings.layers if isinstance(settings, CNNSettings) else 1
    assert flops_per_token(settings, VOCABULARY, 16, shape) == 6 * (matrices + 32 * VOCABULARY) + 12 * looks * 32 * 16


@every
@torch.no_grad()
def test_padding_changes_nothing_in_an_encoder(settings):
    model, tokens, lengths = perturbed(settings, "encoder"), ids(4, 11), [11, 4, 1, 7]
    for mask in (masked(lengths, 11), masked(lengths, 11).flip(1)):  # on the right, on the left
        states = model(tokens, mask)
        near(model(torch.where(mask, tokens, 5), mask)[mask], states[mask])
        for row in range(4):
            near(states[row, mask[row]], model(tokens[row, mask[row]][None])[0])
    near(model(tokens, torch.ones(4, 11, dtype=torch.bool)), model(tokens))


@every
def test_packed_equals_unpacked_in_an_encoder(settings):
    model, tokens = perturbed(settings, "encoder"), ids(2, 16)
    cuts = [[5, 1, 10], [13]]
    segments = torch.tensor([[0] * 5 + [1] + [2] * 10, [0] * 13 + [1] * 3])
    mask = masked([16, 13], 16)
    packed = model(tokens, mask, segments=segments)[mask]
    alone = torch.cat(
        [model(tokens[row, sum(cut[:i]) : sum(cut[:i]) + n][None])[0] for row, cut in enumerate(cuts) for i, n in enumerate(cut)]
    )
    near(packed, alone)
    near(model(tokens[:1], segments=segments[:1])[0], alone[:16])
    weight = torch.randn(packed.shape, generator=torch.Generator().manual_seed(3))
    of_packed = torch.autograd.grad((packed * weight).sum(), list(model.encoder.parameters()))
    for a, b in zip(of_packed, torch.autograd.grad((alone * weight).sum(), list(model.encoder.parameters())), strict=True):
        near(a, b, 1e-3)


@every
def test_an_encoder_sees_both_sides(settings):
    model = perturbed(settings, "encoder")
    states = model(ids(1, 9))
    hidden = model.encoder.embedding.weight.grad
    assert hidden is None
    for neighbour in (3, 5):
        changed = ids(1, 9)
        changed[0, neighbour] = (changed[0, neighbour] + 1) % VOCABULARY
        assert (model(changed)[0, 4] - states[0, 4]).abs().max() > 1e-4


@every
@torch.no_grad()
def test_padding_of_the_source_changes_nothing_in_a_decoder(settings):
    model, source, tokens = perturbed(settings, "encoder-decoder"), ids(3, 9), ids(3, 6, seed=1)
    mask = masked([9, 4, 6], 9)
    for side in (mask, mask.flip(1)):
        states = model(source, tokens, side)
        for row in range(3):
            near(states[row], model(source[row, side[row]][None], tokens[row][None])[0])
    assert (model(source.flip(0), tokens, mask.flip(0)) - model(source, tokens, mask)).abs().max() > 1e-2  # it is read


@every
@torch.no_grad()
def test_full_forward_equals_steps_with_a_memory(settings):
    model, source, tokens = perturbed(settings, "encoder-decoder"), ids(3, 9), ids(3, 12, seed=1)
    mask = masked([9, 4, 6], 9)
    full, memory = model(source, tokens, mask), model.encode(source, mask)
    state, parts = model.start(3, 2), []
    for number, piece in enumerate(tokens.split([4, 1, 1, 6], dim=1)):
        parts.append(model.decode(piece, memory if number == 0 else None, state)[0])
    near(torch.cat(parts, dim=1), full)


@every
@torch.no_grad()
def test_ragged_prefixes_and_beams_with_a_memory(settings):
    model, source, tokens = perturbed(settings, "encoder-decoder"), ids(3, 9), ids(3, 10, seed=1)
    mask, lengths = masked([9, 4, 6], 9), torch.tensor([5, 2, 4])
    full, memory = model(source, tokens, mask), model.encode(source, mask)
    states, state = model.decode(tokens[:, :5], memory, model.start(3), lengths=lengths)
    for row, length in enumerate(lengths):
        near(states[row, :length], full[row, :length])
    index = torch.tensor([2, 0, 2, 1])
    after, _ = model.decode(tokens[index, 5:], None, state.reorder(index))
    chosen = memory.reorder(index)
    for place, row in enumerate(index):
        prefix = torch.cat([tokens[row, : lengths[row]], tokens[row, 5:]])[None]
        alone = Memory(chosen.states[place][None], chosen.mask[place][None])
        near(after[place], model.decode(prefix, alone)[0][0, -5:])


@every
def test_nothing_flows_from_the_future_of_the_target(settings):
    model, tokens = perturbed(settings, "encoder-decoder"), ids(2, 8, seed=1)
    before = model(ids(2, 5), tokens)
    later = torch.cat([tokens[:, :5], (tokens[:, 5:] + 1) % VOCABULARY], dim=1)
    after = model(ids(2, 5), later)
    near(before[:, :5], after[:, :5])
    assert (before[:, 5:] - after[:, 5:]).abs().max() > 1e-2


@every
@either
def test_overfits_eight_rows(settings, shape):
    torch.manual_seed(0)
    model, tokens, source = build(settings, VOCABULARY, shape), ids(8, 12), ids(8, 9, seed=5)
    hidden = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(2)) < 0.3
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        if shape == "encoder":
            states, targets = model(tokens.masked_fill(hidden, 0)), tokens.masked_fill(~hidden, IGNORE)
        else:
            states, targets = model(source, F.pad(tokens[:, :-1], (1, 0))), tokens  # each row's first token is known from its source alone
        total, count = cross_entropy(states, model.head.matrix, targets)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    assert total.item() / count.item() < 0.3, total.item() / count.item()


@every
@either
@torch.no_grad()
def test_bf16_is_near_fp32(settings, shape):
    model, tokens, source, mask = perturbed(settings, shape), ids(2, 24), ids(2, 9), masked([9, 5], 9)

    def probabilities():
        states = model(tokens) if shape == "encoder" else model(source, tokens, mask)
        return model.head(states).float().softmax(-1)

    exact = probabilities()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = probabilities()
    assert (exact - rounded).abs().max() < 0.06
    assert (exact - rounded).abs().mean() < 0.002


@every
@either
def test_saved_and_loaded_is_bitwise_the_same(settings, shape, tmp_path):
    model, again = perturbed(settings, shape), build(settings, VOCABULARY, shape).eval()
    safetensors.torch.save_model(model, str(tmp_path / "model.safetensors"))
    safetensors.torch.load_model(again, str(tmp_path / "model.safetensors"))
    tokens = (ids(2, 9),) if shape == "encoder" else (ids(2, 9), ids(2, 7))
    assert torch.equal(model(*tokens), again(*tokens))


@every
@either
def test_dropout_only_in_training(settings, shape):
    model = perturbed(settings.model_copy(update={"dropout": 0.5}), shape)
    tokens = (ids(2, 9),) if shape == "encoder" else (ids(2, 9), ids(2, 7))
    assert torch.equal(model(*tokens), model(*tokens))
    model.train()
    assert not torch.equal(model(*tokens), model(*tokens))


def test_a_shape_that_an_architecture_lacks():
    with pytest.raises(SettingError, match=r"model\.kind: = llama cannot be a model of shape encoder; these can: .*cnn"):
        build(LlamaSettings(), VOCABULARY, "encoder")
    assert {"rnn", "cnn"} <= set(kinds("encoder-decoder"))
