"""Where the optional corpora and golden pairs lie; tests that need them skip without them.

They are not part of the project. `TFWAVENET_SHARED` names their folder; without it a folder
`shared` beside the checkout is looked at.
"""

from __future__ import annotations

import os
import pathlib

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT_VARIABLE = "TFWAVENET_SHARED"


def shared_root() -> pathlib.Path:
    """Returns the folder that may hold `corpus/` and `golden/`; it need not exist."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return pathlib.Path(named) if named else REPOSITORY.parent / "shared"


def shared_path(*parts: str) -> pathlib.Path:
    """Returns a path below the optional folder, or skips the calling test where it is absent.

    Args:
        *parts: path components, such as `"corpus", "fsdd"`.
    """
    path = shared_root().joinpath(*parts)
    if not path.exists():
        pytest.skip(
            f"optional data are absent: {path} (set {ENVIRONMENT_VARIABLE} to the folder that "
            "holds corpus/ and golden/)"
        )
    return path


def corpus(name: str) -> pathlib.Path:
    """Returns the folder of an optional corpus (`"fsdd"`, `"arctic"`), or skips the test."""
    return shared_path("corpus", name)


def golden(name: str) -> pathlib.Path:
    """Returns a golden file such as `"r9y9_mol.npz"`, or skips the test."""
    return shared_path("golden", name)
