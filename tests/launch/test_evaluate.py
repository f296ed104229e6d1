"""The evaluate launcher: which recordings, which folder, what is said."""

from __future__ import annotations

import json

import ml_collections
import pytest

from tests.support.clips import network, voice
from tfwavenet.audio import audio_files, recipes
from tfwavenet.data.preparation import prepare
from tfwavenet.evaluation.report import summary_lines
from tfwavenet.launch import evaluate
from tfwavenet.training import workdir as workdirs

RECIPE = recipes.get("speech_8k")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Prepared data: six test recordings of two speakers, one for training each."""
    folder = tmp_path_factory.mktemp("run")
    for number, name in enumerate(["ann", "bob"]):
        for index in (0, 1, 2, 7):
            audio = voice(0.3 + 0.05 * index, f0_hz=120.0 + 60 * number, seed=index)
            audio_files.write(folder / "corpus" / f"0_{name}_{index}.wav", audio, 8000)
    folders = {"output_dir": folder / "data", "root": folder / "corpus"}
    prepare("fsdd", recipe="speech_8k", validation=0.0, **folders)
    return folder


@pytest.fixture
def loaded(monkeypatch):
    """Puts a small network in place of a trained one; returns how it was asked for."""
    asked = []
    model = network(num_speakers=2, speaker_channels=2)
    config = ml_collections.ConfigDict({"data": {"corpus": "fsdd"}, "note": "<b>"})
    metadata = workdirs.Metadata(RECIPE, ["ann", "bob"], 17)

    def load(path, *, weights="ema"):
        asked.append((str(path), weights))
        return workdirs.Loaded(model, config, metadata)

    monkeypatch.setattr(workdirs, "load", load)
    return asked


@pytest.fixture
def run(monkeypatch):
    """Runs the launcher; returns the exit status."""

    def launch(*arguments):
        monkeypatch.setattr("sys.argv", ["tfwavenet-evaluate", *arguments])
        with pytest.raises(SystemExit) as exit_:
            evaluate.main()
        return exit_.value.code

    return launch


def test_flags_reach_the_evaluation(workdir, loaded, run, tmp_path, caplog):
    status = run(
        f"--workdir={workdir}",
        "--max_utterances=3",
        "--temperature=0.5",
        "--seed=3",
        "--weights=raw",
        f"--output_dir={tmp_path / 'out'}",
    )
    assert status == 0
    assert loaded == [(str(workdir), "raw")]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["settings"] == {
        "split": "test",
        "weights": "raw",
        "step": 17,
        "temperature": 0.5,
        "seed": 3,
        "join_seconds": 4.0,
    }
    assert report["command"].startswith("tfwavenet-evaluate --workdir=")
    names = {path.name for path in (tmp_path / "out" / "audio").glob("*.recording.wav")}
    # Three of six, spread over the names.
    assert names == {f"0_{name}.recording.wav" for name in ("ann_0", "ann_2", "bob_1")}
    assert [row["speaker"] for row in report["segments"]] == ["ann", "bob"]
    assert "&lt;b&gt;" in (tmp_path / "out" / "index.html").read_text()
    assert "bits per sample" in caplog.text
    assert "Griffin-Lim" in caplog.text


@pytest.mark.parametrize(
    "case",
    [
        (["--split=dev"], "should be one of"),
        (["--split=validation"], "split='validation'"),
        (["--max_utterances=0"], "--max_utterances=0"),
        (["--temperature=-1"], "--temperature=-1"),
        (["--weights=best"], "should be one of"),
    ],
)
def test_bad_flags_give_one_sentence(case, workdir, loaded, run, capsys):
    arguments, sentence = case
    assert run(f"--workdir={workdir}", *arguments) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("tfwavenet-evaluate: error: ")
    assert sentence in message
    assert not (workdir / "evaluation").exists()


def test_a_folder_that_is_no_workdir(run, tmp_path, capsys):
    assert run(f"--workdir={tmp_path}") == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_missing_metrics_are_shown_as_none():
    report = {
        "loss": {
            "name": "negative log-likelihood",
            "unit": "nats",
            "per_sample": 1.5,
            "bits_per_sample": None,
        },
        "metrics": [{"name": "pesq_nb", "label": "PESQ", "better": "higher"}],
        "systems": {"model": {"label": "Model", "metrics": {"pesq_nb": {"mean": None}}}},
    }
    assert summary_lines(report) == [
        "negative log-likelihood: 1.5000 nats per sample",
        "PESQ (higher is better): Model none",
    ]
