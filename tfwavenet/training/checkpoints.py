"""Writes and reads checkpoints that are complete, checked and limited in number.

    checkpoints/00000200/state.index                  written by tf.train.Checkpoint
    checkpoints/00000200/state.data-00000-of-00001
    checkpoints/00000200/manifest.json                sizes and checksums of the two

A checkpoint is written to a temporary folder, which is renamed once everything is on disk. So a
folder without `.tmp-` in its name is complete, whatever happens to the process.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import zlib
from typing import Any, Optional

import tensorflow as tf
from absl import logging

from tfwavenet import files
from tfwavenet.training import checkpoint_variables

_MANIFEST = "manifest.json"
_PREFIX = "state"
_FOLDER = re.compile(r"\d{8,}")
_BLOCK_BYTES = 2**22
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
# Metrics and a cached learning rate, in checkpoints of earlier versions.
_OF_OLD = re.compile(r"model/\w+_tracker/(total|count)|optimizer/_current_learning_rate").fullmatch


class Checkpoints:
    """Saves and restores the checkpoints of one training run.

    Args:
        directory: folder of the checkpoints; made by the first `save`.
        keep: int >= 1, number of the newest checkpoints to keep.
        **objects: objects to save by name: models, optimizers, `tf.Module`s and variables. All
            their variables must exist already.

    Raises:
        ValueError: If `keep` is below 1.

    Examples:
        >>> import tempfile
        >>> weight = tf.Variable(1.0)
        >>> checkpoints = Checkpoints(tempfile.mkdtemp(), weight=weight)
        >>> _ = checkpoints.save(100)
        >>> _ = weight.assign(2.0)
        >>> checkpoints.restore(), float(weight)
        (100, 1.0)
    """

    def __init__(self, directory: files.PathLike, *, keep: int = 3, **objects: Any) -> None:
        if keep < 1:
            raise ValueError(f"keep must be at least 1. Received: keep={keep}")
        self._directory = pathlib.Path(directory)
        self._keep = keep
        self._variables = checkpoint_variables.named_variables(**objects)
        self._checkpoint = tf.train.Checkpoint(**checkpoint_variables.nested(self._variables))

    def steps(self) -> list[int]:
        """Returns the steps of the checkpoints, ascending."""
        return steps_in(self._directory)

    def save(self, step: int) -> str:
        """Writes a checkpoint and removes old checkpoints.

        Args:
            step: int >= 0, number of updates so far.

        Returns:
            The checkpoint's folder.

        Raises:
            OSError: If the checkpoint cannot be written (a full disk, no permission). Earlier
                checkpoints are untouched, and no incomplete checkpoint stays.
        """
        target = self._directory / f"{step:08d}"
        temporary = self._directory / f"{target.name}.tmp-{os.getpid()}"
        self._remove_leftovers()
        try:
            temporary.mkdir(parents=True)
            self._checkpoint.write(str(temporary / _PREFIX))
            files.write_json(temporary / _MANIFEST, {"step": step, "files": _manifest(temporary)})
            _replace(temporary, target)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            reason = getattr(error, "strerror", None) or getattr(error, "message", str(error))
            raise OSError(
                getattr(error, "errno", None) or 0,
                f"the checkpoint could not be written, earlier ones are untouched ({reason})",
                str(target),
            ) from error
        for old in self.steps()[: -self._keep]:
            files.remove_directory(self._directory / f"{old:08d}")
        return str(target)

    def restore(self, *, partial: bool = False) -> Optional[int]:
        """Reads the newest checkpoint into the objects.

        Args:
            partial: whether the checkpoint may hold more than the objects take. It may never hold
                less.

        Returns:
            The step of the checkpoint. If there is no checkpoint, None.

        Raises:
            ValueError: If the newest checkpoint is damaged (then nothing was changed) or does not
                fit the objects; names the file and a remedy.
        """
        steps = self.steps()
        if not steps:
            return None
        folder = self._directory / f"{steps[-1]:08d}"
        verify(folder)
        try:
            self._assign(tf.train.load_checkpoint(str(folder / _PREFIX)), partial=partial)
        except (ValueError, tf.errors.OpError) as error:
            raise ValueError(
                f"The checkpoint {str(folder)!r} belongs to another model or optimizer; train in "
                f"another workdir. Received: {_first_line(error)}"
            ) from error
        return steps[-1]

    def _assign(self, reader: Any, *, partial: bool) -> None:
        """Gives the variables their values in a checkpoint, once all of them are found to fit."""
        shapes = {
            name[: -len(_SUFFIX)]: tuple(shape)
            for name, shape in reader.get_variable_to_shape_map().items()
            if name.endswith(_SUFFIX)
        }
        for name, variable in self._variables.items():
            if shapes.get(name) != tuple(variable.shape):
                raise ValueError(f"{name} of shape {shapes.get(name)}, not {variable.shape}")
        surplus = [name for name in sorted({*shapes} - {*self._variables}) if not _OF_OLD(name)]
        if surplus and not partial:
            raise ValueError(f"{surplus[0]} of shape {shapes[surplus[0]]}, which nothing holds")
        for name, variable in self._variables.items():
            variable.assign(tf.cast(reader.get_tensor(name + _SUFFIX), variable.dtype))

    def _remove_leftovers(self) -> None:
        """Removes the incomplete checkpoints of killed processes."""
        for leftover in self._directory.glob("*.tmp-*"):
            logging.info("Removing %s, which was never finished.", leftover)
            shutil.rmtree(leftover)


def steps_in(directory: files.PathLike) -> list[int]:
    """Returns the steps of the checkpoints in a folder, ascending. A missing folder has none."""
    folder = pathlib.Path(directory)
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if _FOLDER.fullmatch(entry.name))


def verify(folder: files.PathLike) -> None:
    """Compares the files of a checkpoint with its manifest.

    Args:
        folder: folder of one checkpoint.

    Raises:
        ValueError: If a file is missing or differs in size or checksum; names the file and a
            remedy.
    """
    folder = pathlib.Path(folder)
    for name, expected in _read_manifest(folder).items():
        path = folder / name
        size = path.stat().st_size if path.exists() else None
        if size != expected["bytes"]:
            raise ValueError(
                f"The checkpoint file {str(path)!r} is missing or cut short, expected "
                f"{expected['bytes']} bytes. {_advice(folder)} Received: bytes={size}"
            )
        checksum = _checksum(path)
        if checksum != expected["crc32"]:
            raise ValueError(
                f"The checkpoint file {str(path)!r} is damaged, expected the CRC-32 "
                f"{expected['crc32']}. {_advice(folder)} Received: crc32={checksum}"
            )


def _read_manifest(folder: pathlib.Path) -> dict[str, dict[str, int]]:
    path = folder / _MANIFEST
    try:
        listed = files.read_json(path)["files"].items()
        return {name: {key: int(of[key]) for key in ("bytes", "crc32")} for name, of in listed}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The checkpoint file {str(path)!r} is missing or damaged. {_advice(folder)} "
            f"Received: {_first_line(error)}"
        ) from error


def _advice(folder: pathlib.Path) -> str:
    """Returns a sentence with the remedy for a damaged checkpoint."""
    others = [step for step in steps_in(folder.parent) if f"{step:08d}" != folder.name]
    then = f"continue from step {others[-1]}" if others else "start again from step 0"
    return f"Restore it from a copy, or remove the folder {str(folder)!r} to {then}."


def _manifest(folder: pathlib.Path) -> dict[str, dict[str, int]]:
    """Flushes all files of a folder to disk, and returns their sizes and checksums."""
    entries = {}
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        entries[path.name] = {"bytes": path.stat().st_size, "crc32": _checksum(path)}
    return entries


def _checksum(path: pathlib.Path) -> int:
    value = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            value = zlib.crc32(block, value)
    return value


def _replace(source: pathlib.Path, target: pathlib.Path) -> None:
    """Renames a folder into place and flushes the rename; removes an older folder of that name."""
    if target.exists():
        files.remove_directory(target)
    os.replace(source, target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
