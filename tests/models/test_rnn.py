import pytest
import torch

from zhixing.models import RNNSettings, build


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@torch.no_grad()
def test_the_state_carries_on_for_ever(cell):
    """A hidden state has no capacity: its size does not change with the tokens seen."""
    torch.manual_seed(0)
    model = build(RNNSettings(cell=cell, layers=1, width=16), 20)
    state = model.start(2, 1)
    sizes = set()
    for _ in range(5):
        model(torch.randint(20, (2, 7)), state)
        sizes.add(tuple(tuple(x.shape) for x in state.layers[0]))
    assert sizes == {((2, 16),) * (2 if cell == "lstm" else 1)}


def test_an_lstm_begins_by_remembering():
    bias = build(RNNSettings(width=8), 20).decoder.trunk.layers[0].recurrent.cell.bias_ih_l0
    assert bias[8:16].tolist() == [1.0] * 8
    assert bias[:8].abs().max() == 0
