"""Launchers end in an exit status and, for bad input, one sentence on stderr."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest
from absl import flags

from tfwavenet.launch import app, config_flag

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Where it all is.", required=True, flag_values=FLAGS
)
_COUNT = flags.DEFINE_integer("count", 3, "How many.", lower_bound=1, flag_values=FLAGS)


def _run(main, *arguments):
    with pytest.raises(SystemExit) as exit_:
        app.run(main, FLAGS, argv=["/usr/bin/launcher", *arguments])
    return exit_.value.code


def _raise(error):
    def main():
        raise error

    return main


def test_values_arrive_and_each_run_starts_from_the_defaults():
    seen = []

    def main():
        seen.append((_WORKDIR.value, _COUNT.value))

    assert _run(main, "--workdir=a", "--count=5") == 0
    assert _run(main, "--workdir=b") == 0
    assert seen == [("a", 5), ("b", 3)]


def test_a_second_call_in_one_process_takes_a_config_and_its_keys_anew():
    holder = flags.FlagValues()
    config = config_flag.define("Config.", holder)
    seen = []

    def main():
        seen.append(config.value.training.steps)

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            app.run(main, holder, argv=["launcher", *arguments])
        return exit_.value.code

    assert run("--config=smoke", "--config.training.steps=70") == 0
    assert run("--config=smoke", "--config.training.steps=80") == 0
    assert run("--config=smoke") == 0
    assert run("--config=text", "--config.training.steps=90") == 0
    assert seen[:2] == [70, 80]
    assert seen[2] not in seen[:2] and seen[3] == 90


@pytest.mark.parametrize(
    "module",
    ["train", "prepare", "generate", "evaluate", "export", "import_checkpoint", "schedule"],
)
def test_main_of_every_launcher_is_called_twice(module, monkeypatch, capsys, tmp_path):
    launcher = importlib.import_module(f"tfwavenet.launch.{module}")
    arguments = [f"--workdir={tmp_path / 'none'}"]
    if module in ("train", "prepare"):
        arguments += ["--config=smoke", "--config.data.root=/none", "--config.data.corpus=folder"]
    if module == "import_checkpoint":
        arguments.append("--checkpoint=/none")
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    said = []
    for _ in range(2):
        with pytest.raises(SystemExit) as exit_:
            launcher.main()
        assert exit_.value.code == 1
        said.append(capsys.readouterr().err.splitlines()[-1])
    assert said[0] == said[1]
    assert "defined twice" not in said[1]


def test_main_with_a_parameter_gets_the_arguments_that_are_no_flags():
    seen = []
    assert _run(seen.append, "--workdir=a", "x.wav", "y.wav") == 0
    assert seen == [["/usr/bin/launcher", "x.wav", "y.wav"]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--workdir must have a value"),
        (["--workdir=a", "--count=0"], "0 is not a positive integer"),
        (["--workdir=a", "--count=many"], "--count=many"),
        (["--wordir=a"], "Did you mean: workdir"),
        (["--workdir=a", "stray"], "Received: argument='stray'"),
    ],
)
def test_bad_flags_give_one_sentence(arguments, sentence, capsys):
    assert _run(lambda: None, *arguments) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("launcher: error: ")
    assert sentence in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("hop must be 256.\n  Received: hop=3"), "hop must be 256. Received: hop=3"),
        (FileNotFoundError(2, "No such file", "a.wav"), "a.wav: No such file"),
        (OSError(28, "No space left on device", "b", None, "c"), "b -> c: No space left on device"),
        (OSError("plain"), "plain"),
        (ValueError(), "ValueError"),
    ],
)
def test_expected_errors_become_one_sentence(error, sentence, capsys):
    assert _run(_raise(error), "--workdir=a") == 1
    assert capsys.readouterr().err == f"launcher: error: {sentence}\n"


def test_the_traceback_can_be_asked_for(monkeypatch, capsys):
    monkeypatch.setenv("TFWAVENET_TRACEBACK", "1")
    assert _run(_raise(ValueError("what")), "--workdir=a") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_faults_of_the_program_keep_their_traceback():
    with pytest.raises(KeyError):
        app.run(_raise(KeyError("fault")), FLAGS, argv=["launcher", "--workdir=a"])


def test_interruption_ends_with_its_own_status(capsys):
    assert _run(_raise(KeyboardInterrupt()), "--workdir=a") == 130
    assert capsys.readouterr().err == "launcher: interrupted\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_the_module_and_its_flags(flag, capsys):
    def main():
        raise AssertionError("not called")

    assert _run(main, flag) == 0
    text = capsys.readouterr().out
    assert "one sentence on stderr" in text
    assert "--workdir: Where it all is." in text


def test_a_process_logs_without_a_warning_and_ends_with_the_status():
    code = (
        "from absl import flags, logging\nfrom tfwavenet.launch import app\n"
        "def main():\n    logging.info('working')\n    raise ValueError('bad input')\n"
        "app.run(main, flags.FlagValues(), argv=['prog'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-2].endswith("working")
    assert lines[-1] == "prog: error: bad input"
    assert "WARNING" not in done.stderr


def test_the_configs_of_the_package_are_known_by_name_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke").mkdir()  # a workdir of that name is no config
    for given in ("configs/smoke.py", "smoke.py", "smoke"):
        for arguments in ([f"--config={given}:full"], ["--config", f"{given}:full"]):
            argv = app.with_known_config(["launcher", *arguments, "--workdir=smoke"])
            assert (len(argv), argv[0], argv[2]) == (3, "launcher", "--workdir=smoke")
            path, _, kind = argv[1].rpartition("=")[-1].partition(":")
            assert os.path.isfile(path)
            assert (os.path.basename(path), kind) == ("smoke.py", "full")


def test_a_config_file_that_is_there_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke.py").touch()
    argv = ["launcher", "--config=smoke.py", "--config.seed=1"]
    assert app.with_known_config(argv) == argv


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("def get_config(:", "could not be read (SyntaxError"),
        ("import nonsuch", "could not be read (ModuleNotFoundError: No module named 'nonsuch'"),
        ("x = 1 / 0", "could not be read (ZeroDivisionError"),
        ("def get_config(): return 1 / 0", "could not be read (ZeroDivisionError"),
        (None, "must be a Python file, or one of clarinet"),
    ],
)
def test_config_files_that_fail_give_one_sentence(content, sentence, tmp_path, capsys, monkeypatch):
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)
    values = flags.FlagValues()
    argv = ["launcher", f"--config={path}"]
    monkeypatch.setattr("sys.argv", argv)
    config_flag.define("", values)
    with pytest.raises(SystemExit) as exit_:
        app.run(lambda: None, values, argv=argv)
    assert exit_.value.code == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert sentence in message


def test_a_key_without_config_says_what_is_missing(capsys, monkeypatch):
    values = flags.FlagValues()
    argv = ["launcher", "--config.seed=1"]
    monkeypatch.setattr("sys.argv", argv)
    config_flag.define("", values)
    with pytest.raises(SystemExit):
        app.run(lambda: None, values, argv=argv)
    assert "--config must be given too" in capsys.readouterr().err
