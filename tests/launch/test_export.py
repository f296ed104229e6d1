"""The export launcher: flags to `export_saved_model`, and one sentence for bad input."""

from __future__ import annotations

from typing import get_args

import pytest

from tfwavenet import export
from tfwavenet.launch import export as launcher
from tfwavenet.training import workdir as workdirs


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the launcher without exporting; returns the exit status and what was asked for."""

    def launch(*arguments):
        asked = []

        def load(path, *, weights):
            asked.append((str(path), weights))
            return workdirs.Loaded("model", None, None)

        def export_saved_model(model, path, **options):
            asked.append((model, str(path), options))
            return tmp_path / "1"

        monkeypatch.setattr(workdirs, "load", load)
        monkeypatch.setattr(export, "export_saved_model", export_saved_model)
        monkeypatch.setattr("sys.argv", ["tfwavenet-export", *arguments])
        with pytest.raises(SystemExit) as exit_:
            launcher.main()
        return exit_.value.code, asked

    return launch


def test_flags_reach_the_export(run):
    status, asked = run(
        "--workdir=run",
        "--output_dir=served/model",
        "--form=xla",
        "--version=4",
        "--weights=raw",
        "--chunk_samples=512",
        "--max_samples=50000",
        "--max_batch=2",
        "--max_total_samples=60000",
    )
    options = {"form": "xla", "version": 4, "chunk_samples": 512}
    options.update(max_samples=50000, max_batch=2, max_total_samples=60000)
    assert status == 0
    assert asked == [("run", "raw"), ("model", "served/model", options)]


def test_forms_are_those_of_the_function():
    assert launcher.FLAGS["form"].parser.enum_values == list(get_args(export.Form))


def test_defaults_are_those_of_the_function(run):
    defaults = export.export_saved_model.__kwdefaults__
    _, (_, (_, path, options)) = run("--workdir=run")
    assert path == "run/export"
    assert options == defaults


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--workdir=FOLDER of a training run or --preset=NAME is expected"),
        (["--workdir=a", "--form=jit"], "--form=jit"),
        (["--workdir=a", "--version=0"], "--version=0"),
        (["--workdir=a", "--max_batch=0"], "--max_batch=0"),
    ],
)
def test_bad_flags_give_one_sentence(run, capsys, arguments, message):
    status, asked = run(*arguments)
    assert (status, asked) == (1, [])
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_what_is_no_workdir_gives_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["tfwavenet-export", f"--workdir={tmp_path}"])
    with pytest.raises(SystemExit) as exit_:
        launcher.main()
    assert exit_.value.code == 1
    assert "a workdir in which a model was trained" in capsys.readouterr().err
