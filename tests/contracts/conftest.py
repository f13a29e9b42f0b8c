"""What the tests of all implementations of a contract share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def forgotten_kernels():
    """The compiler counts what it has made of a function, and refuses the ninth: each test begins anew."""
    yield
    if dynamo := sys.modules.get("torch._dynamo"):
        dynamo.reset()
