import pytest
import torch

from zhixing.nn.recurrent import CELLS, Pieces, Recurrent


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
