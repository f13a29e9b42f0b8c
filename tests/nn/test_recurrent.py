import pytest
import torch

from zhixing.nn.recurrent import CELLS, Bidirectional, Pieces, Recurrent


@pytest.mark.parametrize("cell", CELLS)
def test_pieces_equal_one_at_a_time(cell):
    torch.manual_seed(0)
    layer, x = Recurrent(cell, 6), torch.randn(3, 7, 6)
    segments = torch.tensor([[0, 0, 0, 1, 1, 1, 2], [4, 4, 4, 4, 4, 4, 4], [0, 1, 2, 3, 3, 9, 9]])
    out, hidden = layer(x, pieces=Pieces.of_segments(segments))
    starts = [(0, 0, 3), (0, 3, 6), (0, 6, 7), (1, 0, 7), (2, 0, 1), (2, 1, 2), (2, 2, 3), (2, 3, 5), (2, 5, 7)]
    for number, (row, begin, end) in enumerate(starts):
        alone, last = layer(x[row : row + 1, begin:end])
        torch.testing.assert_close(out[row, begin:end], alone[0])
        for a, b in zip(hidden, last, strict=True):
            torch.testing.assert_close(a[number], b[0])


@pytest.mark.parametrize("cell", CELLS)
def test_lengths_leave_padding_out(cell):
    torch.manual_seed(0)
    layer, x, lengths = Recurrent(cell, 6), torch.randn(3, 5, 6), torch.tensor([2, 5, 1])
    before = tuple(torch.randn(3, 6) for _ in range(2 if cell == "lstm" else 1))
    out, hidden = layer(x, before, Pieces.of_lengths(lengths, 5))
    for row, length in enumerate(lengths):
        alone, last = layer(x[row : row + 1, :length], tuple(h[row : row + 1] for h in before))
        torch.testing.assert_close(out[row, :length], alone[0])
        assert out[row, length:].abs().sum() == 0
        for a, b in zip(hidden, last, strict=True):
            torch.testing.assert_close(a[row], b[0])


@pytest.mark.parametrize("cell", CELLS)
def test_both_directions_step_over_padding(cell):
    torch.manual_seed(0)
    layer, x = Bidirectional(cell, 6), torch.randn(4, 5, 6)
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 0, 1, 0]]).bool()
    out = layer(x, Pieces.of_mask(mask))
    for row in range(4):
        torch.testing.assert_close(out[row, mask[row]], layer(x[row, mask[row]][None])[0])


def test_a_row_of_padding_only_is_no_piece():
    torch.manual_seed(0)
    layer, x = Bidirectional("gru", 6), torch.randn(3, 4, 6)
    segments, mask = (
        torch.tensor([[0, 0, 1, 1], [2, 2, 2, 2], [0, 1, 1, 3]]),
        torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]]).bool(),
    )
    out = layer(x, Pieces.of_segments(segments, mask))
    for row, begin, end in ((0, 0, 2), (0, 2, 4), (2, 0, 1), (2, 1, 3)):
        torch.testing.assert_close(out[row, begin:end], layer(x[row : row + 1, begin:end])[0])
    assert out[1].abs().sum() == out[2, 3:].abs().sum() == 0


@pytest.mark.parametrize("cell", CELLS)
def test_each_half_is_a_layer_of_its_own_direction(cell):
    torch.manual_seed(0)
    layer, x = Bidirectional(cell, 6), torch.randn(2, 5, 6)
    out = layer(x)
    changed = x.clone()
    changed[:, 2] += 1
    moved = (layer(changed) - out).abs().amax(dim=(0, 2)) > 0
    assert moved.all()
    from_left = (layer(changed) - out)[..., :3].abs().amax(dim=(0, 2)) > 0
    from_right = (layer(changed) - out)[..., 3:].abs().amax(dim=(0, 2)) > 0
    assert from_left.tolist() == [False, False, True, True, True]
    assert from_right.tolist() == [True, True, True, False, False]
