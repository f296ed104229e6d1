"""The quickstart: one call from the bundled speech to a page, resumable like its parts."""

from __future__ import annotations

import pathlib

import pytest

from tfwavenet.launch import app, quickstart
from tfwavenet.run import Run

REPOSITORY = pathlib.Path(__file__).parents[2]


def test_quickstart_trains_and_evaluates(monkeypatch, tmp_path, caplog):
    done = []
    report = {"text": {"bits_per_character": 2.0, "ci95": None, "characters": 9}}
    report["text"].update(unknown_share=0.0, bz2=3.0)
    monkeypatch.setattr(Run, "train", lambda self, config: done.append(config.model.class_name))
    monkeypatch.setattr(Run, "evaluate", lambda self, split: done.append(split) or report)
    monkeypatch.setattr("sys.argv", ["tfwavenet-quickstart", f"--workdir={tmp_path}"])
    with pytest.raises(SystemExit) as exit_:
        quickstart.main()
    assert (exit_.value.code, done) == (0, ["WaveNet", "test"])
    assert str(tmp_path / "evaluation" / "test" / "index.html") in caplog.text


def test_config_of_the_quickstart_is_the_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = quickstart.with_default_config(["tfwavenet-quickstart", "--workdir=w"])
    program, config, rest = app.with_known_config(argv)
    assert (program, rest) == ("tfwavenet-quickstart", "--workdir=w")
    assert pathlib.Path(config.split("=", 1)[1]) == REPOSITORY / "configs" / "quickstart.py"


@pytest.mark.parametrize("given", [["--config=a.py"], ["--config", "a.py"], ["-config=a.py"]])
def test_a_given_config_stays(given):
    argv = ["tfwavenet-quickstart", *given]
    assert quickstart.with_default_config(argv) == argv
