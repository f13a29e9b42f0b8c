import subprocess
import sys

import pytest
import torch
from pydantic import TypeAdapter

from zhixing.errors import SettingError
from zhixing.models import SHAPES, Architecture, LlamaSettings, build, kinds, without_weights

SCRIPT = """
import sys
from zhixing.models import SHAPES, Architecture, build, without_weights
from pydantic import TypeAdapter
for kind, shapes in SHAPES.items():
    for shape in shapes:
        with without_weights():
            build(TypeAdapter(Architecture).validate_python({"kind": kind}), 61, shape)
assert "torch.fx.experimental.symbolic_shapes" not in sys.modules
"""


def test_a_shape_that_an_architecture_lacks():
    with pytest.raises(SettingError, match=r"model\.kind: = llama cannot be a model of shape encoder; these can: .*cnn"):
        build(LlamaSettings(), 61, "encoder")
    assert {"rnn", "cnn"} <= set(kinds("decoder")) & set(kinds("encoder")) & set(kinds("encoder-decoder"))


@pytest.mark.parametrize(("kind", "shape"), [(kind, shape) for kind, shapes in SHAPES.items() for shape in shapes])
def test_a_model_without_weights_has_their_shapes_and_draws_nothing(kind, shape):
    settings = TypeAdapter[Architecture](Architecture).validate_python({"kind": kind})
    before = torch.get_rng_state()
    with without_weights():
        empty = build(settings, 61, shape)
    assert torch.equal(torch.get_rng_state(), before)
    whole = build(settings, 61, shape)
    assert all(p.is_meta for p in empty.parameters())
    assert {name: p.shape for name, p in empty.named_parameters()} == {name: p.shape for name, p in whole.named_parameters()}
    assert not torch.equal(torch.get_rng_state(), before)
    empty.load_state_dict(whole.state_dict(), assign=True)
    assert not any(tensor.is_meta for tensor in (*empty.parameters(), *empty.buffers()))


def test_a_model_without_weights_does_not_load_the_decompositions_of_the_device_meta():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
