"""The config of the quickstart; `test_presets` runs it."""

from __future__ import annotations

import pathlib

import pytest

from tfwavenet.launch import app, quickstart

REPOSITORY = pathlib.Path(__file__).parents[2]


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


def test_a_config_that_names_no_model_is_one_sentence(tmp_path, monkeypatch, capsys):
    config = f"--config={REPOSITORY / 'configs' / 'smoke.py'}"
    monkeypatch.setattr("sys.argv", ["tfwavenet-quickstart", config, f"--workdir={tmp_path / 'w'}"])
    with pytest.raises(SystemExit) as exit_:
        quickstart.main()
    assert exit_.value.code == 1
    assert "must name the model to start from. Received:" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()
