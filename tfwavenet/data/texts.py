"""Finds and reads the text files of a corpus."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Iterable

from tfwavenet.data.unusable import UnusableRecordingError

TEXT_EXTENSIONS = (".txt", ".md", ".rst", ".text")
# Beginnings of names without an extension that hold text by custom.
TEXT_NAMES = (
    "authors",
    "changelog",
    "copying",
    "licence",
    "license",
    "metadata",
    "notice",
    "readme",
)


def is_text(path: pathlib.Path) -> bool:
    """Tells whether a file has the name of a text: a usual extension, or such as LICENSE."""
    suffix = path.suffix.lower()
    return suffix in TEXT_EXTENSIONS or (not suffix and path.name.lower().startswith(TEXT_NAMES))


def read(path: str) -> str:
    """Reads a UTF-8 file, without a byte order mark.

    Args:
        path: the file.

    Raises:
        UnusableRecordingError: if the file cannot be read, is binary, not UTF-8, or holds no text.
    """
    try:
        data = pathlib.Path(path).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UnusableRecordingError(f"{path!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UnusableRecordingError(
            f"not text: {path!r} is expected to be UTF-8. Received: byte "
            f"0x{error.object[error.start]:02x} at position {error.start}"
        ) from error
    if "\0" in text:
        raise UnusableRecordingError(
            f"not text: {path!r} is expected to have no zero bytes. "
            f"Received: one at position {data.index(0)}"
        )
    if not text.strip():
        raise UnusableRecordingError(
            f"empty: {path!r} is expected to hold text. Received: bytes={len(data)}"
        )
    return text


def repetitions(paths: Iterable[pathlib.Path]) -> dict[pathlib.Path, pathlib.Path]:
    """Finds files whose text, apart from white space, an earlier file has.

    A corpus may hold many copies of a license. A held-out copy must not be trained on.

    Args:
        paths: in the order of preference.

    Returns:
        The first file with the text, for each repetition. An unreadable file repeats nothing.
    """
    first: dict[bytes, pathlib.Path] = {}
    repeated = {}
    for path in paths:
        try:
            words = path.read_bytes().split()
        except OSError:
            continue  # preparing it tells why
        digest = hashlib.sha256(b" ".join(words)).digest()
        if digest in first:
            repeated[path] = first[digest]
        else:
            first[digest] = path
    return repeated
