"""`--preset` of the launchers, on a small preset and on those of the package."""

from __future__ import annotations

import json
import types

import numpy as np
import pytest

import tfwavenet
from tests.support.clips import network, voice
from tfwavenet.audio import audio_files
from tfwavenet.launch import config_flag, evaluate, generate, quickstart, train
from tfwavenet.run import Run
from tfwavenet.training import config_keys
from tfwavenet.training.config import default_config

TINY_CONFIG = """
from tfwavenet.training.config import default_config

def get_config():
    config = default_config()
    config.data.update(batch_size=1, crop_frames=8)
    config.training.update(steps=2, steps_per_epoch=2, validation_batches=0, sample_epochs=0)
    return config
"""


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return network().save_to_preset(tmp_path_factory.mktemp("presets") / "tiny", step=17)


@pytest.fixture
def launch(monkeypatch, tmp_path):
    """Runs a launcher in an empty folder; returns the exit status."""
    monkeypatch.chdir(tmp_path)

    def run(launcher, *arguments):
        name = launcher.__name__.rsplit(".", 1)[-1]
        monkeypatch.setattr("sys.argv", [f"tfwavenet-{name}", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            launcher.main()
        return exit_.value.code

    return run


@pytest.fixture
def recording(tmp_path):
    audio_files.write(tmp_path / "mine.wav", voice(0.6), 8000)
    return tmp_path / "mine.wav"


def test_generate_takes_a_preset(launch, preset, recording, tmp_path):
    assert launch(generate, f"--preset={preset}", f"--audio={recording}", "--seed=3") == 0
    made, _ = audio_files.read(tmp_path / "samples" / "generated" / "mine.wav")
    model = tfwavenet.from_preset(preset)
    audio, _ = audio_files.read(recording)
    _, mel = model.recipe.analyze(audio)
    expected = np.clip(model.generate(mel, seed=3), -1, 1)
    np.testing.assert_allclose(made, expected, atol=1e-3)


def test_what_a_preset_recommends_is_the_default(launch, recording, tmp_path):
    model = network()
    folder = model.save_to_preset(tmp_path / "preset", sampling={"temperature": 0.3, "top_p": 0.9})
    assert Run.from_preset(folder).sampling == {"temperature": 0.3, "top_p": 0.9}
    assert Run(tmp_path).sampling == {}
    _, mel = model.recipe.analyze(audio_files.read(recording)[0])
    options = [f"--preset={folder}", f"--audio={recording}", "--seed=3"]
    for flags, expected in (
        ([], {"temperature": 0.3, "top_p": 0.9}),
        (["--temperature=1", "--top_p=1"], {}),
    ):
        assert launch(generate, *options, *flags, "--output=made.wav") == 0
        made, _ = audio_files.read("made.wav")
        wanted = np.clip(model.generate(mel, seed=3, **expected), -1, 1)
        np.testing.assert_allclose(made, wanted, atol=1e-3)


def test_presets_are_listed(launch, capsys):
    assert launch(generate, "--list_presets") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(tfwavenet.presets())


def test_neither_workdir_nor_preset_is_one_sentence(launch, capsys):
    assert launch(generate, "--seconds=1") == 1
    error = capsys.readouterr().err
    assert "--workdir=FOLDER of a training run or --preset=NAME is expected" in error


def test_an_unknown_preset_is_one_sentence(launch, capsys):
    assert launch(evaluate, "--preset=wavenet_speach_16k") == 1
    assert "Received: 'wavenet_speach_16k'" in capsys.readouterr().err


def test_evaluate_takes_recordings_beside_the_bundled_speech(launch, preset, recording, tmp_path):
    assert launch(evaluate, f"--preset={preset}", f"--audio={recording}", "--max_utterances=1") == 0
    report = json.loads((tmp_path / "evaluation" / "test" / "report.json").read_text())
    assert [segment["speaker"] for segment in report["segments"]] == ["", "amber"]
    assert report["settings"]["step"] == 17
    assert (tmp_path / "evaluation" / "test" / "audio" / "mine.model.wav").exists()


def test_an_unusable_recording_is_named(launch, preset, tmp_path, capsys):
    (tmp_path / "noise.wav").write_bytes(b"no audio")
    assert launch(evaluate, f"--preset={preset}", f"--audio={tmp_path / 'noise.wav'}") == 1
    assert "noise.wav' cannot be used" in capsys.readouterr().err


def test_a_model_of_speakers_is_given_no_strangers(tmp_path, recording):
    model = network(num_speakers=2, speaker_channels=2)
    folder = model.save_to_preset(tmp_path / "preset")
    with pytest.raises(ValueError, match="for a model without speakers. Received: audio="):
        Run.from_preset(folder, tmp_path).evaluate(audio=[recording])


def test_a_preset_is_not_trained_in_place(preset, tmp_path):
    with pytest.raises(ValueError, match="further by a run whose config names it, training.init"):
        Run.from_preset(preset, tmp_path).train({})


def test_training_from_a_preset(launch, preset, tmp_path):
    (tmp_path / "tiny.py").write_text(TINY_CONFIG)
    arguments = [f"--config={tmp_path / 'tiny.py'}", f"--preset={preset}", "--workdir=run"]
    assert launch(train, *arguments) == 0
    run = Run(tmp_path / "run")
    assert run.config.training.init == str(preset)
    assert run.model.count_params() == tfwavenet.from_preset(preset).count_params()


def test_a_preset_without_a_config_has_that_of_fine_tuning():
    argv = ["tfwavenet-train", "--preset=a", "--workdir=b"]
    assert config_flag.with_fine_tuning(argv)[1] == "--config=configs/fine_tuning.py"
    for given in (["--preset", "a", "--config=c.py"], ["--workdir=b"]):
        assert config_flag.with_fine_tuning(["tfwavenet-train", *given]) == [
            "tfwavenet-train",
            *given,
        ]


def _holder(value):
    return types.SimpleNamespace(value=value)


def test_a_shorthand_goes_before_the_config():
    config = default_config()
    config.training.init = "other"
    given = {"preset": _holder("mine"), "splits": _holder(None)}
    chosen = config_flag.with_shorthands(config, given)
    assert (chosen.training.init, chosen.data.splits) == ("mine", None)
    assert chosen.training.steps == config.training.steps
    unchanged = config_flag.with_shorthands(config, {"preset": _holder(None)})
    assert unchanged.training.init == "other"


@pytest.mark.parametrize("name", sorted(config_flag.SHORTHANDS))
def test_a_shorthand_without_a_config_is_refused(name):
    with pytest.raises(ValueError, match=f"--{name} needs a --config.*Received: --{name}=mine"):
        config_flag.with_shorthands(None, {name: _holder("mine")})


def test_shorthands_stand_for_keys_of_the_config():
    known = {key.name for key in config_keys.KEYS}
    assert {short.key for short in config_flag.SHORTHANDS.values()} <= known


@pytest.mark.slow
def test_quickstart_shows_the_preset_and_its_training(launch, preset, recording, tmp_path, caplog):
    (tmp_path / "tiny.py").write_text(TINY_CONFIG)
    arguments = [f"--config={tmp_path / 'tiny.py'}", f"--preset={preset}", "--workdir=quick"]
    assert launch(quickstart, *arguments, f"--audio={recording}") == 0
    for part, columns in (("preset", ["Model"]), ("test", ["Model", "Before training"])):
        folder = tmp_path / "quick" / "evaluation" / part
        assert f"see and hear the result: {folder / 'index.html'}" in caplog.text
        report = json.loads((folder / "report.json").read_text())
        labels = [system["label"] for system in report["systems"].values()]
        assert labels == [*columns, "Griffin-Lim", "Quantized"]
        assert (folder / "audio" / "mine.model.wav").exists()
