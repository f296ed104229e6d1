"""Reads pickles without running code: names are looked up in a list, never imported.

Time and memory grow with the size of the file: a pickle may refer to a value many times, but it
cannot have the value copied, hashed or filled in many times.
"""

from __future__ import annotations

import collections
import pickle
import re
from collections.abc import Iterable, Mapping
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
# PyTorch and joblib put a thousand values at a time on the stack.
_MOST_WAITING = 100_000
# Copied values for each byte of a pickle; what PyTorch and joblib write needs less than one.
_COPIES_PER_BYTE = 16
_LARGEST_NAME = 10_000
_REFUSED = tuple(
    code[0]
    for code in (
        pickle.BYTEARRAY8,
        pickle.EXT1,
        pickle.EXT2,
        pickle.EXT4,
        pickle.FROZENSET,
        pickle.INST,
        pickle.NEWOBJ_EX,
        pickle.NEXT_BUFFER,
        pickle.OBJ,
    )
)


class RefusedError(pickle.UnpicklingError):
    """Reports bytes that are a pickle, but not of tensors alone; the message says why."""


def reason(error: BaseException) -> str:
    """Returns in plain words why bytes could not be read.

    Args:
        error: one of `DAMAGE`.
    """
    return str(error) if isinstance(error, RefusedError) else "bytes that are damaged or cut off"


def shown(name: str) -> str:
    """Returns a name of a file as a sentence can hold it: not too long, and printable.

    Args:
        name: any text.
    """
    return ascii(name[:100])[1:-1]


class Record:
    """A pickled object: its attributes, without its code."""

    attributes: dict[str, Any]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.attributes = dict(state)


class Dtype(Record):
    """A pickled `numpy.dtype` of plain numbers."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[biuf]\d", code):
            raise RefusedError("values of NumPy that are no plain numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if state[1] == ">":
            raise RefusedError("numbers of another byte order")


def _scalar(kind: Dtype, data: bytes) -> Any:
    """Builds the value of `numpy.core.multiarray.scalar`."""
    return np.frombuffer(data, kind.dtype)[0]


def _encode(text: str, encoding: str) -> bytes:
    """Encodes text as `_codecs.encode` does, which pickles the bytes of NumPy's scalars."""
    if encoding != "latin1":
        raise RefusedError("bytes in an encoding other than latin1")
    return text.encode(encoding)


def _set(values: Iterable[Any] = ()) -> set[Any]:
    """Builds a set of values that can be keys."""
    return {checked_key(value) for value in values}


def _ordered(pairs: Iterable[Any] = ()) -> collections.OrderedDict[Any, Any]:
    """Builds a mapping of pairs whose first values can be keys."""
    return collections.OrderedDict((checked_key(key), value) for key, value in pairs)


def checked_key(value: Any) -> Any:
    """Returns a value of a pickle that is quick to hash.

    Args:
        value: the value. The hash of a tuple takes as long as the tuple is when it is written out.

    Raises:
        RefusedError: if the value is no text, number or None.
    """
    if value is None or type(value) in (str, bytes, int, float, bool):
        return value
    raise RefusedError("a mapping whose keys are no texts or numbers")


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered,
    ("builtins", "set"): _set,
    ("__builtin__", "set"): _set,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
}


