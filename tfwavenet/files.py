"""Writes files and folders that are either whole or absent; locks; reads and writes JSON."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any, BinaryIO, Union

try:
    import fcntl
except ImportError:  # not POSIX: two writers at once are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

# What reading a damaged zip archive ends in.
ARCHIVE_DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeDecodeError,
    struct.error,
    zlib.error,
)
# Bytes of a file's name are limited to 255; some are for extensions and for `.tmp-<pid>`.
_LONGEST_STEM = 180

PathLike = Union[str, "os.PathLike[str]"]


@contextlib.contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """Opens a file for writing that appears under `path` only once all its bytes are on disk.

    The bytes go to `<path>.tmp-<pid>` beside the target. When the block ends, they are flushed,
    synced and renamed over the target. When the block raises, the temporary file is removed and an
    older file under `path` is untouched. Missing parent directories are made.

    Args:
        path: the final name.

    Yields:
        A seekable binary file object.

    Raises:
        OSError: if a directory or the file cannot be written (full disk, no permission); the message
            names `path`, and `errno` is kept.

    Examples:
        >>> import os, tempfile
        >>> target = os.path.join(tempfile.mkdtemp(), "greeting.txt")
        >>> with atomic_write(target) as file:
        ...     _ = file.write(b"hello")
        >>> os.listdir(os.path.dirname(target))
        ['greeting.txt']
    """
    target = os.fspath(path)
    temporary = f"{target}.tmp-{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _sync_directory(os.path.dirname(target) or ".")
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            reason = f"could not be written, nothing was changed ({error.strerror or error})"
            raise OSError(error.errno, reason, target) from error
        raise


@contextlib.contextmanager
def atomic_directory(path: PathLike) -> Iterator[pathlib.Path]:
    """Makes a folder that appears under `path` only once its whole content is on disk.

    The folder is filled as `.<name>.tmp-<pid>` beside the target, flushed, and renamed when the
    block ends. When the block raises, the folder is removed.

    Args:
        path: the final name, under which there must be nothing yet.

    Yields:
        The folder to fill.

    Raises:
        FileExistsError: if there is a file or folder under `path`.
        OSError: if a file cannot be written.
    """
    target = pathlib.Path(path)
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}")
    if target.exists():
        raise FileExistsError(errno.EEXIST, "exists and is not replaced", str(target))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    os.fsync(file.fileno())
            _sync_directory(folder)
        os.rename(temporary, target)
        _sync_directory(str(target.parent))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_directory(path: PathLike) -> None:
    """Removes a folder, never leaving it half-empty under its name.

    A killed process may leave files under `<path>.tmp-<pid>-old`.

    Args:
        path: the folder.

    Raises:
        OSError: if the folder cannot be removed.
    """
    doomed = f"{os.fspath(path)}.tmp-{os.getpid()}-old"
    os.rename(path, doomed)
    shutil.rmtree(doomed)


def lock(file: IO[Any], *, wait: bool = False) -> bool:
    """Locks an open file against other processes that lock it, until the file is closed.

    Args:
        file: file, open in any mode.
        wait: whether to wait for another process that holds the lock.

    Returns:
        False if another process holds the lock; always True on systems without such locks.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
    return True


def open_partial(path: PathLike) -> BinaryIO:
    """Opens `<path>.partial`, which can be read while one process writes it.

    The caller renames the file to `path` in the end, before closing it. Writes are not buffered,
    so a failed write leaves nothing that could fail later. Missing parent directories are made.

    Args:
        path: the final name.

    Raises:
        OSError: if the file cannot be opened, another process writes it, or `path` is a folder;
            the message names it.
    """
    partial = f"{os.fspath(path)}.partial"
    if os.path.isdir(path):
        raise OSError(errno.EISDIR, "is a folder, expected a file or nothing", os.fspath(path))
    os.makedirs(os.path.dirname(partial) or ".", exist_ok=True)
    while True:
        # Not truncated before it is known that nobody else writes it.
        file = open(os.open(partial, os.O_RDWR | os.O_CREAT, 0o666), "wb", buffering=0)  # noqa: SIM115
        if not lock(file):
            file.close()
            raise OSError(errno.EBUSY, "is being written by another process", partial)
        if _is_at(file, partial):
            file.truncate(0)
            return file
        file.close()  # of a process that has just given it its final name


