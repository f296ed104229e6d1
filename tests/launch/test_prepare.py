"""The launcher prepares what the config says, and says in one sentence what it cannot."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from tests.support import shared
from tests.support.recordings import write_corpus
from tfwavenet.data.pipeline import Records
from tfwavenet.launch import prepare

FSDD = str(shared.REPOSITORY / "configs" / "fsdd.py")
SMOKE = str(shared.REPOSITORY / "configs" / "smoke.py")


def _run(*arguments):
    # Overrides of single keys are looked up in sys.argv itself and become flags, for good: a
    # process has one command line, so each run gets a fresh module.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tfwavenet-prepare", *arguments])
        with pytest.raises(SystemExit) as exit_:
            importlib.reload(prepare).main()
    return exit_.value.code


def test_bundled_speech_is_prepared_into_the_workdir(tmp_path, capsys):
    assert _run(f"--config={SMOKE}", f"--workdir={tmp_path}") == 0
    assert Records(tmp_path / "data").count("train") == 15


def test_corpus_and_root_can_be_overridden(tmp_path, capsys):
    corpus = write_corpus(tmp_path / "corpus", each=2)
    options = ("--config.data.corpus=folder", f"--config.data.root={corpus}")
    assert _run(f"--config={FSDD}", f"--workdir={tmp_path / 'run'}", *options) == 0
    assert Records(tmp_path / "run" / "data").speakers == ("ann", "bob")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([f"--config={SMOKE}"], "--workdir"),
        (["--workdir=x"], "--config"),
        (["--workdir=x", f"--config={SMOKE}", "--config.data.corpus=ljspech"], "'ljspeech'"),
        (["--workdir=x", f"--config={SMOKE}", "--config.data.corpus=vctk"], "needs the folder"),
        (["--workdir=x", f"--config={FSDD}", "--config.data.root=no"], "/no'"),
    ],
)
def test_mistakes_give_one_sentence(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _run(*arguments) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("tfwavenet-prepare: error:")
    assert sentence in message


@pytest.mark.slow
def test_it_runs_as_a_module(tmp_path):
    command = [sys.executable, "-m", "tfwavenet.launch.prepare"]
    options = [f"--config={SMOKE}", f"--workdir={tmp_path}"]
    done = subprocess.run(
        [*command, *options],
        check=False,
        cwd=shared.REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "train: 15 records" in done.stderr
    assert (tmp_path / "data" / "metadata.json").exists()
