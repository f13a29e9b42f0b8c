import torch

from zhixing.nn.positions import rotate, rotation


def test_is_a_rotation_of_complex_numbers():
    x, positions = torch.randn(2, 5, 3, 8), torch.tensor([0, 1, 2, 7, 1000])
    ours = rotate(x, *rotation(positions, 8, 10000.0))
    angle = positions[:, None].double() * 10000.0 ** (-torch.arange(4, dtype=torch.float64) / 4)
    turned = torch.complex(x[..., :4].double(), x[..., 4:].double()) * torch.polar(torch.ones_like(angle), angle)[:, None]
    torch.testing.assert_close(ours, torch.cat((turned.real, turned.imag), -1).float(), rtol=1e-4, atol=1e-4)


def test_only_differences_of_positions_enter_scores():
    q, k = torch.randn(1, 6, 1, 16), torch.randn(1, 6, 1, 16)
    scores = []
    for shift in (0, 37):
        angles = rotation(torch.arange(6) + shift, 16, 10000.0)
        scores.append(rotate(q, *angles)[0, :, 0] @ rotate(k, *angles)[0, :, 0].T)
    torch.testing.assert_close(*scores, rtol=1e-4, atol=1e-4)


def test_keeps_the_number_format_and_positions_of_rows():
    x = torch.randn(2, 3, 1, 4, dtype=torch.bfloat16)
    places = torch.tensor([[0, 1, 2], [5, 6, 7]])
    ours = rotate(x, *rotation(places, 4, 100.0))
    assert ours.dtype == torch.bfloat16
    assert torch.equal(ours[1:], rotate(x[1:], *rotation(places[1], 4, 100.0)))
