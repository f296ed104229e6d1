"""Lists the files below the folder of a corpus and names them."""

from __future__ import annotations

import os
import pathlib
from collections import Counter
from collections.abc import Iterable


def description(folder: pathlib.Path) -> str:
    """Describes the first entries of a folder for an error message."""
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} entries ({shown})" if names else "an empty folder"


def names(root: pathlib.Path, paths: Iterable[pathlib.Path]) -> dict[pathlib.Path, str]:
    """Maps paths to names: relative, without extension where that stays unique."""
    relative = {path: path.relative_to(root) for path in sorted(paths)}
    short = {path: item.with_suffix("").as_posix() for path, item in relative.items()}
    uses = Counter(short.values())
    return {
        path: short[path] if uses[short[path]] == 1 else item.as_posix()
        for path, item in relative.items()
    }


def visible_files(root: pathlib.Path) -> list[pathlib.Path]:
    """Lists all files at any depth, sorted, without hidden files and folders."""
    return sorted(path for path in root.rglob("*") if path.is_file() and not _is_hidden(path, root))


def broken_links(root: pathlib.Path) -> dict[str, str]:
    """Lists the visible links to missing files, with the reason for the report."""
    return {
        str(path): f"no such file: a link to {os.readlink(path)!r}"
        for path in sorted(root.rglob("*"))
        if path.is_symlink() and not path.exists() and not _is_hidden(path, root)
    }


def passed_over(paths: Iterable[pathlib.Path], reason: str) -> dict[str, str]:
    """Maps the paths of files that are not used to the reason."""
    return dict.fromkeys(sorted(map(str, paths)), reason)


def _is_hidden(path: pathlib.Path, root: pathlib.Path) -> bool:
    """Tells whether the path or a folder above it, below the root, starts with a dot."""
    return any(part.startswith(".") for part in path.relative_to(root).parts)
