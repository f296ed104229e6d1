"""The generate launcher: inputs, outputs, partial files, and one sentence for bad input."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from tests.support.clips import clip, diffusion_network, network, voice
from tfwavenet.audio import audio_files, recipes
from tfwavenet.launch import generate, generation_job
from tfwavenet.run import speaker_number
from tfwavenet.training import workdir as workdirs

RECIPE = recipes.get("speech_8k")
SPEAKERS = ["ann", "bob", "7"]
MODELS = {
    "speakers": lambda: network(num_speakers=3, speaker_channels=2),
    "single": network,
    "unconditional": lambda: network("Gaussian", conditional=False),
    "diffusion": diffusion_network,
}


@pytest.fixture(scope="module")
def models():
    return {name: make() for name, make in MODELS.items()}


@pytest.fixture
def run(models, monkeypatch, tmp_path):
    """Runs the launcher on one of the models; returns the exit status."""

    def launch(kind, *arguments):
        names = SPEAKERS if kind == "speakers" else ["ann"]
        loaded = workdirs.Loaded(models[kind], None, workdirs.Metadata(RECIPE, names, 1))
        monkeypatch.setattr(workdirs, "load", lambda path, weights: loaded)
        command = ["tfwavenet-generate", f"--workdir={tmp_path / 'run'}", *arguments]
        monkeypatch.setattr("sys.argv", [str(item) for item in command])
        with pytest.raises(SystemExit) as exit_:
            generate.main()
        return exit_.value.code

    return launch


def _mel_file(path, seconds, **options):
    mel = clip("x", seconds, **options).mel
    np.save(path, mel)
    return mel


def test_no_bar_is_drawn_into_a_file(run, tmp_path, capsys):
    _mel_file(tmp_path / "a.npy", 0.05)
    assert run("single", f"--mel={tmp_path / 'a.npy'}", f"--output={tmp_path / 'a.wav'}") == 0
    assert "\r" not in capsys.readouterr().err


def test_features_become_files(run, models, tmp_path, caplog):
    mels = [_mel_file(tmp_path / "a.npy", 0.2), _mel_file(tmp_path / "b.npy", 0.1, f0_hz=90.0)]
    arguments = [f"--mel={tmp_path / 'a.npy'},{tmp_path / 'b.npy'}", "--speaker=bob", "--seed=5"]
    assert run("speakers", *arguments, f"--output={tmp_path / 'out'}") == 0
    for index, name in enumerate("ab"):
        audio, rate = audio_files.read(tmp_path / "out" / f"{name}.wav")
        expected = models["speakers"].generate(mels[index], speaker=1, seed=5 + index)
        assert rate == 8000
        np.testing.assert_allclose(audio, np.clip(expected, -1, 1), atol=1e-3)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.wav", "b.wav"]
    assert "real-time factor" in caplog.text
    assert f"wrote {tmp_path / 'out' / 'b.wav'}" in caplog.text


@pytest.mark.parametrize("flags", [["--label=bob"], ["--label=bob", "--speaker=bob"]])
def test_a_label_is_another_name_of_the_speaker(run, models, tmp_path, flags):
    mel = _mel_file(tmp_path / "a.npy", 0.1)
    arguments = [f"--mel={tmp_path / 'a.npy'}", f"--output={tmp_path / 'a.wav'}"]
    assert run("speakers", *arguments, *flags) == 0
    expected = models["speakers"].generate(mel, speaker=1)
    audio, _ = audio_files.read(tmp_path / "a.wav")
    np.testing.assert_allclose(audio, np.clip(expected, -1, 1), atol=1e-3)


def test_batches_do_not_change_the_audio(run, tmp_path):
    names = "abc"
    for seconds, name in zip((0.1, 0.2, 0.05), names):
        _mel_file(tmp_path / f"{name}.npy", seconds)
    mels = ",".join(str(tmp_path / f"{name}.npy") for name in names)
    for size in (1, 2):
        arguments = [f"--mel={mels}", f"--batch_size={size}", f"--output={tmp_path / str(size)}"]
        assert run("single", *arguments) == 0
    for name in names:
        one, two = (audio_files.read(tmp_path / size / f"{name}.wav")[0] for size in "12")
        np.testing.assert_allclose(one, two, atol=1e-3)


def test_a_file_has_its_name_as_soon_as_it_is_whole(models, tmp_path):
    mels = [
        _mel_file(tmp_path / f"{name}.npy", seconds) for name, seconds in (("a", 0.1), ("b", 2))
    ]
    paths = [str(tmp_path / f"{name}.npy") for name in "ab"]
    job = generation_job.Job.create(models["single"], output=tmp_path / "out", mel_paths=paths)
    found = []

    class Watched:
        recipe = RECIPE

        def generate(self, mel, *, on_chunk, **options):
            def watching(audio):
                on_chunk(audio)
                found.append({path.name for path in (tmp_path / "out").iterdir()})

            return models["single"].generate(mel, on_chunk=watching, **options)

    generation_job.run(Watched(), job)
    assert any("a.wav" in names and "b.wav" not in names for names in found)
    assert found[-1] == {"a.wav", "b.wav"}
    assert len(audio_files.read(tmp_path / "out" / "b.wav")[0]) == len(mels[1]) * 80


@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_recordings_are_made_again(run, tmp_path, sample_rate):
    audio_files.write(tmp_path / "x.wav", voice(0.2, sample_rate=sample_rate), sample_rate)
    assert run("single", f"--audio={tmp_path / 'x.wav'}", f"--output={tmp_path / 'y.wav'}") == 0
    audio, rate = audio_files.read(tmp_path / "y.wav")
    assert (len(audio), rate) == (1600, 8000)


def test_without_features_the_length_is_given(run, tmp_path):
    assert run("unconditional", "--seconds=0.05", "--count=2") == 0
    folder = tmp_path / "run" / "samples" / "generated"
    lengths = {path.name: len(audio_files.read(path)[0]) for path in folder.iterdir()}
    assert lengths == {"generated-0.wav": 400, "generated-1.wav": 400}


def test_a_diffusion_model_takes_its_steps(run, models, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    mel = _mel_file(tmp_path / "a.npy", 0.2)
    options = ["--schedule=0.02,0.1,0.3", "--eta=0", f"--output={tmp_path / 'a.wav'}"]
    assert run("diffusion", f"--mel={tmp_path / 'a.npy'}", *options) == 0
    audio, _ = audio_files.read(tmp_path / "a.wav")
    expected = models["diffusion"].generate(mel, schedule=[0.02, 0.1, 0.3], eta=0.0)
    np.testing.assert_allclose(audio, np.clip(expected, -1, 1), atol=1e-3)
    drawn = capsys.readouterr().err  # the progress bar
    assert "generate" in drawn and "step 3 of 3" in drawn


def test_a_long_utterance_can_be_folded(run, models, tmp_path, capsys):
    mel = _mel_file(tmp_path / "a.npy", 0.3)
    options = ["--fold_frames=8", "--overlap_frames=2", f"--output={tmp_path / 'a.wav'}"]
    assert run("single", f"--mel={tmp_path / 'a.npy'}", *options) == 0
    audio, _ = audio_files.read(tmp_path / "a.wav")
    expected = models["single"].generate(mel, fold_frames=8, overlap_frames=2)
    np.testing.assert_allclose(audio, np.clip(expected, -1, 1), atol=1e-3)


def test_a_prompt_changes_what_follows(run, models, tmp_path):
    audio_files.write(tmp_path / "p.wav", voice(0.1), 8000)
    mel = _mel_file(tmp_path / "a.npy", 0.2)
    arguments = [f"--mel={tmp_path / 'a.npy'}", f"--output={tmp_path / 'o.wav'}"]
    assert run("single", *arguments, f"--prompt={tmp_path / 'p.wav'}") == 0
    audio, _ = audio_files.read(tmp_path / "o.wav")
    recording, _ = audio_files.read(tmp_path / "p.wav")
    expected = models["single"].generate(mel, prompt=recording)
    assert len(audio) == len(mel) * 80 - 800
    np.testing.assert_allclose(audio, np.clip(expected, -1, 1), atol=1e-3)


@pytest.mark.parametrize(
    ("speaker", "number"), [("ann", 0), ("bob", 1), ("7", 2), ("0", 0), ("2", 2)]
)
def test_speakers_by_name_and_number(models, speaker, number):
    assert speaker_number(models["speakers"], speaker, SPEAKERS) == number


def test_a_single_speaker_need_not_be_named(models):
    assert speaker_number(models["single"], None, ["ann"]) is None
    model = network(num_speakers=1, speaker_channels=2)
    assert speaker_number(model, None, ["ann"]) == 0


def test_the_list_of_known_speakers_is_bounded(models):
    names = [f"p{number}" for number in range(109)]
    with pytest.raises(ValueError, match="p19 and 89 more, or a number from 0 to 108"):
        speaker_number(models["speakers"], "q", names)


def _corrupt(folder):
    """Files that cannot be used, by what is wrong with them."""
    arrays = {
        "rank": np.zeros((3, 4, 40), np.float32),
        "bins": np.zeros((9, 41), np.float32),
        "transposed": np.zeros((40, 9), np.float32),
        "frames": np.zeros((0, 40), np.float32),
        "integers": np.zeros((9, 40), np.int64),
        "nan": np.full((9, 40), np.nan, np.float32),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    np.savez(folder / "archive.npz", np.zeros((9, 40)), np.zeros(3))
    (folder / "empty.npy").write_bytes(b"")
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 40)}
    with open(folder / "promises.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(b"0" * 100)
    with open(folder / "garbled.npy", "wb") as file:
        file.write(b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4, (")
    np.save(folder / "large.npy", np.full((9, 40), 1e300))
    (folder / "folder.wav").mkdir()
    (folder / "text.npy").write_bytes(b"not an array")
    (folder / "cut.npy").write_bytes((folder / "bins.npy").read_bytes()[:-5])
    (folder / "text.wav").write_bytes(b"not audio")
    (folder / "empty.wav").write_bytes(b"")
    audio_files.write(folder / "short.wav", np.zeros(79, np.float32), 8000)


def _contents(folder):
    """What each file of a folder holds, None for folders."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "case",
    [
        ("single", ["--mel={}/none.npy"], "none.npy: No such file"),
        ("single", ["--mel={}/rank.npy"], "shape=(3, 4, 40)"),
        ("single", ["--mel={}/bins.npy"], "shape [frames, 40]. Received: shape=(9, 41)"),
        ("single", ["--mel={}/transposed.npy"], "looks transposed"),
        ("single", ["--mel={}/frames.npy"], "shape=(0, 40)"),
        ("single", ["--mel={}/integers.npy"], "dtype=int64"),
        ("single", ["--mel={}/nan.npy"], "NaN or infinity in frame 0"),
        ("single", ["--mel={}/objects.npy"], "objects.npy"),
        ("single", ["--mel={}/archive.npz"], "archive.npz"),
        ("single", ["--mel={}/empty.npy"], "empty.npy"),
        ("single", ["--mel={}/text.npy"], "text.npy"),
        ("single", ["--mel={}/cut.npy"], "cut.npy"),
        ("single", ["--mel={}/promises.npy"], "promises.npy"),
        ("single", ["--mel={}/garbled.npy"], "garbled.npy"),
        ("single", ["--mel={}/large.npy"], "large.npy"),
        (
            "single",
            ["--mel={}/ok.npy", "--output={}/folder.wav"],
            "the folder output='{}/folder.wav'",
        ),
        ("single", ["--audio={}/ok.wav", "--output={}/ok.wav"], "Received: output '{}/ok.wav'"),
        ("single", ["--audio={}/ok.wav", "--output={}"], "Received: output '{}/ok.wav'"),
        (
            "single",
            ["--mel={}/ok.npy", "--prompt={}/ok.wav", "--output={}/ok.wav"],
            "choose another folder or name. Received: output '{}/ok.wav'",
        ),
        ("single", ["--audio={}/none.wav"], "none.wav"),
        ("single", ["--audio={}/text.wav"], "text.wav"),
        ("single", ["--audio={}/empty.wav"], "empty.wav"),
        ("single", [], "one of --mel, --audio. Received: none"),
        ("single", ["--seconds=1"], "one of --mel, --audio. Received: --seconds"),
        ("single", ["--mel={}/ok.npy", "--audio=x"], "Received: --mel, --audio"),
        ("single", ["--mel={}/ok.npy", "--speaker=ann"], "knows no speakers"),
        ("single", ["--mel={}/ok.npy", "--prompt={}/ok.wav"], "cover prompt too"),
        ("single", ["--mel={}/ok.npy", "--prompt={}/short.wav"], "one frame of 80 samples"),
        ("single", ["--mel={}/ok.npy", "--prompt={}/none.wav"], "none.wav"),
        ("single", ["--mel={}/ok.npy", "--output={}/ok.npy"], "the file output='{}/ok.npy'"),
        ("single", ["--mel={}/ok.npy,{}/ok.npy", "--output=x.wav"], "a folder for 2 utterances"),
        ("single", ["--mel={}/ok.npy", "--output={}/ok.npy/x.wav"], "{}/ok.npy"),
        ("single", ["--mel={}/ok.npy", "--temperature=-0.1"], "--temperature=-0.1"),
        ("speakers", ["--mel={}/ok.npy"], "one of ann, bob, 7"),
        ("speakers", ["--mel={}/ok.npy", "--speaker=eve"], "speaker='eve'"),
        (
            "speakers",
            ["--mel={}/ok.npy", "--speaker=ann", "--label=bob"],
            "Received: --label=bob with --speaker=ann",
        ),
        ("speakers", ["--mel={}/ok.npy", "--speaker=3"], "number from 0 to 2"),
        ("speakers", ["--mel={}/ok.npy", "--speaker=-1"], "speaker='-1'"),
        ("single", ["--mel={}/ok.npy", "--schedule=0.1"], "--schedule is for diffusion models"),
        ("single", ["--mel={}/ok.npy", "--eta=0"], "--eta is for diffusion models"),
        (
            "diffusion",
            ["--mel={}/ok.npy", "--prompt={}/ok.wav"],
            "prompt is for models that predict",
        ),
        ("diffusion", ["--mel={}/ok.npy", "--schedule="], "needs at least one step"),
        ("single", ["--mel={}/ok.npy", "--schedule="], "--schedule is for diffusion models"),
        ("diffusion", ["--mel={}/ok.npy", "--schedule=a"], "--schedule holds numbers"),
        ("diffusion", ["--mel={}/ok.npy", "--schedule=0.2,0.1"], "increases from step to step"),
        ("diffusion", ["--mel={}/ok.npy", "--schedule=0.9,0.99"], "must not end noisier"),
        ("diffusion", ["--mel={}/ok.npy", "--fold_frames=5"], "--fold_frames is for models that"),
        ("single", ["--mel={}/ok.npy", "--overlap_frames=2"], "--overlap_frames needs --fold"),
        ("diffusion", ["--mel={}/ok.npy", "--eta=2"], "eta must be in [0, 1]"),
        (
            "diffusion",
            ["--mel={}/ok.npy", "--num_inference_steps=99"],
            "steps must be an integer from 1 to 10",
        ),
        (
            "diffusion",
            ["--mel={}/ok.npy", "--num_inference_steps=2", "--schedule=0.01,0.3"],
            "exclude each other",
        ),
        ("single", ["--mel={}/ok.npy", "--num_inference_steps=2"], "is for diffusion models"),
        (
            "diffusion",
            ["--mel={}/ok.npy", "--top_p=0.9"],
            "--top_p is for models that predict sample by sample",
        ),
        ("unconditional", ["--mel={}/ok.npy"], "one of --seconds"),
        ("unconditional", [], "one of --seconds"),
        ("unconditional", ["--seconds=0"], "seconds=0"),
        ("unconditional", ["--seconds=nan"], "seconds=nan"),
        ("unconditional", ["--seconds=inf"], "seconds=inf"),
        ("unconditional", ["--seconds=1e300"], "no more than a WAV file holds"),
    ],
)
def test_bad_input_gives_one_sentence_and_no_files(case, run, tmp_path, capsys):
    kind, arguments, sentence = case
    _corrupt(tmp_path)
    _mel_file(tmp_path / "ok.npy", 0.1)
    audio_files.write(tmp_path / "ok.wav", voice(0.1), 8000)
    before = _contents(tmp_path)
    assert run(kind, *(item.replace("{}", str(tmp_path)) for item in arguments)) == 1
    *progress, message = capsys.readouterr().err.splitlines()
    assert message.startswith("tfwavenet-generate: error: ")
    assert sentence.replace("{}", str(tmp_path)) in message
    for name in re.findall(r"\{\}/([\w.]+)", " ".join(arguments)):
        assert name.startswith("ok.") or f"{tmp_path}/{name}" in message
    assert not progress or "/x.wav" in message  # found out only when the file is opened
    assert _contents(tmp_path) == before


