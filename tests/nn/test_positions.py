import math

import pytest
import torch

from zhixing.nn.positions import rotate, rotation, sinusoids


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


def test_sinusoids_are_those_of_the_papers():
    width, count = 10, 50
    for position in (0, 1, 7, 49):
        opened, closed = (sinusoids(torch.arange(count), width, kind)[position] for kind in ("open", "closed"))
        for i in range(width // 2):
            angle = position / 10000 ** (2 * i / width)  # Vaswani et al. 2017, section 3.5
            assert float(opened[i]) == pytest.approx(math.sin(angle), abs=1e-5)
            assert float(opened[width // 2 + i]) == pytest.approx(math.cos(angle), abs=1e-5)
            angle = position / 10000 ** (i / (width // 2 - 1))  # the longest wavelength is 10,000 * 2 pi
            assert float(closed[i]) == pytest.approx(math.sin(angle), abs=1e-5)
            assert float(closed[width // 2 + i]) == pytest.approx(math.cos(angle), abs=1e-5)


def test_sinusoids_of_any_positions_and_odd_widths():
    places = torch.tensor([[3, 0], [5, 9]])
    assert torch.equal(sinusoids(places, 8)[1, 0], sinusoids(torch.arange(10), 8)[5])
    for kind in ("open", "closed"):
        assert sinusoids(torch.arange(4), 7, kind).shape == (4, 7)
