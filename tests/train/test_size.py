"""What is derived from time, data and memory."""

import math

import pytest
import torch

from zhixing.config import resolve
from zhixing.errors import SettingError
from zhixing.train.recipe import Recipe
from zhixing.train.size import Data, Rate, batch_tokens, derive, effective_tokens

CPU, GIGABYTES = torch.device("cpu"), 16e9
RATE = Rate((128, 256, 512), (2e10, 3e10, 4e10))
BY_HAND = {
    "model.layers": 2, "model.width": 64, "model.heads": 2, "objective.context": 64, "train.batch": 16, "train.compile": False,
}  # fmt: skip


def unmeasured() -> Rate:
    raise AssertionError("the machine was measured")


def test_the_rate_between_two_widths_is_between_theirs():
    assert RATE.at(64) == RATE.at(128) == 2e10
    assert RATE.at(4096) == 4e10
    assert RATE.at(181) == pytest.approx(2.5e10, rel=1e-3)  # halfway in the logarithm


def test_what_is_read_again_is_worth_less():
    assert effective_tokens(500, 1000) == 500
    assert effective_tokens(2000, 1000) == pytest.approx(1000 + 15_000 * (1 - math.exp(-1 / 15)))
    assert effective_tokens(1e12, 1000) == pytest.approx(16_000)


def test_batches_grow_with_the_run():
    assert [batch_tokens(tokens) for tokens in (1e5, 4e5, 4e6, 4e9, 1e15)] == [1024, 1024, 4096, 262_144, 524_288]


def test_more_time_gives_no_smaller_model():
    widths = [derive({}, lambda: RATE, seconds, Data(1_000_000, 4096), CPU, GIGABYTES)["model.width"] for seconds in (60, 600, 6000)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_nothing_is_measured_where_nothing_depends_on_it():
    derived = derive({**BY_HAND, "train.steps": 60}, unmeasured, 600.0, Data(50_000, 400), CPU, GIGABYTES)
    assert derived["train.batch"] == 16


@pytest.mark.parametrize("open_", ["model.width", "train.batch", "train.compile"])
def test_the_machine_is_measured_where_something_depends_on_it(open_):
    left = {"model.layers", "model.width", "model.heads"} if open_ == "model.width" else {open_}
    chosen = {name: value for name, value in BY_HAND.items() if name not in left}
    with pytest.raises(AssertionError, match="was measured"):
        derive({**chosen, "train.steps": 60}, unmeasured, 600.0, Data(50_000, 400), CPU, GIGABYTES)


@pytest.mark.parametrize(("steps", "dropout", "decay"), [(100, 0.0, 0.1), (250, 0.1, 0.3), (2000, 0.2, 0.3)])
def test_steps_set_by_hand_say_how_often_the_text_is_read(steps, dropout, decay):
    """16 rows x 64 tokens a step of 50,000 tokens: 2, 5 and 41 epochs, whatever ten minutes would have been."""
    derived = derive({**BY_HAND, "train.steps": steps}, unmeasured, 600.0, Data(50_000, 400), CPU, GIGABYTES)
    assert (derived["model.dropout"], derived["optim.weight_decay"]) == (dropout, decay)


def test_readings_that_hide_other_tokens_are_no_mere_repetition():
    found = []
    for kind in ("masked", "causal"):
        chosen = {
            "objective.kind": kind,
            "train.steps": 60,
            "train.batch": 32,
            "objective.context": 128,
            "model.width": 64,
            "model.layers": 2,
        }
        found.append(derive(chosen, lambda: RATE, 600.0, Data(50_000, 400), CPU, GIGABYTES))  # read five times
    assert [(one["model.dropout"], one["optim.weight_decay"]) for one in found] == [(0.0, 0.1), (0.1, 0.3)]


@pytest.mark.parametrize(("kind", "share"), [("masked", 0.4), ("causal", 1.0)])
def test_an_encoder_that_has_learnt_moves_less(kind, share):
    chosen = {"objective.kind": kind, "train.steps": 60, "train.batch": 32, "objective.context": 128, "model.width": 64, "model.layers": 2}
    new, learnt = (derive(chosen, lambda: RATE, 600.0, Data(50_000, 400), CPU, GIGABYTES, had) for had in (False, True))
    for name in ("optim.learning_rate", "optim.table_rate"):
        assert learnt[name] == pytest.approx(share * new[name], rel=0.01)


def test_a_short_run_by_steps_is_not_compiled():
    chosen = {name: value for name, value in BY_HAND.items() if name != "train.compile"}
    short, long = (derive({**chosen, "train.steps": n}, lambda: RATE, 600.0, Data(50_000, 400), CPU, GIGABYTES) for n in (60, 10**6))
    assert (short["train.compile"], long["train.compile"]) == (False, True)


@pytest.mark.parametrize(("fixed", "fits"), [({"model.kv_heads": 3}, 3), ({"model.kind": "cnn", "model.dilation": 3}, None)])
def test_sizes_that_do_not_go_with_what_is_set_are_passed_over(fixed, fits):
    derived = derive(fixed, lambda: RATE, 60.0, Data(1_000_000, 4096), CPU, GIGABYTES)
    resolve(Recipe, fixed, {"train.steps": 1, "schedule.warmup": 0, **derived})
    assert fits is None or derived["model.heads"] % fits == 0


@pytest.mark.parametrize(
    ("chosen", "heads"),
    [
        ({"model.width": 384}, 6),
        ({"model.width": 384, "model.kv_heads": 4}, 4),
        ({"model.width": 128, "model.kv_heads": 4}, 4),
        ({"model.layers": 2, "model.kv_heads": 4}, 4),
        ({"model.width": 64, "model.head_width": 16}, 4),
        ({"model.width": 64, "model.head_width": 24, "model.kv_heads": 2}, 2),
        ({"model.width": 128, "model.kv_heads": 4, "model.heads": 8}, None),
        ({"model.width": 128, "model.kind": "cnn"}, None),
    ],
)
def test_heads_go_with_the_sizes_that_are_set(chosen, heads):
    derived = derive(chosen, lambda: RATE, 60.0, Data(1_000_000, 4096), CPU, GIGABYTES)
    resolve(Recipe, chosen, {"train.steps": 1, "schedule.warmup": 0, **derived})
    assert derived.get("model.heads") == heads


def test_shared_heads_alone_do_not_make_a_larger_model():
    """Four heads of 32 go with a width of 128; of the widths that have four heads of 64, 256 would be the first."""
    found = [derive({"model.kv_heads": n}, lambda: RATE, 12.0, Data(110_000, 1000), CPU, GIGABYTES) for n in (1, 4)]
    assert [(one["model.width"], one["model.heads"]) for one in found] == [(64, 2), (128, 4)]


def test_rates_are_those_of_the_width_that_a_kind_has_by_default():
    chosen = {"objective.kind": "denoise", "model.encoder_layers": 1, "model.decoder_layers": 1}
    default, given = (
        derive({**chosen, **width}, lambda: RATE, 60.0, Data(1_000_000, 4096), CPU, GIGABYTES) for width in ({}, {"model.width": 256})
    )
    assert default["optim.learning_rate"] == given["optim.learning_rate"]


def test_where_no_size_fits_the_setting_is_named():
    with pytest.raises(SettingError, match=r"setting model: kv_heads 37 is not a divisor"):
        derive({"model.kv_heads": 37}, lambda: RATE, 60.0, Data(1_000_000, 4096), CPU, GIGABYTES)
