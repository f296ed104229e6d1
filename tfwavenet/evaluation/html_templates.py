"""Fills the templates of the page, which are the files in `templates/`."""

from __future__ import annotations

import functools
import html
import importlib.resources
import re
import string
from collections.abc import Iterable
from typing import Any


class Html(str):
    """A string of HTML, which `fill` inserts as it is."""

    __slots__ = ()


def fill(part: str, **values: Any) -> Html:
    """Fills a part of `parts.html`.

    Args:
        part: name of the part.
        **values: a value for every `$name` in the part. A value that is no `Html` is escaped.
    """
    return _filled(_parts()[part], values)


def fill_page(**values: Any) -> Html:
    """Fills the whole page, style and script included.

    Args:
        **values: title, subtitle and body, as for `fill`.
    """
    given = {"style": Html(_read("style.css")), "script": Html(_read("script.js"))}
    return _filled(_read("page.html"), {**given, **values})


def join(parts: Iterable[Html]) -> Html:
    """Joins parts, one a line; empty parts are left out."""
    return Html("\n".join(part for part in parts if part))


def _filled(template: str, values: dict[str, Any]) -> Html:
    shown = {
        name: value if isinstance(value, Html) else html.escape(str(value))
        for name, value in values.items()
    }
    return Html(string.Template(template).substitute(shown))


@functools.cache
def _parts() -> dict[str, str]:
    """Returns the parts by name; each begins below a line such as `<!-- card -->`."""
    _, *found = re.split(r"^<!-- (\w+) -->\n", _read("parts.html"), flags=re.MULTILINE)
    return {name: text.rstrip("\n") for name, text in zip(found[::2], found[1::2])}


def _read(name: str) -> str:
    folder = importlib.resources.files("tfwavenet.evaluation") / "templates"
    return (folder / name).read_text(encoding="utf-8")
