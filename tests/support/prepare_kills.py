"""Kills `prepare` with SIGKILL at chosen moments and lets a second run go on.

    python -m tests.support.prepare_kills CORPUS FOLDER STRIDE

A moment lies before and after every call that makes something durable or final (fsync, rename,
removal); every STRIDE-th moment of a run gets a run of its own that ends there. Each run is a
forked process: it dies for real, and TensorFlow is imported once only. Prints, as JSON, the
number of kills and a list of what went wrong.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import signal
import sys
from collections.abc import Callable
from typing import Optional

from tests.support.recordings import RECIPE
from tfwavenet.data import preparation as prepare_module

_CALLS = ("fsync", "replace", "unlink", "remove", "rmdir")


def _arm(moment: int) -> None:
    """Makes this process kill itself at the given moment."""
    clock = itertools.count()

    def tick() -> None:
        if next(clock) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(function: Callable) -> Callable:
        def wrapped(*args: object, **options: object) -> object:
            tick()
            result = function(*args, **options)
            tick()
            return result

        return wrapped

    for name in _CALLS:
        setattr(os, name, wrap(getattr(os, name)))


def _run(corpus: str, output: pathlib.Path, moment: Optional[int]) -> int:
    """Prepares in a forked process, which is killed at `moment`; returns its wait status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if moment is not None:
                _arm(moment)
            recipe = {**RECIPE.get_config(), "normalization": "standard"}
            prepare_module._SHARD_FILES = 3
            prepare_module.prepare(
                "folder", root=corpus, output_dir=output, recipe=recipe, num_workers=0
            )
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def content(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _half_written(folder: pathlib.Path, whole: dict[str, bytes]) -> list[str]:
    """Files under a final name that are not what they must be."""
    wrong = []
    for name, data in content(folder).items():
        if name.endswith(".json") and name not in whole:
            json.loads(data)
        elif name in whole and data != whole[name]:
            wrong.append(name)
    return wrong


def main(corpus: str, folder: str, stride: int) -> dict[str, object]:
    """Runs through all moments; see the module."""
    base = pathlib.Path(folder)
    problems: list[str] = []
    if _run(corpus, base / "whole", None) != 0:
        return {"kills": 0, "problems": ["the run without a kill failed"]}
    whole = content(base / "whole")
    for kills in itertools.count():
        moment = kills * stride
        output = base / f"killed-{moment}"
        status = _run(corpus, output, moment)
        if status == 0:
            return {"kills": kills, "problems": problems, "files": len(whole)}
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            problems.append(f"{moment}: ended with status {status}, not by the kill")
        problems += [f"{moment}: {name} is half-written" for name in _half_written(output, whole)]
        if _run(corpus, output, None) != 0:
            problems.append(f"{moment}: the second run failed")
        if content(output) != whole:
            problems.append(f"{moment}: other bytes than without a kill")
    return {}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))  # noqa: T201
