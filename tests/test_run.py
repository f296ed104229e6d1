"""`tfwavenet.Run`: a folder in which a model was trained, and what can be done with it."""

from __future__ import annotations

import numpy as np
import pytest

import tfwavenet
from tests.support.clips import clip, network, voice
from tfwavenet import evaluation, export, files
from tfwavenet import run as run_module
from tfwavenet.audio import audio_files, recipes
from tfwavenet.run import Run
from tfwavenet.training import run_training
from tfwavenet.training import workdir as workdirs

SPEAKERS = ["ann", "bob"]
TINY = {
    "recipe": "speech_8k",
    "model": {"num_layers": 2, "residual_channels": 4, "gate_channels": 8, "skip_channels": 4},
    "data": {"batch_size": 2, "crop_frames": 4, "with_mel": False},
    "training": {
        "steps": 2,
        "steps_per_epoch": 1,
        "validation_batches": 0,
        "sample_epochs": 0,
    },
}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A workdir with data: six test recordings of two speakers, one for training each."""
    folder = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(SPEAKERS):
        for index in (0, 1, 2, 7):
            audio = voice(0.2, f0_hz=120.0 + 60 * number, seed=index)
            audio_files.write(folder / "corpus" / f"0_{name}_{index}.wav", audio, 8000)
    config = {"data": {"corpus": "fsdd", "root": str(folder / "corpus"), "validation": 0.0}}
    model = network(num_speakers=2, speaker_channels=2)
    workdirs.store(model, folder / "run", speakers=SPEAKERS, step=17_000, config=config)
    assert Run(folder / "run").prepare() == folder / "run" / "data"
    return folder / "run"


def test_is_a_public_name():
    assert tfwavenet.Run is Run


def test_tells_what_the_folder_holds(workdir):
    run = Run(workdir)
    assert run.path == workdir
    assert run.config.data.corpus == "fsdd"
    assert run.speakers == list(run.records.speakers) == SPEAKERS
    assert run.step == 17_000
    assert run.model is run.model


def test_generates_by_the_names_of_speakers(workdir):
    run, mel = Run(workdir), clip("x", 0.1).mel
    expected = run.model.generate(mel, speaker=1, seed=3)
    np.testing.assert_array_equal(run.generate(mel, speaker="bob", seed=3), expected)
    np.testing.assert_array_equal(run.generate(mel, speaker=1, seed=3), expected)
    both = run.generate([mel, mel], speaker=["ann", "bob"], seed=[2, 3])
    np.testing.assert_allclose(both[1], expected, atol=1e-4)
    with pytest.raises(ValueError, match="one of ann, bob, or a number from 0 to 1"):
        run.generate(mel, speaker="eve")


def test_evaluates_into_its_own_folder(workdir, monkeypatch):
    found = {}
    monkeypatch.setattr(evaluation, "evaluate", lambda *args, **options: found.update(options))
    Run(workdir, weights="raw").evaluate("train", temperature=0.5)
    assert found["output_dir"] == str(workdir / "evaluation" / "train")
    assert found["settings"] == {"split": "train", "weights": "raw", "step": 17_000}
    assert (found["title"], found["temperature"]) == ("WaveNet, fsdd", 0.5)


@pytest.mark.parametrize(("count", "wanted"), [(10, None), (10, 10), (10, 3), (3, 10), (1, 1)])
def test_a_choice_is_spread_evenly(count, wanted):
    chosen = run_module._spread(count, wanted)
    assert len(chosen) == min(count, wanted or count) == len(set(chosen))
    steps = [b - a for a, b in zip(chosen, chosen[1:])] or [1]
    assert max(steps) - min(steps) <= 1
    assert chosen[0] == 0


def test_data_of_another_recipe_are_refused(workdir, monkeypatch):
    other = workdirs.Metadata(recipes.get("speech_16k"), SPEAKERS, 17)
    load = workdirs.load
    monkeypatch.setattr(workdirs, "load", lambda *a, **k: load(*a, **k)._replace(metadata=other))
    with pytest.raises(ValueError, match="prepared by the recipe of the model"):
        Run(workdir).evaluate()


def test_exports_into_its_own_folder(workdir, monkeypatch):
    asked = []
    monkeypatch.setattr(
        export, "export_saved_model", lambda *args, **options: asked.append((args, options))
    )
    run = Run(workdir)
    run.export(form="xla")
    run.export("elsewhere")
    assert asked == [
        ((run.model, workdir / "export"), {"form": "xla"}),
        ((run.model, "elsewhere"), {}),
    ]


def test_training_takes_the_config_of_the_folder_and_forgets_the_model(workdir, monkeypatch):
    asked = []
    monkeypatch.setattr(
        run_training, "run", lambda config, path, **options: asked.append((config, path))
    )
    run = Run(workdir)
    before = run.model
    run.train()
    assert asked == [(run.config, workdir)]
    assert run.model is not before


def test_a_new_folder_needs_a_config(tmp_path):
    for call in (Run(tmp_path).train, Run(tmp_path).prepare):
        with pytest.raises(ValueError, match="a new workdir needs a config"):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_trains_evaluates_and_resumes(tmp_path):
    run = Run(tmp_path)
    run.train(TINY)
    report = run.evaluate(max_utterances=2)
    folder = tmp_path / "evaluation" / "test"
    assert files.read_json(folder / "report.json") == report
    assert report["settings"]["step"] == 2
    assert (folder / "index.html").exists()
    assert list((folder / "audio").glob("*.wav"))
    assert run.train().history == {}
    assert run.evaluate(max_utterances=2)["loss"] == report["loss"]
