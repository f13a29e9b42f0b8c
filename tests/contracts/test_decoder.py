"""What every decoder promises, run over every member of the union that can be one."""

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from zhixing.models import (
    Architecture,
    CNNSettings,
    Decoder,
    DecoderModel,
    GPT2Settings,
    LlamaSettings,
    RNNSettings,
    build,
    flops_per_token,
    kinds,
    parameters,
)
from zhixing.nn.losses import cross_entropy

VOCABULARY = 61
ARCHITECTURES: dict[str, Architecture] = {
    "llama": LlamaSettings(layers=2, width=32, heads=4, qk_norm=False, tied=False),
    "llama-grouped": LlamaSettings(layers=2, width=32, heads=4, kv_heads=2, head_width=16, hidden=48, qk_norm=False),
    "qwen2": LlamaSettings(layers=2, width=32, heads=4, kv_heads=1, qk_norm=False, attention_bias=True),
    "qwen3": LlamaSettings(layers=2, width=32, heads=4, kv_heads=2),
    "mistral": LlamaSettings(layers=2, width=32, heads=4, kv_heads=2, qk_norm=False, window=4, tied=False),
    "qwen2-window": LlamaSettings(layers=2, width=32, heads=4, qk_norm=False, attention_bias=True, window=3, full_layers=1),
    "gpt2": GPT2Settings(layers=2, width=32, heads=4, positions=36),
    "gpt2-untied": GPT2Settings(layers=2, width=32, heads=2, hidden=48, positions=36, activation="relu", tied=False),
    "rnn": RNNSettings(cell="rnn", layers=2, width=32),
    "lstm": RNNSettings(cell="lstm", layers=2, width=32, tied=False),
    "gru": RNNSettings(cell="gru", layers=2, width=32),
    "cnn": CNNSettings(layers=2, width=32, windows=(3,)),
    "cnn-dilated": CNNSettings(layers=2, width=32, windows=(2, 3), dilation=2, activation="relu", tied=False),
}
COMPILED = ("qwen3", "gpt2", "cnn")
"""One of a family is traced every time; all are compiled in the slow tests, half a minute each."""
COMPILE = [
    *(pytest.param(name, "aot_eager", id=f"{name}-traced") for name in COMPILED),
    *(pytest.param(name, "inductor", id=f"{name}-compiled", marks=pytest.mark.slow) for name in ARCHITECTURES),
]
every = pytest.mark.parametrize("settings", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())


