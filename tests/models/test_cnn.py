import pytest
import torch
from pydantic import ValidationError

from zhixing.models import CNNSettings, Memory, build


@torch.no_grad()
def test_how_far_a_decoder_sees():
    """Windows of 3 that lie 1, 2 and 4 tokens apart reach 2 + 4 + 8 tokens back, and no farther."""
    torch.manual_seed(0)
    model = build(CNNSettings(layers=3, width=16, windows=(3,), dilation=2, activation="relu"), 20).eval()
    ids = torch.randint(20, (1, 20))
    states, _ = model(ids)
    for back, seen in ((14, True), (15, False)):
        changed = ids.clone()
        changed[0, 19 - back] = (changed[0, 19 - back] + 1) % 20
        assert ((model(changed)[0][0, 19] - states[0, 19]).abs().max() > 1e-7) == seen


@torch.no_grad()
def test_the_state_carries_on_for_ever():
    model = build(CNNSettings(layers=2, width=16, windows=(4,), dilation=2), 20)
    state, sizes = model.start(2, 1), set()
    for _ in range(5):
        model(torch.randint(20, (2, 7)), state)
        sizes.add(tuple(tuple(x.shape) for layer in state.layers for x in layer))
    assert sizes == {((2, 3, 16), (2, 6, 16))}


def test_a_new_gated_layer_changes_nothing():
    torch.manual_seed(0)
    trunk = build(CNNSettings(layers=2, width=16, tied=False), 20).decoder.trunk
    x = torch.randn(2, 5, 16)
    assert torch.equal(trunk(x), trunk.norm(x))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 2, "windows": (1, 2, 3)}, "3 windows cannot share a width of 2"),
        ({"layers": 30, "dilation": 2}, "let the last layer look 1,610,612,736 tokens away"),
        ({"windows": ()}, "at least 1 item"),
    ],
)
def test_settings_that_cannot_be(settings, said):
    with pytest.raises(ValidationError, match=said):
        CNNSettings(**settings)


@torch.no_grad()
def test_attention_knows_places_however_the_source_is_padded():
    torch.manual_seed(0)
    model = build(CNNSettings(layers=1, width=16, windows=(2,), tied=False), 20, "encoder-decoder").eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    source, ids, mask = torch.randint(20, (2, 6)), torch.randint(20, (2, 4)), torch.tensor([[1] * 6, [0] * 2 + [1] * 4]).bool()
    torch.testing.assert_close(model(source, ids, mask)[1], model(source[1:, 2:], ids[1:])[0], rtol=2e-5, atol=2e-5)
    memory = model.encode(source[:1])
    moved = Memory(memory.states.roll(1, dims=1))
    assert (model.decode(ids[:1], memory)[0] - model.decode(ids[:1], moved)[0]).abs().max() > 1e-3  # a bag of states would not differ
