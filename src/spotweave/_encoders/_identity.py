"""Who a function or a network is: a hash of everything that decides its numbers, or an identity for once."""

import hashlib
import sys
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

ONCE = ":once-"
"""Part of the identity of what could not be hashed; features of such an encoder are not kept on disk."""


def function_identity(function: Any) -> str:
    """Name and hash of a callable.

    A network is its weights, its classes and their plain attributes; a function its code, defaults, closure and the
    globals that its code names. What an installed package defines is its name and the package's version. An attribute
    `identity` (a string) stands for all of that. Whatever else is met (an open file, an object with state of its own)
    makes the identity one that never returns.
    """
    name, own = qualified_name(function), getattr(function, "identity", None)
    if isinstance(own, str) and own:
        return f"{name}:{own}"
    digest = hashlib.sha256()
    try:
        for piece in _pieces(function, frozenset()):
            digest.update(len(piece).to_bytes(8, "little") + piece)
    except _NoHashError:
        return f"{name}{ONCE}{uuid.uuid4().hex[:16]}"
    return f"{name}:{digest.hexdigest()[:16]}"


def qualified_name(thing: Any) -> str:
    """Module and name of a function or class, of the class of anything else."""
    while isinstance(thing, partial):
        thing = thing.func
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def is_module(thing: Any) -> bool:
    """Whether `thing` is a ``torch.nn.Module``."""
    from torch import nn

    return isinstance(thing, nn.Module)


class _NoHashError(Exception):
    """Something whose value cannot be told from outside."""


def _pieces(value: Any, seen: frozenset[int]) -> Iterator[bytes]:
    """Bytes that change whenever what `value` holds or computes changes."""
    if isinstance(value, type(None) | type(...) | bool | int | float | complex | str | bytes):
        yield repr((type(value).__name__, value)).encode()
    elif isinstance(value, tuple | list | dict | set | frozenset):
        yield type(value).__name__.encode()
        yield from _joined(_items(value), seen | {id(value)})
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
        yield f"{value.dtype.str} {value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    elif isinstance(value, CodeType):
        yield value.co_code + repr((value.co_names, value.co_varnames)).encode()
        yield from _joined(value.co_consts, seen)
    else:
        yield from _object_pieces(value, seen)


def _object_pieces(value: Any, seen: frozenset[int]) -> Iterator[bytes]:
    inside = seen | {id(value)}
    if is_module(value):
        yield from _network_pieces(value, inside)
    elif hasattr(value, "detach") and hasattr(value, "numpy"):
        yield from _pieces(_bits(value), seen)
    elif isinstance(value, partial):
        yield from _joined([value.func, value.args, value.keywords], inside)
    elif _published(value):
        yield _published(value).encode()
    elif isinstance(value, FunctionType):
        yield from _joined(_parts(value), inside)
    elif isinstance(value, type):
        yield from _class_pieces(value, inside)
    else:
        raise _NoHashError


def _joined(values: Iterable[Any], seen: frozenset[int]) -> Iterator[bytes]:
    for value in values:
        if id(value) not in seen:  # a function may name itself
            yield from _pieces(value, seen)


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [x for pair in value.items() for x in pair]
    return sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)


def _published(thing: Any) -> str:
    """Name and version of what Python or a package with a version defines; empty for the caller's own."""
    if isinstance(thing, np.ufunc):
        return f"numpy.{thing.__name__} {np.__version__}"
    if isinstance(thing, ModuleType):
        name = thing.__name__
    elif _is_named(thing):
        name = qualified_name(thing)
    else:
        return ""
    package = name.partition(".")[0]
    if package in sys.stdlib_module_names and package != "__main__":
        return f"{name} {sys.version_info[:3]}"
    version = getattr(sys.modules.get(package), "__version__", "")
    return f"{name} {version}" if version and package != "__main__" else ""


def _is_named(thing: Any) -> bool:
    """Whether it is a function or class of a module, and not of an object that has a state."""
    names = (getattr(thing, "__module__", None), getattr(thing, "__qualname__", None))
    owner = getattr(thing, "__self__", None)
    return all(isinstance(n, str) for n in names) and isinstance(owner, type(None) | ModuleType)


def _parts(function: FunctionType) -> list[Any]:
    code = function.__code__
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    named = [function.__globals__[n] for n in _names(code) if n in function.__globals__]
    return [code, function.__defaults__, function.__kwdefaults__, *cells, *named]


def _names(code: CodeType) -> list[str]:
    inner = [name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const)]
    return sorted({*code.co_names, *inner})


def _class_pieces(kind: type, seen: frozenset[int]) -> Iterator[bytes]:
    """Code of the methods and values of the plain attributes of a class of the caller's, and of its parents."""
    yield qualified_name(kind).encode()
    for name, value in sorted(vars(kind).items()):
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(function, FunctionType):
            yield from _pieces(function.__code__, seen)
        elif not name.startswith("__"):
            yield from _pieces(value, seen)
    for parent in kind.__bases__:
        yield from _pieces(parent, seen)


def _network_pieces(network: Any, seen: frozenset[int]) -> Iterator[bytes]:
    yield repr(network).encode()
    for part in network.modules():
        yield from _pieces(type(part), seen)
        if not _published(type(part)):  # torch keeps parameters and submodules in names with an underscore
            plain = {k: v for k, v in vars(part).items() if not k.startswith("_") and k != "training"}
            yield from _pieces(plain, seen)
    for name, value in network.state_dict().items():
        yield name.encode()
        yield from _pieces(_bits(value), seen)


def _bits(tensor: Any) -> np.ndarray:
    import torch

    bits = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    shape = np.frombuffer(f"{tensor.dtype} {list(tensor.shape)}".encode(), dtype=np.uint8)
    return np.concatenate([shape, bits])
