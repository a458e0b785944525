from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spotweave._encoders._identity import ONCE, function_identity

LEVEL = 3
TABLE = np.arange(4)


def build(source: str, **names):
    """A function of its own globals, as in a notebook."""
    space = {"__name__": "notebook", "np": np, **names}
    exec(source, space)
    return space["f"]


def identity(source: str = "def f(t):\n    return np.mean(t) + k", **names) -> str:
    return function_identity(build(source, **names))


def test_the_same_function_has_the_same_identity_in_another_place():
    assert identity(k=1) == identity(k=1)
    assert identity(k=1).startswith("notebook.f:")
    assert ONCE not in identity(k=1)


@pytest.mark.parametrize(
    "other",
    [
        {"k": 2},
        {"k": 1.0},
        {"k": TABLE},
        {"source": "def f(t):\n    return np.mean(t) - k", "k": 1},
        {"source": "def f(t):\n    return np.max(t) + k", "k": 1},
        {"source": "def f(t, a=1):\n    return np.mean(t) + k", "k": 1},
        {"source": "def f(t, a=2):\n    return np.mean(t) + k", "k": 1},
        {"source": "def f(t, *, a=2):\n    return np.mean(t) + k", "k": 1},
        {"source": "def f(t):\n    return [np.mean(x) + k for x in t]", "k": 1},
        {"source": "def f(t):\n    return [np.mean(x) - k for x in t]", "k": 1},
    ],
    ids=str,
)
def test_what_decides_the_numbers_decides_the_identity(other: dict[str, Any]):
    sources: list[dict[str, Any]] = [{"k": 1}, *({"source": "def f(t, a=1):\n    return np.mean(t) + k", "k": 3},)]
    assert identity(**other) not in {identity(**s) for s in sources}
    assert identity(**other) == identity(**other)


def closure(k):
    def f(tiles):
        return tiles + k

    return f


def test_closures_partials_and_helpers_count():
    assert function_identity(closure(1)) == function_identity(closure(1)) != function_identity(closure(2))
    assert function_identity(partial(closure(1), k=1)) != function_identity(partial(closure(1), k=2))
    helper = "def g(t):\n    return t {}\ndef f(t):\n    return g(t)"
    assert identity(helper.format("+ 1")) == identity(helper.format("+ 1")) != identity(helper.format("+ 2"))


def test_a_function_that_names_itself():
    recursive = "def f(t):\n    return f(t[1:]) if len(t) else {}"
    assert identity(recursive.format(0)) == identity(recursive.format(0)) != identity(recursive.format(1))


def test_a_network_behind_a_function_counts():
    torch.manual_seed(0)
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    use = "def f(t):\n    return k(t)"
    assert identity(use, k=a) == identity(use, k=a) != identity(use, k=b)


class Stateful:
    def __init__(self):
        self.file = object()

    def __call__(self, tiles):
        return tiles

    def encode(self, tiles):
        return tiles


@pytest.mark.parametrize(
    "make", [Stateful, lambda: Stateful().encode, lambda: closure(Stateful())], ids=["object", "method", "closure"]
)
def test_what_cannot_be_hashed_never_has_the_same_identity_twice(make):
    thing = make()
    first, second = function_identity(thing), function_identity(thing)
    assert ONCE in first
    assert ONCE in second
    assert first != second


def test_an_attribute_vouches_for_the_numbers():
    thing = Stateful()
    thing.identity = "v2"  # type: ignore[attr-defined]
    assert function_identity(thing).endswith("Stateful:v2")


def test_names_of_packages_carry_their_version():
    assert function_identity(np.mean) != function_identity(np.median)
    assert ONCE not in function_identity(np.mean)
    module = type(np)("mine")  # no version: its content is not known
    assert ONCE in identity("def f(t):\n    return k.g(t)", k=module)


class Net(nn.Module):
    POWER = 2

    def __init__(self, k=1):
        super().__init__()
        self.k, self.layer = k, nn.Linear(3, 2)

    def forward(self, images):
        return self.layer(images.mean(dim=(2, 3)) * self.k) ** self.POWER


def test_networks_are_weights_classes_and_plain_attributes():
    def made(k=1, seed=0, kind=Net):
        torch.manual_seed(seed)
        return kind(k)

    class Other(Net):
        def forward(self, images):
            return -super().forward(images)

    one = function_identity(made())
    assert ONCE not in one
    assert one == function_identity(made()) == function_identity(made().eval())
    changed = made()
    with torch.no_grad():
        changed.layer.bias[1] += 1e-6
    others = {function_identity(n) for n in (made(k=2), made(seed=1), made(kind=Other), changed)}
    assert len(others) == 4
    assert one not in others
    made_odd = made()
    made_odd.extra = object()
    assert ONCE in function_identity(made_odd)


def test_shapes_and_types_of_tensors_count():
    class Buffer(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.register_buffer("value", value)

    values = [
        torch.zeros(4),
        torch.zeros(2, 2),
        torch.zeros(4, dtype=torch.int32),
        torch.zeros(8, dtype=torch.bfloat16),
    ]
    assert len({function_identity(Buffer(v)) for v in values}) == 4
    assert ONCE not in function_identity(Buffer(torch.tensor(1.0)))


def test_another_forward_under_the_same_name_counts():
    def made(sign):
        source = f"class f(nn.Module):\n    def forward(self, t):\n        return {sign}t.mean(dim=(2, 3))"
        return function_identity(build(source, nn=nn)())

    assert made("+") == made("+") != made("-")
    assert ONCE not in made("+")
