"""Writes Python's own documentation as training text, which every machine with Python has.

    python -m examples.python_texts --output=texts

Writes one file per topic of Python's built-in help, and one file per module of the standard
library. The file of a module holds all docstrings of the module. With Python 3.11 the files have
two megabytes.

No paragraph is written twice, so that held-out text does not occur in the training text. Licenses
of installed packages are excluded for the same reason: they repeat a text in slightly other words.
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
# Shorter paragraphs, such as headings, may occur in several texts.
_LONG_PARAGRAPH = 60
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def help_topics() -> Iterator[tuple[str, str]]:
    """Yields the name and the text of each topic of `help()`."""
    for name, text in sorted(topics.topics.items()):
        yield f"topics/{name}", text


def docstrings() -> Iterator[tuple[str, str]]:
    """Yields the name and the docstrings of each standard library module, in source order."""
    root = pathlib.Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] in ("site-packages", "dist-packages", "test", "lib2to3", "idlelib"):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except SyntaxError:
            continue  # invalid code for tests of the compiler
        nodes = [node for node in ast.walk(tree) if isinstance(node, _WITH_DOCSTRING)]
        nodes.sort(key=lambda node: getattr(node, "lineno", 0))
        found = [text for node in nodes if (text := ast.get_docstring(node))]
        yield f"modules/{relative.with_suffix('')}", "\n\n".join(found) + "\n"


def without_repetitions(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yields the texts without the long paragraphs that occur in an earlier text.

    Args:
        texts: names and texts.

    Yields:
        Names and texts, in the same order.
    """
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
