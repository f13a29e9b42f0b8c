"""What the training verbs have in common before and after the training."""

import pytest

from zhixing.errors import ArtifactError, SettingError
from zhixing.files import new_folder
from zhixing.run_folder import is_begun, refuse_changes, refuse_two_lengths
from zhixing.train.loop import TrainSettings


def test_settings_of_a_run_cannot_change():
    before = TrainSettings(batch=4)
    refuse_changes(TrainSettings, before, {"batch": 4})
    with pytest.raises(SettingError, match=r"setting batch is 4 in this run|batch: is 4 in this run"):
        refuse_changes(TrainSettings, before, {"batch": 5})


def test_a_run_begins_where_nothing_is_and_goes_on_where_one_is(tmp_path):
    assert not is_begun(tmp_path / "run")
    with new_folder(tmp_path / "run", "run"):
        pass
    assert is_begun(tmp_path / "run")
    with new_folder(tmp_path / "data", "data"):
        pass
    with pytest.raises(ArtifactError, match="is a folder of kind data, and one of kind run is needed"):
        is_begun(tmp_path / "data")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists already"):
        is_begun(tmp_path / "notes")


@pytest.mark.parametrize(
    ("minutes", "chosen", "message"),
    [
        (1.0, {"train.steps": 5}, "train.steps: cannot be given together with --minutes: both say"),
        (None, {"train.steps": 5, "objective.epochs": 2.0}, "train.steps: cannot be given together with objective.epochs: both say"),
        (float("nan"), {}, "minutes.* must be a positive number"),
        (0.0, {}, "minutes.* must be a positive number"),
    ],
)
def test_one_thing_says_how_long_to_train(minutes, chosen, message):
    with pytest.raises(SettingError, match=message):
        refuse_two_lengths(minutes, chosen)


def test_any_one_of_them_may_say_it():
    for minutes, chosen in ((None, {}), (0.5, {}), (None, {"train.steps": 5}), (None, {"objective.epochs": 2.0})):
        refuse_two_lengths(minutes, chosen)