@pytest.fixture(autouse=True)
def one_thread():
    """Threads cost more than they bring at this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def perturbed(settings: Architecture) -> DecoderModel:
    """A model none of whose parts is idle: fresh ones begin with zero output projections."""
    torch.manual_seed(1)
    model = build(settings, VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.1))
    return model


def ids(rows: int, count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCABULARY, (rows, count), generator=torch.Generator().manual_seed(seed))


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_every_kind_of_this_shape_is_here():
    assert {settings.kind for settings in ARCHITECTURES.values()} == set(kinds("decoder"))


@every
def test_shapes_and_roles(settings):
    model = perturbed(settings)
    states, state = model(ids(3, 7))
    assert isinstance(model.decoder, Decoder)
    assert states.shape == (3, 7, 32)
    assert state is None
    assert model.head(states).shape == (3, 7, VOCABULARY)
    assert model.settings == settings


@every
def test_parameters_are_counted_without_building(settings):
    assert parameters(settings, VOCABULARY) == sum(p.numel() for p in build(settings, VOCABULARY).parameters())


@every
def test_flops_are_six_for_each_matrix_number_and_attention(settings):
    model = build(settings, VOCABULARY)
    matrices = sum(p.numel() for p in model.decoder.trunk.parameters() if p.ndim == 2) + 32 * VOCABULARY
    match settings:
        case LlamaSettings(window=None):
            attention = 12 * 2 * settings.heads * settings.shape[1] * 16
        case LlamaSettings():  # a layer that sees all before it, where there is one, and those that see a window
            seen = 16 * settings.full_layers + settings.window * (2 - settings.full_layers)
            attention = 12 * seen * settings.heads * settings.shape[1]
        case GPT2Settings():
            attention = 12 * 2 * 32 * 16
        case _:
            attention = 0
    assert flops_per_token(settings, VOCABULARY, 16) == 6 * matrices + attention


@every
def test_first_loss_is_near_that_of_a_uniform_guess(settings):
    torch.manual_seed(0)
    model = build(settings, VOCABULARY)
    tokens = ids(8, 33)
    total, count = cross_entropy(model(tokens[:, :-1])[0], model.head.matrix, tokens[:, 1:])
    assert abs(total.item() / count.item() - torch.tensor(VOCABULARY).log().item()) < 0.1


@every
@torch.no_grad()
def test_full_forward_equals_steps(settings):
    model, tokens = perturbed(settings), ids(3, 20)
    full, _ = model(tokens)
    state = model.start(3, 2)  # outgrown on the way
    parts = [model(piece, state)[0] for piece in tokens.split([6, 1, 1, 4, 1, 7], dim=1)]
    near(torch.cat(parts, dim=1), full)
    assert state.lengths.tolist() == [20] * 3


@every
@torch.no_grad()
def test_ragged_rows_step_as_if_alone(settings):
    model, tokens = perturbed(settings), ids(4, 20)
    full, _ = model(tokens)
    lengths = torch.tensor([3, 9, 1, 5])
    state = model.start(4, 4)
    states, state = model(tokens[:, :9], state, lengths=lengths)
    for row, length in enumerate(lengths):
        near(states[row, :length], full[row, :length])
    more = torch.tensor([2, 1, 4, 3])  # a second ragged call, then one token each
    second = torch.stack([tokens[row, length : length + 4] for row, length in enumerate(lengths)])
    states, state = model(second, state, lengths=more)
    for row, (length, count) in enumerate(zip(lengths, more, strict=True)):
        near(states[row, :count], full[row, length : length + count])
    lengths = lengths + more
    states, state = model(tokens[torch.arange(4), lengths][:, None], state)
    near(states[:, 0], full[torch.arange(4), lengths])
    assert state.lengths.tolist() == (lengths + 1).tolist()


@every
@torch.no_grad()
def test_reorder_equals_recomputation(settings):
    model, tokens = perturbed(settings), ids(3, 8)
    state = model.start(3)
    _, state = model(tokens[:, :5], state, lengths=torch.tensor([5, 2, 4]))
    index = torch.tensor([2, 0, 2, 1])
    after, _ = model(tokens[index, 5:], state.reorder(index))
    for place, row in enumerate(index):
        alone = torch.cat([tokens[row, : [5, 2, 4][row]], tokens[row, 5:]])
        near(after[place], model(alone[None])[0][0, -3:])


@every
def test_nothing_flows_from_the_future(settings):
    model = perturbed(settings)
    embedded = model.decoder.embedding(ids(2, 10)).detach().requires_grad_()
    model.decoder.trunk(embedded)[:, 4].sum().backward()
    assert embedded.grad[:, 5:].abs().max() == 0
    assert embedded.grad[:, :5].abs().amin(dim=(0, 2)).min() > 0  # through two layers of windows too


@every
def test_packed_equals_unpacked(settings):
    model, tokens = perturbed(settings), ids(2, 16)
    cuts = [[5, 1, 10], [16]]
    segments = torch.tensor([[0] * 5 + [1] + [2] * 10, [0] * 16])
    packed, _ = model(tokens, segments=segments)
    alone = [model(piece[None])[0][0] for row, cut in zip(tokens, cuts, strict=True) for piece in row.split(cut)]
    near(packed.flatten(0, 1), torch.cat(alone))
    weight = torch.randn(packed.shape, generator=torch.Generator().manual_seed(3))
    of_packed = torch.autograd.grad((packed * weight).sum(), list(model.decoder.trunk.parameters()))
    of_alone = torch.autograd.grad((torch.cat(alone) * weight.flatten(0, 1)).sum(), list(model.decoder.trunk.parameters()))
    for a, b in zip(of_packed, of_alone, strict=True):
        near(a, b, 1e-3)


@every
def test_overfits_eight_rows(settings):
    torch.manual_seed(0)
    model, tokens = build(settings, VOCABULARY), ids(8, 13)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        total, count = cross_entropy(model(tokens[:, :-1])[0], model.head.matrix, tokens[:, 1:])
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    assert total.item() / count.item() < 0.45  # the first tokens of eight rows cannot all be known


@every
@torch.no_grad()
def test_bf16_is_near_fp32(settings):
    model, tokens = perturbed(settings), ids(2, 24)
    exact = model.head(model(tokens)[0]).softmax(-1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states, _ = model(tokens)
        rounded = model.head(states).float().softmax(-1)
    assert (exact - rounded).abs().max() < 0.06
    assert (exact - rounded).abs().mean() < 0.002


@every
def test_chunked_loss_equals_plain(settings):
    model, tokens = perturbed(settings), ids(3, 15)
    targets = tokens[:, 1:].masked_fill(torch.rand(3, 14, generator=torch.Generator().manual_seed(0)) < 0.2, -100)
    results = []
    for chunk in (None, 5, 1000):
        states, _ = model(tokens[:, :-1])
        total, count = cross_entropy(states, model.head.matrix, targets, chunk=chunk)
        results.append((total, count, torch.autograd.grad(total / count, list(model.parameters()))))
    for total, count, gradients in results[1:]:
        near(total, results[0][0])
        assert count == results[0][1] == (targets != -100).sum()
        for a, b in zip(gradients, results[0][2], strict=True):
            near(a, b, 1e-5)


@every
def test_saved_and_loaded_is_bitwise_the_same(settings, tmp_path):
    model = perturbed(settings)
    safetensors.torch.save_model(model, str(tmp_path / "model.safetensors"))
    again = build(settings, VOCABULARY).eval()
    safetensors.torch.load_model(again, str(tmp_path / "model.safetensors"))
    assert torch.equal(model(ids(2, 9))[0], again(ids(2, 9))[0])


@every
def test_same_seed_same_weights(settings):
    weights = []
    for _ in range(2):
        torch.manual_seed(7)
        weights.append(torch.cat([p.flatten() for p in build(settings, VOCABULARY).parameters()]))
    assert torch.equal(*weights)


@every
def test_dropout_only_in_training(settings):
    model = perturbed(settings.model_copy(update={"dropout": 0.5}))
    assert torch.equal(model(ids(2, 9))[0], model(ids(2, 9))[0])
    model.train()
    assert not torch.equal(model(ids(2, 9))[0], model(ids(2, 9))[0])


@pytest.mark.filterwarnings("default")  # the compiler touches what PyTorch itself has deprecated
@pytest.mark.parametrize(("name", "backend"), COMPILE)
def test_compiled_equals_eager(name, backend):
    model, tokens = perturbed(ARCHITECTURES[name]), ids(2, 16)
    if not model.repeated():
        pytest.skip("nothing here is compiled")
    outcomes = []
    for compiled in (False, True):
        if compiled:
            for layer in model.repeated():
                layer.compile(backend=backend, fullgraph=True, dynamic=False)
        states, _ = model(tokens)
        loss = F.cross_entropy(model.head(states).flatten(0, 1), tokens.flatten())
        outcomes.append((states, torch.autograd.grad(loss, list(model.parameters()))))
    near(outcomes[0][0], outcomes[1][0])
    for a, b in zip(outcomes[0][1], outcomes[1][1], strict=True):
        near(a, b, 1e-4)
    with torch.no_grad():  # a step goes past the compiled call
        near(model(tokens, model.start(2))[0], outcomes[0][0])