class BoundedFile:
    """A file that never makes room for more bytes than it has left.

    Args:
        file: binary file that can be searched.
    """

    def __init__(self, file: BinaryIO) -> None:
        start = file.tell()
        self._left = file.seek(0, 2) - start
        file.seek(start)
        self._file = file

    @property
    def left(self) -> int:
        """Number of bytes up to the end of the file."""
        return self._left

    def read(self, count: int) -> bytes:
        """Reads bytes.

        Raises:
            EOFError: if fewer are left.
        """
        if not 0 <= count <= self._left:
            raise EOFError("fewer bytes than announced")
        self._left -= count
        return self._file.read(count)

    def readline(self) -> bytes:
        """Reads a line, which in a pickle is a name or a number."""
        line = self._file.readline(_LARGEST_NAME)
        self._left -= len(line)
        return line

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer, as far as there are bytes."""
        data = self.read(len(buffer))
        buffer[:] = data
        return len(data)


class Unpickler(_PythonUnpickler):
    """Reads one pickle of containers, numbers, and objects that the caller admits.

    Args:
        file: file at the beginning of the pickle.
        known: meaning of further names, by module and name; classes must be `Record`s.

    Attributes:
        bounded: the file, from which what follows the pickle can be read.
    """

    def __init__(self, file: BinaryIO | BoundedFile, known: Mapping[tuple[str, str], Any]) -> None:
        self.bounded = file if isinstance(file, BoundedFile) else BoundedFile(file)
        self._copies_left = _COPIES_PER_BYTE * self.bounded.left + 1000
        self.stack: list[Any] = []
        self.metastack: list[Any] = []
        super().__init__(self, encoding="latin1")
        self._known = {**_KNOWN, **known}

    def read(self, count: int) -> bytes:
        """Reads bytes, which happens at every instruction of a pickle."""
        if len(self.stack) > _MOST_WAITING or len(self.metastack) > _MOST_WAITING:
            raise RefusedError("values without end within one another")
        return self.bounded.read(count)

    def readline(self) -> bytes:
        """Reads a line."""
        return self.bounded.readline()

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer."""
        return self.bounded.readinto(buffer)

    def find_class(self, module: str, name: str) -> Any:
        """Returns the object that a name stands for.

        Raises:
            RefusedError: if the name is not known.
        """
        if (module, name) not in self._known:
            raise RefusedError(
                f"it refers to {shown(f'{module}.{name}')}, which is no data; nothing of it was run"
            )
        return self._known[module, name]

    def spend(self, *values: Any) -> None:
        """Counts values that are copied, so that a short pickle cannot have a long one copied.

        Args:
            *values: containers; anything else counts nothing.

        Raises:
            RefusedError: if more is copied than the size of the pickle explains.
        """
        sized = (str, bytes, list, tuple, dict)
        self._copies_left -= 1 + sum(len(value) for value in values if isinstance(value, sized))
        if self._copies_left < 0:
            raise RefusedError("values that stand for many times the bytes of the file")

    def load_build(self) -> None:
        """Sets the state of an object, if its class keeps the state as it is."""
        state, target = self.stack.pop(), self.stack[-1]
        self.spend(state)
        if isinstance(target, Record):
            target.__setstate__(state)
        elif not isinstance(target, collections.OrderedDict):
            raise RefusedError(f"it sets attributes of {type(target).__name__}")

    def load_reduce(self) -> None:
        """Calls a known function."""
        arguments = self.stack[-1]
        if not isinstance(arguments, tuple):
            raise RefusedError("a call whose arguments are no tuple")
        self.spend(arguments, *arguments)
        super().load_reduce()

    def load_newobj(self) -> None:
        """Makes an object of a known class, or an empty mapping."""
        arguments = self.stack.pop()
        kind = self.stack.pop()
        if isinstance(kind, type):
            self.stack.append(kind.__new__(kind, *arguments))
        else:
            self.stack.append(kind())

    def load_setitem(self) -> None:
        """Sets one value of a mapping."""
        checked_key(self.stack[-2])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Sets several values of a mapping."""
        for key in self.stack[::2]:
            checked_key(key)
        super().load_setitems()

    def load_dict(self) -> None:
        """Makes a mapping."""
        for key in self.stack[::2]:
            checked_key(key)
        super().load_dict()

    def load_additems(self) -> None:
        """Adds values to a set."""
        for value in self.stack:
            checked_key(value)
        super().load_additems()

    def load_frame(self) -> None:
        """Skips the size of a frame, which only helps to read ahead."""
        self.read(8)

    def load_refused(self) -> None:
        """Refuses an instruction that no file of tensors has."""
        raise RefusedError("an instruction that files of tensors do not have")

    dispatch = {
        **_PythonUnpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FRAME[0]: load_frame,
        **dict.fromkeys(_REFUSED, load_refused),
    }
