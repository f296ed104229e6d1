"""The quickstart: one call from the bundled speech to a page, resumable like its parts."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest

from tfwavenet import files
from tfwavenet.launch import app, quickstart

REPOSITORY = pathlib.Path(__file__).parents[2]


def tiny_config():
    """The network of configs/smoke.py after two updates."""
    path = REPOSITORY / "configs" / "smoke.py"
    spec = importlib.util.spec_from_file_location("smoke_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.model.num_layers = 2
    config.training.update(steps=2, steps_per_epoch=1, validation_batches=0, sample_epochs=0)
    return config


@pytest.mark.slow
def test_quickstart_writes_report_page_and_audio_and_resumes(tmp_path):
    report = quickstart.quickstart(tiny_config(), tmp_path)
    evaluation = tmp_path / "evaluation" / "test"
    assert files.read_json(evaluation / "report.json") == report
    assert report["settings"]["step"] == 2
    assert (evaluation / "index.html").exists()
    assert list((evaluation / "audio").glob("*.wav"))
    trained = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    again = quickstart.quickstart(tiny_config(), tmp_path)
    assert again["loss"] == report["loss"]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == trained


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
