"""Reads pickles without running code: names are looked up in a list, never imported."""

from __future__ import annotations

import collections
import pickle
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

# The implementation in Python, in which single instructions can be replaced.
_PythonUnpickler: Any = pickle._Unpickler

# What unpickling damaged bytes ends in, apart from errors in the bytes themselves.
DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


class Record:
    """A pickled object: its attributes, without its code."""

    attributes: dict[str, Any]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.attributes = dict(state)


class Dtype(Record):
    """A pickled `numpy.dtype` of plain numbers."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"[biuf]\d", code):
            raise pickle.UnpicklingError(f"a NumPy value of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if state[1] == ">":
            raise pickle.UnpicklingError("numbers of another byte order")


def _scalar(kind: Dtype, data: bytes) -> Any:
    """Builds the value of `numpy.core.multiarray.scalar`."""
    return np.frombuffer(data, kind.dtype)[0]


def _encode(text: str, encoding: str) -> bytes:
    """Encodes text as `_codecs.encode` does, which pickles the bytes of NumPy's scalars."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding}")
    return text.encode(encoding)


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
}


class Unpickler(_PythonUnpickler):
    """Reads one pickle of containers, numbers, and objects that the caller admits.

    Args:
        file: file at the beginning of the pickle.
        known: meaning of further names, by module and name; classes must be `Record`s.
    """

    def __init__(self, file: BinaryIO, known: Mapping[tuple[str, str], Any]) -> None:
        super().__init__(file, encoding="latin1")
        self._known = {**_KNOWN, **known}

    def find_class(self, module: str, name: str) -> Any:
        """Returns the object that a name stands for.

        Raises:
            pickle.UnpicklingError: if the name is not known.
        """
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(
                f"it refers to {module}.{name}, which is no data; nothing of it was run"
            )
        return self._known[module, name]

    def load_build(self) -> None:
        """Sets the state of an object, if its class keeps the state as it is."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Record):
            target.__setstate__(state)
        elif not isinstance(target, collections.OrderedDict):
            raise pickle.UnpicklingError(f"it sets attributes of {type(target).__name__}")

    dispatch = {**_PythonUnpickler.dispatch, pickle.BUILD[0]: load_build}
