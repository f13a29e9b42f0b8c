"""Data files that cannot be used: one line that names the file, mostly the row too, and nothing left behind."""

import malformed
import pytest

import zhixing as zx
from zhixing.errors import InputError

CASES = malformed.cases()


def test_there_are_many_and_all_are_different():
    assert len({content for content, *_ in CASES.values() if content}) >= 190


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_file_is_one_line_and_leaves_nothing(name, tmp_path):
    content, line, says = CASES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        zx.finetune.classify(data=[str(path)], out=tmp_path / "run")
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert says in message
    assert "\n" not in message
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == [path]
