"""Many utterances: any inputs, the same audio however they are split, and restarts."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import types

import numpy as np
import pytest

from tests.support import shared
from tests.support.clips import clip, network, voice
from tests.support.recordings import write_corpus
from tfwavenet.audio import audio_files, recipes
from tfwavenet.data.preparation import prepare
from tfwavenet.launch import bulk_generation, generate
from tfwavenet.launch.bulk_generation import Source, find, seed_of, shard
from tfwavenet.training import workdir as workdirs

RECIPE = recipes.get("speech_8k")


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture
def run(model, monkeypatch, tmp_path):
    """Runs the launcher on the model; returns the exit status."""

    def launch(*arguments, of=None, speakers=("ann",)):
        loaded = workdirs.Loaded(of or model, None, workdirs.Metadata(RECIPE, list(speakers), 1))
        monkeypatch.setattr(workdirs, "load", lambda path, weights: loaded)
        command = ["tfwavenet-generate", f"--workdir={tmp_path / 'run'}", *map(str, arguments)]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as exit_:
            generate.main()
        return exit_.value.code

    return launch


@pytest.fixture
def inputs(tmp_path):
    """A folder with three recordings and one file of features."""
    folder = tmp_path / "inputs"
    for number, name in enumerate(("ann/1", "ann/2", "bob/1")):
        audio_files.write(folder / f"{name}.wav", voice(0.1 + 0.02 * number), 8000)
    np.save(folder / "mel.npy", clip("x", 0.1).mel)
    return folder


def _read(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): audio_files.read(path)[0] for path in paths}


def _equal(one, other):
    assert sorted(one) == sorted(other)
    for name, audio in one.items():
        np.testing.assert_array_equal(audio, other[name])


def test_folders_files_and_lists_are_inputs(inputs, tmp_path):
    (tmp_path / "list.txt").write_text(f"inputs/ann/1.wav\n\n{inputs}/mel.npy\n")
    found = find([str(inputs), str(inputs / "bob" / "1.wav"), str(tmp_path / "list.txt"), "-"])
    assert [source.name for source in found] == [
        *("ann/1", "ann/2", "bob/1", "mel"),
        "1",
        *("inputs/ann/1", f"{inputs}/mel"[1:]),
        "stdin",
    ]
    assert found[0].path == found[5].path == str(inputs / "ann" / "1.wav")


def test_audio_depends_on_the_name_alone(run, model, inputs, tmp_path):
    assert run(inputs, f"--output={tmp_path / 'whole'}", "--seed=3") == 0
    whole = _read(tmp_path / "whole")
    assert sorted(whole) == ["ann/1.wav", "ann/2.wav", "bob/1.wav", "mel.wav"]
    for part in ("0/2", "1/2"):
        assert (
            run(f"--input={inputs}", f"--shard={part}", "--seed=3", f"--output={tmp_path / 'b'}")
            == 0
        )
    _equal(_read(tmp_path / "b"), whole)
    expected = model.generate(np.load(inputs / "mel.npy"), seed=seed_of("mel", 3))
    np.testing.assert_allclose(whole["mel.wav"], np.clip(expected, -1, 1), atol=1e-3)


def test_what_is_finished_is_skipped(run, inputs, tmp_path, caplog):
    audio_files.write(tmp_path / "out" / "ann" / "1.wav", np.zeros(7, np.float32), 8000)
    assert run(inputs, f"--output={tmp_path / 'out'}") == 0
    assert "1 of 4 files are there already" in caplog.text
    assert len(_read(tmp_path / "out")["ann/1.wav"]) == 7


def test_groups_bound_the_memory(monkeypatch, model, inputs, tmp_path):
    monkeypatch.setattr(bulk_generation, "_GROUP", 2)
    calls = []

    class Watched:
        def __getattr__(self, name):
            return getattr(model, name)

        def generate(self, mel, **options):
            calls.append(len(mel))
            return model.generate(mel, **options)

    bulk_generation.run(Watched(), find([str(inputs)]), output=tmp_path / "out")
    assert calls == [2, 2]


def test_unusable_inputs_are_left_out_and_told(run, inputs, tmp_path, capsys):
    (inputs / "broken.wav").write_bytes(b"RIFF")
    np.save(inputs / "wide.npy", np.zeros((5, 3), np.float32))
    assert run(inputs, f"--output={tmp_path / 'out'}") == 1
    assert "2 of 6 inputs were left out" in capsys.readouterr().err
    assert len(_read(tmp_path / "out")) == 4


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_formats(run, inputs, tmp_path, extension):
    output = tmp_path / f"again.{extension}"
    assert run(inputs / "mel.npy", f"--output={output}") == 0
    assert run(inputs, f"--output={tmp_path / 'out'}", f"--format={extension}") == 0
    one, _ = audio_files.read(output)
    other, _ = audio_files.read(tmp_path / "out" / f"mel.{extension}")
    np.testing.assert_array_equal(one, other)
    assert audio_files.info(output).container == extension.upper()
    assert sorted(path.name for path in tmp_path.glob("again*")) == [output.name]


def test_a_recording_on_standard_input(run, inputs, tmp_path, monkeypatch):
    data = (inputs / "ann" / "1.wav").read_bytes()
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    assert run("-", f"--output={tmp_path / 'a.wav'}") == 0
    assert len(audio_files.read(tmp_path / "a.wav")[0]) == 800


def test_prepared_data_have_their_speakers(run, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", each=4, samples=800)
    prepare("folder", root=corpus, output_dir=tmp_path / "data", recipe=RECIPE, test=0.5)
    several = network(num_speakers=2, speaker_channels=2)
    options = {"of": several, "speakers": ("ann", "bob")}
    assert run(tmp_path / "data", f"--output={tmp_path / 'out'}", **options) == 0
    found = _read(tmp_path / "out")
    assert len(found) == 4 and {name[:4] for name in found} == {"ann/", "bob/"}
    records = bulk_generation.Records(tmp_path / "data")
    one = next(one for one in records.utterances("test") if one.name.startswith("bob"))
    expected = several.generate(one.mel, speaker=1, seed=seed_of(one.name, 0))
    np.testing.assert_allclose(found[f"{one.name}.wav"], np.clip(expected, -1, 1), atol=1e-3)


def test_prepared_data_of_another_recipe_are_left_out_whole(run, tmp_path, capsys):
    corpus = write_corpus(tmp_path / "corpus", each=4, samples=800)
    other = {"base": "speech_8k", "pre_emphasis": 0.0}
    prepare("folder", root=corpus, output_dir=tmp_path / "data", recipe=other, test=0.5)
    assert run(tmp_path / "data", f"--output={tmp_path / 'out'}") == 1
    assert "4 of 4 inputs were left out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_list_is_named(tmp_path):
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"must name a recording. Received: '.*list.txt'"):
        find([str(tmp_path / "list.txt")])


@pytest.mark.parametrize(
    "case",
    [
        (["nothing.wav"], "a file, a folder or -. Received: 'nothing.wav'"),
        (["{}", "--shard=2/2"], "Received: shard='2/2'"),
        (["{}", "--shard=a"], "Received: shard='a'"),
        (["{}", "--mel=x.npy"], "exclude --mel"),
        (["{}", "--seconds=1"], "exclude --seconds"),
        (["{}", "--output=x.wav"], "a folder for 4 utterances"),
        (
            ["{}/mel.npy", "--output=x.m4a"],
            "ends in .wav, .flac, .ogg, .mp3. Received: output='x.m4a'",
        ),
        (["{}/ann/1.wav", "--output={}/ann/1.wav"], "must not replace"),
        (["{}", "--output={}"], "must not replace"),
    ],
)
def test_mistakes_give_one_sentence(run, inputs, capsys, case):
    arguments, sentence = case
    before = _read(inputs / "ann")
    assert run(*(item.replace("{}", str(inputs)) for item in arguments)) == 1
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
    _equal(_read(inputs / "ann"), before)


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "x.txt").touch()
    with pytest.raises(ValueError, match=r"must hold recordings or .npy files, found 1 entries"):
        find([str(tmp_path)])


def test_shards_are_a_partition():
    sources = [Source(f"utterance {number}", "") for number in range(500)]
    parts = [shard(sources, f"{number}/4") for number in range(4)]
    names = [source.name for part in parts for source in part]
    assert sorted(names) == sorted(source.name for source in sources)
    assert min(map(len, parts)) > 90


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_files(inputs, tmp_path):
    for number in range(40):
        audio_files.write(inputs / f"more/{number}.wav", voice(0.05 + 0.002 * number), 8000)
    network().save_to_preset(tmp_path / "preset")
    command = [sys.executable, "-m", "tfwavenet.launch.generate", f"--preset={tmp_path / 'preset'}"]

    def start(output):
        return subprocess.Popen(
            [*command, str(inputs), f"--output={output}", "--batch_size=4"],
            cwd=shared.REPOSITORY,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            stderr=subprocess.DEVNULL,
        )

    assert start(tmp_path / "whole").wait() == 0
    count = len(_read(tmp_path / "whole"))
    for kill in range(1, 3):
        process = start(tmp_path / "killed")
        while process.poll() is None:
            if len(list((tmp_path / "killed").rglob("*.wav"))) >= kill * count // 3:
                process.send_signal(signal.SIGKILL)
                process.wait()
    assert start(tmp_path / "killed").wait() == 0
    leftovers = list((tmp_path / "killed").rglob("*.partial"))
    assert not leftovers
    _equal(_read(tmp_path / "killed"), _read(tmp_path / "whole"))
