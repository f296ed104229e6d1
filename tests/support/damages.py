"""Damaged files from a seed, and what may come of reading one: the same result, or a sentence."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import resource
import signal
from collections.abc import Callable, Iterator
from typing import Any

# Far above what any small file may take: these bounds find what has none.
SECONDS = 60
MEGABYTES = 400
_LONGEST_SENTENCE = 1500

# In place of any value of a JSON file. A text stands for its characters in the file.
ODD = (
    None,
    True,
    False,
    0,
    -1,
    -3,
    1,
    2,
    0.5,
    -0.0,
    1e308,
    10**9,
    2**31,
    2**63,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "5",
    "text",
    "\ud800",
    "x" * 300,
    "../../etc/passwd",
    [],
    {},
    [[]],
    [None],
    [1, "a"],
    {"a": {}},
    {"": None},
    {"base": []},
)


class Refusal:
    """A damaged file that was refused, and the sentence."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence


def of_bytes(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Damages bytes: flips, cuts, holes, repeated and inserted stretches, other numbers."""
    rng = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            _damage(damaged, rng)
        yield bytes(damaged)


def _damage(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    length = rng.choice((1, 1, 2, 4, 8, 64, 1000))
    kind = rng.randrange(8)
    if kind == 0:
        del data[at:]
    elif kind == 1:
        del data[at : at + length]
    elif kind == 2:
        data[at : at + length] = bytes(len(data[at : at + length]))
    elif kind == 3:
        data[at:at] = rng.randbytes(length)
    elif kind == 4:
        data[at:at] = data[at : at + length]
    elif kind == 5:
        number = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(2**32)))
        stretch = len(data[at : at + 4])
        data[at : at + 4] = number.to_bytes(4, rng.choice(("little", "big")))[:stretch]
    elif at < len(data):
        data[at] ^= 1 << rng.randrange(8)


def of_json(value: Any, count: int, seed: int = 0) -> Iterator[Any]:
    """Damages a JSON value: other values, missing, repeated, renamed and additional ones."""
    rng = random.Random(seed)
    text = json.dumps(value)
    for _ in range(count):
        damaged = [json.loads(text)]
        for _ in range(rng.choice((1, 1, 1, 2))):
            _change(damaged, rng)
        yield damaged[0]


def _change(root: list[Any], rng: random.Random) -> None:
    """Changes one value somewhere below the only element of `root`."""
    holder, key = rng.choice(list(_places(root)))
    kind = rng.randrange(8)
    if kind == 0 and holder is not root:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice((key[:-1], key + "x", key.upper(), ""))] = holder.pop(key)
    elif kind == 2:
        holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, str(holder[key])))
    elif kind == 3 and isinstance(holder[key], (int, float)):
        holder[key] = holder[key] * rng.choice((-1, 1.5, 1e9)) + rng.choice((-1, 0, 1))
    elif kind == 4 and isinstance(holder, list) and holder is not root:
        holder.append(copy.deepcopy(rng.choice(ODD)))
    else:
        holder[key] = copy.deepcopy(rng.choice(ODD))


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Yields every place below a container, as the container that holds it and its key."""
    keys = range(len(holder)) if isinstance(holder, list) else list(holder)
    for key in keys:
        yield holder, key
        if isinstance(holder[key], (dict, list)):
            yield from _places(holder[key])


def json_bytes(value: Any) -> bytes:
    """A JSON value as a file holds it, with what JSON does not allow."""
    return json.dumps(value, ensure_ascii=True).encode()


def result_or_refusal(
    action: Callable[[], Any], errors: tuple[type[Exception], ...] = (ValueError,)
) -> Any:
    """Calls within bounds of time and memory; a documented error of one sentence is a `Refusal`.

    Any other exception is the caller's, as a failure of the test.
    """
    with bounded():
        try:
            return action()
        except errors as error:
            sentence = str(error)
            assert sentence and len(sentence.splitlines()) == 1, repr(sentence)
            assert len(sentence) <= _LONGEST_SENTENCE, sentence
            return Refusal(sentence)


@contextlib.contextmanager
def bounded(*, seconds: int = SECONDS, megabytes: int = MEGABYTES) -> Iterator[None]:
    """Fails if the block takes much longer or much more memory than a small file may take."""
    before = _peak_bytes(reset=True)
    previous = signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    grown = (_peak_bytes() - before) / 2**20
    assert grown <= megabytes, f"{grown:.0f} MiB more than before"


class TooLongError(BaseException):
    """A reader does not come to an end. No reader catches it."""


def _give_up(*_: Any) -> None:
    raise TooLongError(f"not done after {SECONDS} s")


def _peak_bytes(*, reset: bool = False) -> int:
    """The largest resident memory so far; where Linux allows it, since the last reset."""
    with contextlib.suppress(OSError):
        if reset:
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
        with open("/proc/self/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
