import torch

from zhixing.nn.padding import Tokens, near, positions, visible

MASK = torch.tensor([[True, True, False, False], [False, True, True, True], [False, False, False, False]])
CPU = torch.device("cpu")


def test_tokens_are_taken_and_put_back():
    x = torch.randn(3, 4, 2, 5)
    tokens = Tokens(MASK)
    taken = tokens.take(x)
    assert taken.shape == (1, 5, 2, 5)
    assert torch.equal(taken[0], x[MASK])
    back = tokens.put(taken)
    assert torch.equal(back[MASK], x[MASK])
    assert back[~MASK].abs().max() == 0
    assert torch.equal(tokens.take(torch.arange(4).unsqueeze(0))[0], torch.tensor([0, 1, 1, 2, 3]))  # the same for all rows


def test_padding_is_left_out_only_where_there_is_some():
    assert Tokens.worth(torch.ones(2, 20, dtype=torch.bool)) is None
    assert Tokens.worth(torch.arange(20) < torch.tensor([[20], [18]])) is None  # a twentieth
    assert Tokens.worth(MASK) is not None


def test_positions_count_the_tokens_of_the_own_text():
    assert positions(4, None, None, CPU).tolist() == [0, 1, 2, 3]
    assert positions(4, MASK, None, CPU).tolist() == [[0, 1, 1, 1], [0, 0, 1, 2], [0, 0, 0, 0]]
    segments = torch.tensor([[5, 5, 6, 6], [1, 2, 2, 1]])
    assert positions(4, None, segments, CPU).tolist() == [[0, 1, 0, 1], [0, 0, 1, 0]]
    assert positions(4, MASK[:2], segments, CPU).tolist() == [[0, 1, 0, 1], [0, 0, 1, 0]]


def test_every_place_sees_something_and_no_token_sees_padding():
    segments = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]])
    for mask, numbers in ((MASK, None), (MASK, segments), (None, segments)):
        sees = visible(mask, numbers).expand(3, 1, 4, 4)[:, 0]
        assert sees.any(dim=2).all()
        if mask is not None:
            assert not (sees & mask[:, :, None] & ~mask[:, None, :]).any()
        if numbers is not None:
            assert not (sees & (numbers[:, :, None] != numbers[:, None, :]) & (True if mask is None else mask[:, :, None])).any()
    assert visible(None, None) is None


def test_near_is_both_ways():
    assert near(torch.arange(4), 1)[0, 0].tolist() == [
        [True, True, False, False], [True, True, True, False], [False, True, True, True], [False, False, True, True],
    ]  # fmt: skip
