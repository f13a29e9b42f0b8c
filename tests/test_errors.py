import pytest

from zhixing import errors


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (errors.ZhixingError("a\n  b\tc"), "a b c", 1),
        (errors.Interrupted("stopped"), "stopped", 1),
        (errors.MissingPackage("transformers", "hf", "exporting"), "exporting needs the package transformers", 1),
        (errors.UserError("no"), "no", 2),
        (errors.InputError("reviews.tsv:17", "has one column"), "reviews.tsv:17: has one column", 2),
        (errors.SettingError("train.steps", "is 0"), "setting train.steps: is 0", 2),
        (errors.ArtifactError("runs/lm", "is damaged"), "runs/lm: is damaged", 2),
    ],
)
def test_an_error_is_one_line_and_knows_its_exit_code(error, text, code):
    assert text in str(error)
    assert "\n" not in str(error)
    assert error.exit_code == code


def test_a_users_mistake_can_be_caught_as_one_kind():
    assert issubclass(errors.InputError, errors.UserError)
    assert issubclass(errors.SettingError, errors.UserError)
    assert issubclass(errors.ArtifactError, errors.UserError)
    assert not issubclass(errors.Interrupted, errors.UserError)