def _is_at(file: BinaryIO, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def printable(name: str) -> str:
    """Returns a name that UTF-8 can express; bytes of another encoding become their escapes.

    Args:
        name: a name as Python reads it from a folder.
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def file_stems(names: Sequence[str]) -> list[str]:
    """Returns names for files in one folder, without extensions, one for each of the given names.

    What is no letter, digit, dot, dash or underscore becomes an underscore. A long name is cut, and
    the digits of a checksum tell which it was. A repeated name gets a number.

    Args:
        names: names of utterances; they may be paths.

    Examples:
        >>> file_stems(["anna/1", "anna_1"])
        ['anna_1', 'anna_1-2']
    """
    return distinct([_file_stem(name) for name in names])


def _file_stem(name: str) -> str:
    clean = re.sub(r"[^\w.-]+", "_", printable(name))
    if len(clean.encode("utf-8")) <= _LONGEST_STEM:
        return clean
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    kept = clean.encode("utf-8")[: _LONGEST_STEM - len(digest) - 1].decode("utf-8", "ignore")
    return f"{kept}-{digest}"


def distinct(names: Sequence[str]) -> list[str]:
    """Returns the names, where a repeated name gets a number."""
    chosen: dict[str, None] = {}
    following: dict[str, int] = {}
    for name in names:
        candidate, number = name, following.get(name, 2)
        while candidate in chosen:
            candidate, number = f"{name}-{number}", number + 1
        chosen[candidate] = None
        following[name] = number
    return list(chosen)


def path_stem(name: str) -> str:
    """Returns a name for a file below a folder: a path that stays inside, of parts not too long.

    Args:
        name: name of an utterance, or a path without extension.

    Examples:
        >>> path_stem("/data/../anna/1")
        'data/anna/1'
    """
    parts = [part for part in re.split(r"[/\\\0]", name) if part not in ("", ".", "..")]
    kept = [
        part
        if part == printable(part) and len(part.encode()) <= _LONGEST_STEM
        else _file_stem(part)
        for part in parts
    ]
    return "/".join(kept) or "unnamed"


@contextlib.contextmanager
def open_archive(path: PathLike, *, spare_bytes: int = 0) -> Iterator[zipfile.ZipFile]:
    """Opens a zip archive for reading, if its content is not much larger than the archive.

    Args:
        path: the archive.
        spare_bytes: bytes of content beyond the size of the archive, for what is compressed.

    Yields:
        The archive. Its names are different.

    Raises:
        zipfile.BadZipFile: if the file is no archive, its content is too large, or it refers to
            places that a file does not have. Reading from a damaged archive raises any of
            `ARCHIVE_DAMAGE`.
        OSError: if the file cannot be opened.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > os.path.getsize(path) + spare_bytes:
                raise zipfile.BadZipFile("an archive of much more than its own bytes")
            if len(set(names)) < len(names):
                raise zipfile.BadZipFile("an archive with two parts of one name")
            yield archive
    except OSError as error:
        if error.filename is not None:
            raise
        raise zipfile.BadZipFile("an archive that refers to places outside of it") from error


def _sync_directory(directory: str) -> None:
    """Makes a rename in `directory` durable, if the file system can sync directories."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: PathLike, value: object, *, indent: int | None = 2) -> None:
    """Writes `value` as strict UTF-8 JSON through `atomic_write`.

    Args:
        path: the final name.
        value: a value that `json.dumps` takes. Key order is kept, so equal values give equal
            bytes. Names of files that are not UTF-8 are kept as Python escapes them.
        indent: spaces per level. If None, the text is a single compact line.

    Raises:
        ValueError: if `value` holds NaN or infinity, which JSON cannot express.
        TypeError: if `value` holds an object that JSON cannot express.
        OSError: if the file cannot be written.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace") + b"\n")


def read_json(path: PathLike) -> Any:
    """Returns the value in a JSON file.

    Args:
        path: a UTF-8 JSON file.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if the file does not hold JSON, or values too deep within one another; the
            message names the file.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"A JSON file is expected to hold one valid JSON value ({error}). "
            f"Received: path={os.fspath(path)!r} of {len(data)} bytes"
        ) from error