def test_features_of_another_recipe_are_warned_about_once(caplog, models, tmp_path):
    mels = [np.full((2, 40), value, np.float32) for value in (0.1, -11.5, -11.5)]
    models["single"].generate(mels)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "features of utterance 1" in warning and "another recipe" in warning
    assert "values from -11.5 to -11.5, expected 0 to 1" in warning
    caplog.clear()
    models["single"].generate(mels[:1])
    assert not caplog.text


def test_an_interrupted_file_is_playable_and_the_old_one_stays(models, tmp_path):
    path = tmp_path / "a.wav"
    audio_files.write(path, np.zeros(5, np.float32), 8000)
    _mel_file(tmp_path / "a.npy", 0.5)
    job = generation_job.Job.create(
        models["single"], output=path, mel_paths=[str(tmp_path / "a.npy")]
    )

    class Interrupting:
        recipe = RECIPE

        def generate(self, mel, *, on_chunk, **options):
            on_chunk([np.full(100, 0.5, np.float32)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generation_job.run(Interrupting(), job)
    assert len(audio_files.read(path)[0]) == 5
    partial, _ = audio_files.read(tmp_path / "a.wav.partial")
    np.testing.assert_allclose(partial, 0.5, atol=1e-4)
    assert len(partial) == 100


def test_equal_names_are_told_apart(tmp_path):
    paths = generation_job.output_paths(tmp_path, ["a", "b", "a", "a"])
    assert [path[len(str(tmp_path)) + 1 :] for path in paths] == [
        "a.wav",
        "b.wav",
        "a-2.wav",
        "a-3.wav",
    ]
