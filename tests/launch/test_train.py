"""`tfwavenet.launch.train`: flags to `training.run`, and one sentence for what cannot be used."""

from __future__ import annotations

import importlib
import pathlib
import sys

import pytest

from tfwavenet import files
from tfwavenet.launch import train
from tfwavenet.training import run_training
from tfwavenet.training.config import resolve
from tfwavenet.training.workdir import Workdir

REPOSITORY = pathlib.Path(__file__).parents[2]
CONFIG = """
from tfwavenet.training.config import default_config

def get_config():
    config = default_config()
    config.model.num_layers = 3
    return config
"""


@pytest.fixture
def launch(monkeypatch, tmp_path):
    """Runs the launcher with `training.run` replaced; returns exit status and what `run` got."""
    (tmp_path / "config.py").write_text(CONFIG)

    def start(*arguments):
        calls = []

        def fake_run(config, workdir, *, extra_callbacks, strategy):
            calls.append((resolve(config), workdir, strategy))

        monkeypatch.setattr(run_training, "run", fake_run)
        monkeypatch.setattr(sys, "argv", ["tfwavenet-train", *arguments])
        # Overrides become flags of the module for good: a process has one command line.
        with pytest.raises(SystemExit) as caught:
            importlib.reload(train).main()
        return caught.value.code, calls

    return start


def test_config_and_overrides_reach_run(launch, tmp_path):
    status, ((config, workdir, strategy),) = launch(
        f"--config={tmp_path}/config.py",
        f"--workdir={tmp_path}/run",
        "--config.training.steps=2000",
        "--config.training.learning_rate.config.initial=0.01",
        "--config.data.root=/data",
        "--config.training.clip_norm=2",
        "--strategy=mirrored",
    )
    assert status == 0
    assert strategy == "mirrored"
    assert workdir == tmp_path / "run"
    assert config.model.num_layers == 3
    assert config.training.steps == 2000
    assert config.training.learning_rate.config.initial == 0.01
    assert config.data.root == "/data"
    assert config.training.clip_norm == 2


def test_without_a_config_the_workdirs_is_taken(launch, tmp_path):
    folder = Workdir(tmp_path / "run")
    folder.path.mkdir()
    config = resolve({"seed": 9})
    files.write_json(folder.config_path, config.to_dict())
    status, ((found, _, strategy),) = launch(f"--workdir={tmp_path}/run")
    assert status == 0
    assert found == config
    assert strategy is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--workdir"),
        (["--workdir={0}/new"], "a new workdir needs a config (--config of the commands)"),
        (["--workdir={0}/new", "--config={0}/config.py", "stray"], "only flags are expected"),
        (["--workdir={0}/new", "--config={0}/missing.py"], "missing.py"),
        (["--workdir={0}/new", "--config={0}/config.py", "--config.training.step=1"], "step"),
        (["--workdir={0}/new", "--confi={0}/config.py"], "confi"),
        (["--workdir={0}/new", "--config={0}/config.py", "--strategy=two"], "multi_worker"),
        (
            ["--workdir={0}/new", "--config={0}/config.py", "--workers=2"],
            "--workers needs --strategy=multi_worker",
        ),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(launch, tmp_path, capsys, arguments, message):
    status, calls = launch(*(argument.format(tmp_path) for argument in arguments))
    error = capsys.readouterr().err.strip()
    assert status == 1
    assert calls == []
    assert message in error.splitlines()[-1]
    assert "Traceback" not in error


def test_help_shows_the_commands(launch, capsys):
    status, _ = launch("--help")
    assert status == 0
    shown = capsys.readouterr().out
    assert "tfwavenet-train --config=configs/smoke.py" in shown
    assert "training.keep_checkpoints (3): Number of checkpoints to keep." in shown


@pytest.mark.parametrize(
    ("flag", "key", "value"),
    [
        ("--config.model.distribution=Gaussian", "model.distribution", "Gaussian"),
        ("--config.recipe=speech_8k", "recipe", "speech_8k"),
        ("--config.training.learning_rate=0.001", "training.learning_rate", 0.001),
        ("--config.recipe={'base': 'speech_16k'}", "recipe", {"base": "speech_16k"}),
    ],
)
def test_a_mapping_is_replaced_by_its_name_or_number(flag, key, value, monkeypatch):
    """In configs/fsdd.py all of these are mappings."""
    argv = [
        "tfwavenet-train",
        f"--config={REPOSITORY / 'configs' / 'fsdd.py'}",
        flag,
        "--workdir=w",
    ]
    monkeypatch.setattr(sys, "argv", argv)
    launcher = importlib.reload(train)
    try:
        launcher.FLAGS(argv)
        found = launcher._CONFIG.value
    finally:
        importlib.reload(train)
    for part in key.split("."):
        found = found[part]
    assert (found.to_dict() if isinstance(value, dict) else found) == value
