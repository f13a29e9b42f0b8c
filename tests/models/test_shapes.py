import pytest

from zhixing.errors import SettingError
from zhixing.models import LlamaSettings, build, kinds


def test_a_shape_that_an_architecture_lacks():
    with pytest.raises(SettingError, match=r"model\.kind: = llama cannot be a model of shape encoder; these can: .*cnn"):
        build(LlamaSettings(), 61, "encoder")
    assert {"rnn", "cnn"} <= set(kinds("decoder")) & set(kinds("encoder")) & set(kinds("encoder-decoder"))
