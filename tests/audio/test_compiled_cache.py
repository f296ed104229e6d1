"""Compiled code has a place where nothing that Numba tries can be written."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from tfwavenet.audio import compiled_cache


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    yield monkeypatch
    os.environ.pop("NUMBA_CACHE_DIR", None)


def test_nothing_is_set_where_a_usual_place_can_be_written(environment, tmp_path):
    environment.setattr(compiled_cache, "_usual_places", lambda: [tmp_path / "a" / "b"])
    compiled_cache.ensure()
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_a_new_folder_is_set_where_no_place_can_be_written(environment, tmp_path):
    environment.setattr(compiled_cache, "can_be_made", lambda _: False)
    environment.setattr(compiled_cache.tempfile, "tempdir", str(tmp_path))
    compiled_cache.ensure()
    folder = pathlib.Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0


def test_a_choice_of_the_user_is_kept(environment):
    environment.setenv("NUMBA_CACHE_DIR", "/chosen")
    environment.setattr(compiled_cache, "can_be_made", lambda _: False)
    compiled_cache.ensure()
    assert os.environ["NUMBA_CACHE_DIR"] == "/chosen"


def test_no_place_for_temporary_files_is_no_error(environment):
    def fail(**_):
        raise FileNotFoundError(2, "No usable temporary directory found")

    environment.setattr(compiled_cache, "can_be_made", lambda _: False)
    environment.setattr(compiled_cache.tempfile, "mkdtemp", fail)
    compiled_cache.ensure()
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_the_folder_is_removed_when_the_process_ends(tmp_path):
    code = (
        "import os\nfrom tfwavenet.audio import compiled_cache as c\n"
        "c.can_be_made = lambda _: False\nc.ensure()\nprint(os.environ['NUMBA_CACHE_DIR'])\n"
    )
    given = {**os.environ, "TMPDIR": str(tmp_path)}
    given.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, check=True)
    assert done.stdout.decode().startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "expected"), [("", True), ("new/deep", True), ("file/in", False)])
def test_where_a_folder_can_be_made(tmp_path, name, expected):
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o400)
    assert compiled_cache.can_be_made(tmp_path / name) == expected
