"""Learning-rate schedules, held against hand-worked numbers."""

import math

import pydantic
import pytest

from zhixing.train.schedule import ScheduleSettings, factor


def curve(steps=100, **settings):
    return [factor(step, steps, ScheduleSettings(**settings)) for step in range(steps)]


def test_warm_up_is_linear_and_never_zero():
    values = curve(kind="constant", warmup=9)
    assert values[:9] == pytest.approx([i / 10 for i in range(1, 10)])
    assert set(values[9:]) == {1.0}


def test_linear():
    values = curve(kind="linear", warmup=0, final=0.2)
    assert values[0] == 1
    assert values[50] == pytest.approx(0.6)
    assert factor(100, 100, ScheduleSettings(kind="linear", warmup=0, final=0.2)) == pytest.approx(0.2)


def test_cosine():
    values = curve(kind="cosine", warmup=0)
    assert values[25] == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert values[50] == pytest.approx(0.5)


def test_exponential():
    assert curve(kind="exponential", warmup=0, final=0.01)[50] == pytest.approx(0.1)
    with pytest.raises(pydantic.ValidationError, match="never reaches"):
        ScheduleSettings(kind="exponential")


def test_inverse_square_root():
    values = curve(steps=1000, kind="inverse-sqrt", warmup=99)
    assert values[98] == pytest.approx(0.99)
    assert values[99] == 1
    assert values[399] == pytest.approx(0.5)
    assert curve(steps=1000, kind="inverse-sqrt", warmup=9, final=0.2)[-1] == 0.2


def test_warmup_stable_decay():
    values = curve(kind="wsd", warmup=10, cooldown=0.4)
    assert set(values[10:60]) == {1.0}
    assert values[80] == pytest.approx(0.5)
    assert values[99] == pytest.approx(0.025)


@pytest.mark.parametrize("kind", ["wsd", "constant", "linear", "cosine", "exponential", "inverse-sqrt"])
def test_factors_stay_within_bounds(kind):
    assert all(0 < value <= 1 for value in curve(kind=kind, warmup=5, final=0.01))
