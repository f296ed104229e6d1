"""Reads transcripts and lists of a corpus, whose encoding is not always the documented one."""

from __future__ import annotations

import codecs
import pathlib
import re

_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPED_BYTES = re.compile("[\udc80-\udcff]")


def read(path: pathlib.Path) -> str:
    """Reads a text file: UTF-8 with or without a byte order mark, or UTF-16 with the mark.

    Args:
        path: an existing file.

    Returns:
        The text without the mark. A byte that is not UTF-8 becomes a lone surrogate, as in the
        names of files (`os.fsdecode`), so that one such byte leaves all other text readable; see
        `is_garbled`.
    """
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            pass  # not UTF-16 in spite of the mark, whose bytes are not UTF-8 either
    return data.decode("utf-8-sig", "surrogateescape")


def read_lines(path: pathlib.Path) -> list[str]:
    """Reads the lines of a text file as `read` does, without their ends."""
    return _LINE_END.split(read(path))


def is_garbled(text: str) -> bool:
    """Tells whether a text that was read here holds bytes of another encoding, or zero bytes."""
    return "\0" in text or _ESCAPED_BYTES.search(text) is not None
