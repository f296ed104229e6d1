"""The layering: what a module may import, and what it may not contain.

The ranks are those of the table in WORKSPACE.md, which is checked against this file.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator
from typing import Optional

import pytest

REPOSITORY = pathlib.Path(__file__).parent.parent
PACKAGE = REPOSITORY / "tfwavenet"

# A unit may import only from units of a strictly smaller rank, from itself, and from `checks`.
RANK = {
    "version": 0,
    "checks": 0,
    "keras_arguments": 0,
    "keras_versions": 0,
    "rng": 0,
    "files": 0,
    "text": 0,
    "audio": 1,
    "distributions": 1,
    "diffusion": 1,
    "codecs": 2,
    "layers": 2,
    "data": 2,
    "generation": 3,
    "models": 4,
    "interop": 5,
    "export": 5,
    "evaluation": 5,
    "training": 6,
    "run": 7,
    "launch": 8,
}

# Modules that only the named files may import, by the start of the importing file's path.
CONFINED = {
    "absl.app": ("launch/",),
    "absl.flags": ("launch/",),
    "librosa": ("audio/",),
    "ml_collections.config_flags": ("launch/",),
    "soundfile": ("audio/",),
    "soxr": ("audio/",),
    "tensorflow_addons": ("layers/weight_norm.py",),
    "tensorflow_io": ("audio/graph_decode.py",),
    "torch": (),
}

# Calls that belong to one module, as a dotted prefix of the expression.
CONFINED_CALLS = {
    "keras.__version__": ("keras_versions.py",),
    "tf.keras": (),
    "tf.random": ("rng.py",),
    "np.random.seed": (),
}

TENSORFLOW_FREE = (
    "version.py",
    "checks.py",
    "keras_arguments.py",
    "files.py",
    "text.py",
    "__init__.py",
)
# A file that is one idea may be long.
MAX_FILE_LINES = 500


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yields every imported dotted name with its line; `<relative>` for a relative import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "<relative>", node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def unit_of(module: str) -> Optional[str]:
    """The unit of the layering table that a dotted name of the package belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "tfwavenet" and len(parts) > 1 and parts[1] in RANK else None


def is_within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def import_violations(path: str, tree: ast.AST) -> Iterator[str]:
    """Yields what is wrong with the imports of the package file at `path`."""
    me = unit_of("tfwavenet." + path[: -len(".py")].replace("/", "."))
    if me is None and path != "__init__.py":
        yield f"{path}: not in the layering table"
    for module, line in imported(tree):
        other = unit_of(module)
        if module == "<relative>":
            yield f"{path}:{line}: relative import"
        if me and other and other not in (me, "checks") and RANK[other] >= RANK[me]:
            yield f"{path}:{line}: {me} must not import {other}"
        if is_within(module, "tensorflow") and path in TENSORFLOW_FREE:
            yield f"{path}:{line}: must stay free of TensorFlow"
        for name, homes in CONFINED.items():
            if is_within(module, name) and not path.startswith(homes):
                yield f"{path}:{line}: {name} is confined to {', '.join(homes)}"


def call_violations(path: str, tree: ast.AST) -> Iterator[str]:
    """Yields the uses of expressions that belong to another module, and of print."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            expression = ast.unparse(node)
            for name, homes in CONFINED_CALLS.items():
                if expression == name and path not in homes:
                    yield f"{path}:{node.lineno}: {name} is confined to {', '.join(homes)}"


def violations(package: pathlib.Path) -> list[str]:
    found: set[str] = set()
    for file in sorted(package.rglob("*.py")):
        path = file.relative_to(package).as_posix()
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        found.update(import_violations(path, tree))
        found.update(call_violations(path, tree))
        if text.count("\n") > MAX_FILE_LINES:
            found.add(f"{path}: longer than {MAX_FILE_LINES} lines")
    return sorted(found)


def test_package_obeys_the_layering():
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("audio/a.py", "from tfwavenet.layers import x", "audio must not import layers"),
        (
            "audio/a.py",
            "from tfwavenet import distributions",
            "audio must not import distributions",
        ),
        ("audio/a.py", "def f():\n    import tfwavenet.models", "audio must not import models"),
        ("layers/a.py", "from . import b", "relative import"),
        ("layers/a.py", "from tensorflow_addons.layers import W", "tensorflow_addons is confined"),
        ("audio/a.py", "import tensorflow_io as tfio", "tensorflow_io is confined"),
        ("data/a.py", "import soundfile", "soundfile is confined"),
        ("training/a.py", "from absl import flags", "absl.flags is confined"),
        ("models/a.py", "import torch.nn", "torch is confined"),
        ("checks.py", "from tfwavenet import files", "checks must not import files"),
        ("files.py", "import tensorflow as tf", "must stay free of TensorFlow"),
        ("unknown/a.py", "", "not in the layering table"),
        ("layers/a.py", "tf.random.normal([2])", "tf.random is confined"),
        ("layers/a.py", "if keras.__version__ > '3': pass", "keras.__version__ is confined"),
        ("layers/a.py", "class A(tf.keras.layers.Layer): pass", "tf.keras is confined"),
        ("layers/a.py", "x = 1\n" * 501, "longer than 500 lines"),
    ],
)
def test_breaking_the_layering_is_reported(tmp_path, path, source, message):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    assert any(message in violation for violation in violations(tmp_path))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("layers/a.py", "from tfwavenet.audio import mulaw\nfrom tfwavenet.layers import b"),
        ("layers/weight_norm.py", "import tensorflow_addons as tfa"),
        ("rng.py", "from tfwavenet import checks"),
        ("rng.py", "tf.random.stateless_uniform([2], seed)"),
        ("launch/a.py", "from absl import app, flags"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path, path, source):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    assert violations(tmp_path) == []


def test_rank_table_of_workspace_is_this_one():
    rows = re.findall(
        r"^\| (\d) \| (.+?) \|", (REPOSITORY / "WORKSPACE.md").read_text(), flags=re.MULTILINE
    )
    documented = {
        name.strip("`/"): int(rank)
        for rank, names in rows
        for name in re.findall(r"`[^`]+`", names)
    }
    existing = {path.stem for path in PACKAGE.iterdir() if path.stem in RANK}
    assert {name: documented.get(name) for name in existing} == {
        name: RANK[name] for name in existing
    }
