"""One name for all commands; their help and version come without TensorFlow."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

import tfwavenet
from tests.support.shared import REPOSITORY
from tfwavenet.launch import main

# Runs a command and tells on the last line which large packages it has imported.
SCRIPT = """
import json, sys
from tfwavenet.launch.main import main
try:
    main()
finally:
    print(json.dumps(sorted({"tensorflow", "keras", "librosa", "soundfile"} & set(sys.modules))))
"""


def _run(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    *output, imported = done.stdout.splitlines()
    return done.returncode, "\n".join(output), done.stderr, json.loads(imported)


def test_version():
    assert _run("--version") == (0, f"tfwavenet {tfwavenet.__version__}", "", [])


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_help_lists_the_commands(arguments):
    status, output, _, imported = _run(*arguments)
    assert status == 0 and imported == []
    for name in main.COMMANDS:
        (line,) = re.findall(rf"^  {name} +(.+)$", output, re.MULTILINE)
        assert line.endswith(".") and len(line) < 80


@pytest.mark.parametrize("command", sorted(main.COMMANDS))
def test_help_of_a_command_needs_no_tensorflow(command):
    status, output, _, imported = _run(command, "--help")
    assert status == 0 and imported == []
    assert "flags:" in output and "--workdir" in output


def test_an_unknown_command_names_the_nearest():
    status, _, error, _ = _run("trian")
    assert status == 1
    assert "did you mean 'train'?). Received: 'trian'" in error


def test_every_launcher_is_a_command():
    launchers = {
        path.stem
        for path in (REPOSITORY / "tfwavenet" / "launch").glob("*.py")
        if "app.run(" in path.read_text() and path.stem != "app"
    }
    assert launchers == set(main.COMMANDS.values())


def test_errors_name_the_command():
    status, _, error, _ = _run("train", "--workdr=x")
    assert status == 1
    assert error.startswith("tfwavenet-train: error: ")


def test_lines_of_the_log_are_short():
    script = (
        "from tfwavenet.launch import app; app._log_to_stderr(); "
        "app.logging.info('trained %d updates', 3); app.logging.warning('nothing is left')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    first, second = done.stderr.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d trained 3 updates", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d warning: nothing is left", second)
