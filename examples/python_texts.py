"""A text to train on that is on every machine with Python: its own documentation.

    python -m examples.python_texts --output=texts

Writes one file per topic of Python's built-in help, and one per module of the standard library
that holds all of its docstrings: with Python 3.11 two megabytes. No paragraph is written twice,
so that what is held out is not known already; for that reason the licences of installed packages,
which say the same in slightly other words, are left out.
"""

from __future__ import annotations

import ast
import pathlib
import sysconfig
from collections.abc import Iterable, Iterator
from pydoc_data import topics

from absl import app, flags

from tfwavenet import files

_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_LEAST_CHARACTERS = 200
# What is shorter, such as a heading, may stand in several texts.
_LONG_PARAGRAPH = 60
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def help_topics() -> Iterator[tuple[str, str]]:
    """Yields names and texts of the topics that `help()` knows."""
    for name, text in sorted(topics.topics.items()):
        yield f"topics/{name}", text


def docstrings() -> Iterator[tuple[str, str]]:
    """Yields the modules of the standard library with their docstrings, in order of the source."""
    root = pathlib.Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] in ("site-packages", "dist-packages", "test", "lib2to3", "idlelib"):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except SyntaxError:
            continue  # code that a test of the compiler is to refuse
        nodes = [node for node in ast.walk(tree) if isinstance(node, _WITH_DOCSTRING)]
        nodes.sort(key=lambda node: getattr(node, "lineno", 0))
        found = [text for node in nodes if (text := ast.get_docstring(node))]
        yield f"modules/{relative.with_suffix('')}", "\n\n".join(found) + "\n"


def without_repetitions(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yields the texts without the paragraphs that stand in one before them."""
    seen: set[str] = set()
    for name, text in texts:
        kept = [part for part in text.split("\n\n") if " ".join(part.split()) not in seen]
        words = {" ".join(part.split()) for part in kept}
        seen.update(part for part in words if len(part) >= _LONG_PARAGRAPH)
        yield name, "\n\n".join(kept)


def _write(arguments: list[str]) -> None:
    del arguments
    total = 0
    for name, text in without_repetitions([*help_topics(), *docstrings()]):
        if len(text) >= _LEAST_CHARACTERS:
            with files.atomic_write(pathlib.Path(_OUTPUT.value) / f"{name}.txt") as file:
                file.write(text.encode("utf-8"))
            total += len(text)
    print(f"{total} characters in {_OUTPUT.value}")


if __name__ == "__main__":
    app.run(_write)
