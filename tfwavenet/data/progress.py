"""Keeps the progress of `prepare` in its output folder, so that a later run can go on.

    <output>/metadata.json                  exists only once everything is done
    <output>/<split>-<number>.tfrecord      finished shards
    <output>/progress/settings.json         settings of the run
    <output>/progress/<step>.json           result of a finished step (one per shard and pass)
    <output>/prepare.lock                   held by the process at work

Every file appears whole. A step is done when its result is there; nothing else is remembered.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from absl import logging

from tfwavenet import files
from tfwavenet.audio import recipes

METADATA = "metadata.json"
_PROGRESS = "progress"
_SETTINGS = "settings.json"
_LOCK = "prepare.lock"


@contextlib.contextmanager
def exclusive(folder: pathlib.Path) -> Iterator[None]:
    """Makes the folder and holds its lock; waits while another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _LOCK, "ab") as lock:
        if not files.lock(lock):
            logging.info("Another process prepares %s, waiting for it.", folder)
            files.lock(lock, wait=True)
        yield


def is_begun(folder: pathlib.Path) -> bool:
    """Tells whether a run was begun in the folder and not finished."""
    return (folder / _PROGRESS / _SETTINGS).exists() and not (folder / METADATA).exists()


class Progress:
    """The state of one output folder.

    Args:
        folder: the output folder, whose lock is held.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._steps = folder / _PROGRESS

    def begin(self, settings: dict[str, Any]) -> None:
        """Starts a run or goes on with the one that was begun.

        Args:
            settings: settings of the run, JSON values.

        Raises:
            ValueError: if the folder holds a run with other settings, or other files; nothing is
                changed.
        """
        path = self._steps / _SETTINGS
        if path.exists():
            require_same(files.read_json(path), settings, self._folder)
            logging.info("Going on with the preparation begun in %s.", self._folder)
        else:
            self._require_empty()
            files.write_json(path, settings)
        for leftover in (*self._folder.glob("*.tmp-*"), *self._steps.glob("*.tmp-*")):
            leftover.unlink()

    def _require_empty(self) -> None:
        """Raises ValueError if the folder holds files that an early killed run does not leave."""
        ours = (_LOCK, _PROGRESS)
        others = sorted(entry.name for entry in self._folder.iterdir() if entry.name not in ours)
        if others:
            raise ValueError(
                "The folder for prepared data must be empty or hold an earlier run of prepare, "
                f"found {', '.join(others[:5])}. Received: output_dir={str(self._folder)!r}"
            )

    def result(self, step: str) -> Any | None:
        """Returns the result of a finished step. If None, the step is not finished."""
        path = self._steps / f"{step}.json"
        return files.read_json(path) if path.exists() else None

    def finish_step(self, step: str, result: object) -> None:
        """Writes the result of a step, which marks it as finished."""
        files.write_json(self._steps / f"{step}.json", result, indent=None)

    def discard(self) -> None:
        """Forgets the steps, keeping shards and metadata."""
        if self._steps.exists():
            shutil.rmtree(self._steps)


def require_same(found: dict[str, Any], wanted: dict[str, Any], folder: pathlib.Path) -> None:
    """Raises ValueError that names the differences, unless the settings are equal.

    The place of the corpus does not count if its list of files is equal.

    Args:
        found: settings of the run in the folder.
        wanted: settings of this run; absent settings are not compared.
        folder: folder that the message names.
    """
    # A recipe that was written by an earlier version is compared by what it means today.
    if "recipe" in found:
        found = {**found, "recipe": recipes.of_any_kind(found["recipe"]).get_config()}
    same_corpus = wanted.get("files") is not None and wanted["files"] == found.get("files")
    ignored = ("root",) if same_corpus else ()
    different = [one for one in _differences(found, wanted) if one[0] not in ignored]
    if different:
        raise ValueError(
            f"The folder {str(folder)!r} holds data prepared with other settings; give these or "
            "use another folder. Received: "
            + "; ".join(f"{name}={new!r}, there {old!r}" for name, old, new in different)
        )


def _differences(
    found: dict[str, Any], wanted: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yields `(name, found, wanted)` for every setting that differs, nested ones with dots."""
    for name, new in wanted.items():
        old = found.get(name)
        if isinstance(new, dict) and isinstance(old, dict):
            yield from _differences(old, new, f"{prefix}{name}.")
        elif new != old:
            yield f"{prefix}{name}", old, new
