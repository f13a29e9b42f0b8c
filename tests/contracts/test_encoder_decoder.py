"""What every encoder-decoder promises, run over every member of the union that can be one."""

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from zhixing.models import (
    Architecture,
    CNNSettings,
    Decoder,
    Encoder,
    EncoderDecoderModel,
    MarianSettings,
    RNNSettings,
    build,
    flops_per_token,
    kinds,
    parameters,
)
from zhixing.models.shapes import Memory
from zhixing.nn.losses import cross_entropy

VOCABULARY, SOURCE = 53, 61
SMALL = {"encoder_layers": 2, "decoder_layers": 2, "width": 32, "heads": 4}
ARCHITECTURES: dict[str, Architecture] = {
    "marian": MarianSettings(**SMALL),
    "marian-apart": MarianSettings(
        **SMALL, tied=False, head_bias=True, activation="silu", scaled=False, decoder_heads=2, decoder_hidden=48
    ),
    "m2m100": MarianSettings(**SMALL, norm="pre", wavelengths="closed", position_offset=2, activation="gelu"),
    "rnn": RNNSettings(cell="rnn", layers=2, width=32, attention="multiplicative"),
    "lstm": RNNSettings(cell="lstm", layers=2, width=32, tied=False),
    "gru": RNNSettings(cell="gru", layers=1, width=32),
    "cnn": CNNSettings(layers=2, width=32, windows=(3,), tied=False),
    "cnn-dilated": CNNSettings(layers=2, width=32, windows=(3, 2), dilation=2),
}
"""By name; add a member with its settings (two layers and a width of 32 keep the tests short)."""
COMPILED = ("marian",)
"""One of a family is traced every time; all are compiled in the slow tests, half a minute each."""
COMPILE = [
    *(pytest.param(name, "aot_eager", id=f"{name}-traced") for name in COMPILED),
    *(pytest.param(name, "inductor", id=f"{name}-compiled", marks=pytest.mark.slow) for name in ARCHITECTURES),
]
every = pytest.mark.parametrize("settings", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
LENGTHS = torch.tensor([9, 4, 7])


@pytest.fixture(autouse=True)
def one_thread():
    """Threads cost more than they bring at this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def perturbed(settings: Architecture, source: int | None = SOURCE) -> EncoderDecoderModel:
    """A model none of whose parts is idle: fresh ones begin with zero output projections."""
    torch.manual_seed(1)
    model = build(settings, VOCABULARY, "encoder-decoder", source).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.2 if parameter.ndim > 1 else 0.1))
    return model


def ids(rows: int, count: int, vocabulary: int = VOCABULARY, seed: int = 0) -> torch.Tensor:
    return torch.randint(vocabulary, (rows, count), generator=torch.Generator().manual_seed(seed))


def sources() -> tuple[torch.Tensor, torch.Tensor]:
    return ids(3, 9, SOURCE), torch.arange(9) < LENGTHS[:, None]


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_every_kind_of_this_shape_is_here():
    assert {settings.kind for settings in ARCHITECTURES.values()} == set(kinds("encoder-decoder"))


@every
def test_shapes_and_roles(settings):
    model = perturbed(settings)
    source, mask = sources()
    assert isinstance(model.encoder, Encoder)
    assert isinstance(model.decoder, Decoder)
    memory = model.encode(source, mask)
    states = model(source, ids(3, 7), mask)
    assert memory.states.shape == (3, 9, 32)
    assert states.shape == (3, 7, 32)
    assert model.head(states).shape == (3, 7, VOCABULARY)
    assert model.settings == settings


@every
def test_one_vocabulary_has_one_embedding(settings):
    model = build(settings, VOCABULARY, "encoder-decoder")
    assert model.encoder.embedding is model.decoder.embedding
    apart = build(settings, VOCABULARY, "encoder-decoder", SOURCE)
    assert apart.encoder.embedding.weight.shape == (SOURCE, 32)
    assert apart.decoder.embedding.weight.shape == (VOCABULARY, 32)


@every
def test_parameters_are_counted_without_building(settings):
    for source in (None, SOURCE):
        model = build(settings, VOCABULARY, "encoder-decoder", source)
        assert parameters(settings, VOCABULARY, "encoder-decoder", source) == sum(p.numel() for p in model.parameters())


@every
def test_flops_are_six_for_each_matrix_number_and_attention(settings):
    model = build(settings, VOCABULARY, "encoder-decoder")
    matrices = sum(p.numel() for role in (model.encoder, model.decoder) for p in role.trunk.parameters() if p.ndim == 2)
    match settings:
        case MarianSettings():
            attended = settings.encoder_layers + 2 * settings.decoder_layers
        case CNNSettings():
            attended = settings.layers
        case _:
            attended = 1
    attention = 12 * 32 * 16 * attended
    assert flops_per_token(settings, VOCABULARY, 16, "encoder-decoder") == 6 * (matrices + 32 * VOCABULARY) + attention


@every
def test_first_loss_is_near_that_of_a_uniform_guess(settings):
    torch.manual_seed(0)
    model, tokens = build(settings, VOCABULARY, "encoder-decoder", SOURCE), ids(3, 12)
    states = model(*sources()[:1], tokens[:, :-1], sources()[1])
    total, count = cross_entropy(states, model.head.matrix, tokens[:, 1:], bias=model.head.bias)
    assert abs(total.item() / count.item() - torch.tensor(VOCABULARY).log().item()) < 0.1


@every
@torch.no_grad()
def test_padding_of_the_source_changes_nothing(settings):
    model, tokens = perturbed(settings), ids(3, 6)
    source, mask = sources()
    padded = model(source, tokens, mask)
    longer = model(F.pad(source, (0, 5), value=3), tokens, F.pad(mask, (0, 5)))
    near(longer, padded)
    for row, length in enumerate(LENGTHS):
        near(padded[row], model(source[row : row + 1, :length], tokens[row : row + 1])[0])


@every
@torch.no_grad()
def test_full_forward_equals_steps(settings):
    model, tokens = perturbed(settings), ids(3, 20)
    source, mask = sources()
    full = model(source, tokens, mask)
    state, memory, parts = model.start(3, 2), model.encode(source, mask), []  # outgrown on the way
    for piece in tokens.split([6, 1, 1, 4, 1, 7], dim=1):
        parts.append(model.decode(piece, memory if not parts else None, state)[0])
    near(torch.cat(parts, dim=1), full)
    assert state.lengths.tolist() == [20] * 3


@every
@torch.no_grad()
def test_ragged_rows_step_as_if_alone(settings):
    model, tokens, lengths = perturbed(settings), ids(3, 12), torch.tensor([3, 6, 1])
    source, mask = sources()
    full = model(source, tokens, mask)
    state = model.start(3, 4)
    states, state = model.decode(tokens[:, :6], model.encode(source, mask), state, lengths=lengths)
    for row, length in enumerate(lengths):
        near(states[row, :length], full[row, :length])
    for _ in range(3):
        states, state = model.decode(tokens[torch.arange(3), lengths][:, None], None, state)
        near(states[:, 0], full[torch.arange(3), lengths])
        lengths = lengths + 1


@every
@torch.no_grad()
def test_reorder_equals_recomputation(settings):
    model, tokens, lengths = perturbed(settings), ids(3, 8), [5, 2, 4]
    source, mask = sources()
    _, state = model.decode(tokens[:, :5], model.encode(source, mask), model.start(3), lengths=torch.tensor(lengths))
    index = torch.tensor([2, 0, 2, 1])
    after, _ = model.decode(tokens[index, 5:], None, state.reorder(index))
    for place, row in enumerate(index):
        alone = torch.cat([tokens[row, : lengths[row]], tokens[row, 5:]])
        near(after[place], model(source[row : row + 1], alone[None], mask[row : row + 1])[0, -3:])


@every
@torch.no_grad()
def test_beams_share_the_memory_of_their_sentence(settings):
    model, tokens = perturbed(settings), ids(6, 8)
    source, mask = sources()
    full = model(source.repeat_interleave(2, 0), tokens, mask.repeat_interleave(2, 0))
    state = model.start(6)
    states, state = model.decode(tokens[:, :4], model.encode(source, mask), state)
    near(states, full[:, :4])
    index = torch.tensor([1, 1, 2, 3, 5, 4])  # beams change places within their sentence
    state = state.reorder(index, memory=None)
    again = tokens[index].clone()
    again[:, 4:] = tokens[:, 4:]
    near(model.decode(again[:, 4:6], None, state)[0], model(source.repeat_interleave(2, 0), again, mask.repeat_interleave(2, 0))[:, 4:6])
    left = state.reorder(torch.tensor([4, 5, 0, 1]), memory=torch.tensor([2, 0]))  # the middle sentence is finished
    rows = torch.tensor([4, 5, 0, 1])
    expected = model(source.repeat_interleave(2, 0)[rows], again[rows], mask.repeat_interleave(2, 0)[rows])
    near(model.decode(again[rows, 6:], None, left)[0], expected[:, 6:])


@every
def test_nothing_flows_from_the_targets_future_and_all_of_the_source_counts(settings):
    model = perturbed(settings)
    source, mask = sources()
    embedded = model.decoder.embedding(ids(3, 10)).detach().requires_grad_()
    states = model.encoder(source, mask).detach().requires_grad_()
    model.decoder.trunk(embedded, Memory(states, mask))[:, 4].sum().backward()
    assert embedded.grad[:, 5:].abs().max() == 0
    assert embedded.grad[:, :5].abs().amin(dim=(0, 2)).min() > 0
    assert states.grad[~mask].abs().max() == 0
    assert states.grad[mask].abs().amax(dim=1).min() > 0


@every
def test_the_gradient_reaches_every_parameter(settings):
    model = perturbed(settings)
    source, mask = sources()
    loss = F.cross_entropy(model.head(model(source, ids(3, 7), mask)).flatten(0, 1), ids(3, 7, seed=1).flatten())
    names = [name for name, _ in model.named_parameters()]
    of_each = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    assert [name for name, slope in zip(names, of_each, strict=True) if slope is None or not slope.abs().max() > 0] == []


@every
def test_saved_and_loaded_is_bitwise_the_same(settings, tmp_path):
    model = perturbed(settings, None)
    safetensors.torch.save_model(model, str(tmp_path / "model.safetensors"))
    again = build(settings, VOCABULARY, "encoder-decoder").eval()
    safetensors.torch.load_model(again, str(tmp_path / "model.safetensors"))
    assert torch.equal(model(ids(2, 9), ids(2, 5)), again(ids(2, 9), ids(2, 5)))


@every
def test_overfits_eight_pairs(settings):
    torch.manual_seed(0)
    model = build(settings, VOCABULARY, "encoder-decoder", SOURCE)
    source, tokens = ids(8, 10, SOURCE), ids(8, 11)
    tokens[:, 0] = 0  # as translations begin: what follows is known from the source alone
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(150):
        total, count = cross_entropy(model(source, tokens[:, :-1]), model.head.matrix, tokens[:, 1:], bias=model.head.bias)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    assert total.item() / count.item() < 0.1


@every
@torch.no_grad()
def test_bf16_is_near_fp32(settings):
    model = perturbed(settings)
    source, mask = sources()
    exact = model.head(model(source, ids(3, 12), mask)).softmax(-1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model.head(model(source, ids(3, 12), mask)).float().softmax(-1)
    assert (exact - rounded).abs().max() < 0.06
    assert (exact - rounded).abs().mean() < 0.002


@every
def test_same_seed_same_weights(settings):
    weights = []
    for _ in range(2):
        torch.manual_seed(7)
        weights.append(torch.cat([p.flatten() for p in build(settings, VOCABULARY, "encoder-decoder", SOURCE).parameters()]))
    assert torch.equal(*weights)


@every
def test_dropout_only_in_training(settings):
    model = perturbed(settings.model_copy(update={"dropout": 0.5}))
    source, mask = sources()
    assert torch.equal(model(source, ids(3, 5), mask), model(source, ids(3, 5), mask))
    model.train()
    assert not torch.equal(model(source, ids(3, 5), mask), model(source, ids(3, 5), mask))


@pytest.mark.filterwarnings("default")  # the compiler touches what PyTorch itself has deprecated
@pytest.mark.parametrize(("name", "backend"), COMPILE)
def test_compiled_equals_eager(name, backend):
    model, tokens = perturbed(ARCHITECTURES[name]), ids(3, 8)
    source, mask = sources()
    if not model.repeated():
        pytest.skip("nothing here is compiled")
    outcomes = []
    for compiled in (False, True):
        if compiled:
            for layer in model.repeated():
                layer.compile(backend=backend, fullgraph=True, dynamic=False)
        states = model(source, tokens, mask)
        loss = F.cross_entropy(model.head(states).flatten(0, 1), tokens.flatten())
        outcomes.append((states, torch.autograd.grad(loss, list(model.parameters()))))
    near(outcomes[0][0], outcomes[1][0])
    for a, b in zip(outcomes[0][1], outcomes[1][1], strict=True):
        near(a, b, 1e-4)
    with torch.no_grad():  # a step goes past the compiled call
        near(model.decode(tokens, model.encode(source, mask), model.start(3))[0], outcomes[0][0])
