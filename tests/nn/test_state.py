import torch

from zhixing.nn.state import State

CPU = torch.device("cpu")


def test_keys_are_kept_in_place_and_room_doubles():
    state = State.empty(1, 2, 3, CPU)
    keys = torch.randn(2, 1, 8, 4)
    for start, end in ((0, 2), (2, 3), (3, 8)):
        found, _ = state.append(0, keys[:, :, start:end], keys[:, :, start:end])
        state.advance(end - start)
        assert torch.equal(found, keys[:, :, :end])
    assert state.layers[0][0].shape[2] == 8
    assert state.longest == 8


def test_rows_of_unequal_lengths_write_at_their_own_ends():
    state = State.empty(1, 2, 0, CPU)
    first, second = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 1, 4)
    state.append(0, first, first)
    state.advance(3, torch.tensor([3, 1]))
    assert state.positions(2).tolist() == [[3, 4], [1, 2]]
    found, _ = state.append(0, second, second)
    assert torch.equal(found[0], torch.cat((first[0], second[0]), dim=1))
    assert torch.equal(found[1, :, :2], torch.cat((first[1, :, :1], second[1]), dim=1))
    assert state.visible(state.positions(1)).tolist() == [[[[True] * 4]], [[[True, True, False, False]]]]


def test_reorder_repeats_and_drops_rows():
    state = State([(torch.arange(3.0)[:, None],)], torch.tensor([5, 6, 7]), 7, True)
    after = state.reorder(torch.tensor([2, 0, 2]))
    assert after.layers[0][0].flatten().tolist() == [2, 0, 2]
    assert after.lengths.tolist() == [7, 5, 7]
    assert after.longest == 7


def test_a_window_hides_what_lies_far_back():
    state = State.empty(1, 1, 0, CPU)
    assert state.visible(state.positions(2), window=2).tolist() == [[[[True, False], [True, True]]]]
    state.advance(3)
    assert state.visible(state.positions(1), window=4) is None
    assert state.visible(state.positions(1), window=2).tolist() == [[[[False, False, True, True]]]]
    assert state.visible(state.positions(2), window=3).tolist() == [[[[False, True, True, True, False], [False, False, True, True, True]]]]
