"""Gives librosa a place for compiled code where neither its folder nor the home can be written.

Numba, which librosa imports, refuses to be imported otherwise.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterable

_VARIABLE = "NUMBA_CACHE_DIR"


def ensure() -> None:
    """Sets the environment variable of Numba's cache where Numba would find no place.

    The place is a new folder, which is removed when the process ends: a folder of a known name among
    temporary files could hold the code of somebody else.
    """
    if os.environ.get(_VARIABLE) or any(map(can_be_made, _usual_places())):
        return
    with contextlib.suppress(OSError):  # Numba then says what is missing
        folder = tempfile.mkdtemp(prefix="numba-")
        os.environ[_VARIABLE] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def can_be_made(path: pathlib.Path) -> bool:
    """Tells whether a folder can be written, or made with its parents.

    Args:
        path: the folder.
    """
    for folder in (path, *path.parents):
        if folder.exists():
            return os.access(folder, os.W_OK | os.X_OK)
    return False


def _usual_places() -> Iterable[pathlib.Path]:
    """Yields the folders in which Numba keeps compiled code: librosa's own, and one in the home."""
    spec = importlib.util.find_spec("librosa")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield pathlib.Path(folder)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    yield pathlib.Path(home)
