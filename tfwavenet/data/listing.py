"""Lists the files below the folder of a corpus and names them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections import Counter
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Listing:
    """The visible files below a folder.

    Attributes:
        files: sorted paths below the folder, links not resolved.
        left_out: links that lead to no further file, with the reason for the report.
    """

    files: tuple[pathlib.Path, ...]
    left_out: dict[str, str]


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


def visible(root: pathlib.Path) -> Listing:
    """Lists all files at any depth, without hidden files and folders.

    Links to files and to folders are followed. Every folder is listed once, whatever the number of
    links to it: a recording of two names could be trained on and held out. The folder's own place
    goes before a link to it, and links are followed in the order of their paths. A link to a
    folder that holds the link, or `root`, is not followed, so that no loop is walked.

    Args:
        root: an existing folder, or a link to one.

    Returns:
        The files, and the links that are not followed: to nothing, to a folder that is listed
        already, or to a folder around the link.
    """
    walk = _Walk(root)
    level = [root]
    while level:
        for start in level:
            walk.list_below(start)
        level = walk.links_to_follow()
    return Listing(tuple(sorted(walk.files)), dict(sorted(walk.left_out.items())))


def passed_over(paths: Iterable[pathlib.Path], reason: str) -> dict[str, str]:
    """Maps the paths of files that are not used to the reason."""
    return dict.fromkeys(sorted(map(str, paths)), reason)


class _Walk:
    """Collects files and links, one folder without its linked folders at a time."""

    def __init__(self, root: pathlib.Path) -> None:
        self.files: list[pathlib.Path] = []
        self.left_out: dict[str, str] = {}
        self._real_root = os.path.realpath(root)
        self._links: list[pathlib.Path] = []
        # Where a folder was listed, by its path without links.
        self._listed: dict[str, pathlib.Path] = {}

    def list_below(self, start: pathlib.Path) -> None:
        """Adds what lies in a folder, or a link to one, and in the folders below it."""
        for place, folders, names in os.walk(start):
            folder = pathlib.Path(place)
            first = self._listed.setdefault(os.path.realpath(folder), folder)
            if first != folder:
                self.left_out[str(folder)] = f"the same folder as {str(first)!r}"
                folders.clear()  # os.walk then goes no deeper
                continue
            folders[:] = [name for name in folders if not name.startswith(".")]
            self._links += [folder / name for name in folders if os.path.islink(folder / name)]
            for name in names:
                if not name.startswith("."):
                    self._add_file(folder / name)

    def links_to_follow(self) -> list[pathlib.Path]:
        """Returns the links to folders that were found since the last call, sorted."""
        links, self._links = sorted(self._links), []
        outwards = {link for link in links if self._leads_outwards(link)}
        for link in outwards:
            reason = f"a link to a folder that holds it: {os.readlink(link)!r}"
            self.left_out[str(link)] = reason
        return [link for link in links if link not in outwards]

    def _add_file(self, path: pathlib.Path) -> None:
        if path.is_file():
            self.files.append(path)
        elif path.is_symlink() and not path.exists():
            self.left_out[str(path)] = f"no such file: a link to {os.readlink(path)!r}"

    def _leads_outwards(self, link: pathlib.Path) -> bool:
        """Tells whether a link leads to a folder around itself or around the root."""
        target = os.path.realpath(link)
        inner = (os.path.realpath(link.parent), self._real_root)
        return any(os.path.commonpath([target, folder]) == target for folder in inner)
