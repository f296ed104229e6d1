"""The launcher prepares what the config says, and says in one sentence what it cannot."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

from tests.support import shared
from tests.support.recordings import write_corpus
from tfwavenet.data.pipeline import Records
from tfwavenet.launch import prepare

FSDD = str(shared.REPOSITORY / "configs" / "fsdd.py")
SMOKE = str(shared.REPOSITORY / "configs" / "smoke.py")
CONFIG_OF_GIVEN_FEATURES = """
from tfwavenet.training.config import default_config

def get_config():
    config = default_config()
    config.recipe = {"base": "speech_8k", "features": "given", "n_mels": 3, "normalization": "none"}
    config.data.update(corpus="folder", validation=0.0, test=0.0)
    return config
"""


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


def test_splits_and_features_of_the_user(tmp_path, capsys):
    corpus = write_corpus(tmp_path / "corpus", each=2, samples=1600)
    names = [f"{speaker}/0{number}" for speaker in ("ann", "bob") for number in range(2)]
    for name in names:
        path = tmp_path / "features" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((20, 3), float(name[-1]), np.float32))
    (tmp_path / "splits.csv").write_text("\n".join(f"{name},train" for name in names[:3]))
    config = tmp_path / "config.py"
    config.write_text(CONFIG_OF_GIVEN_FEATURES)
    options = (f"--config.data.root={corpus}", f"--splits={tmp_path / 'splits.csv'}")
    options += (f"--features={tmp_path / 'features'}", f"--workdir={tmp_path / 'run'}")
    assert _run(f"--config={config}", *options) == 0
    records = Records(tmp_path / "run" / "data")
    assert [records.count(split) for split in ("train", "validation", "test")] == [3, 0, 0]
    assert records.recipe.features == "given"
    found = {one.name: one.mel for one in (records.utterance("train", i) for i in range(3))}
    assert {name: set(mel.ravel()) for name, mel in found.items()} == {
        name: {float(name[-1])} for name in names[:3]
    }


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
