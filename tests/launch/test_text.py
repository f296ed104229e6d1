"""The generate launcher with a model over text: stdout, files, and flags that do not fit."""

from __future__ import annotations

import io
import os
import pathlib
import subprocess
import sys

import pytest

from tests.support.clips import network
from tests.support.full_disk import file_size_limit
from tests.support.texts import ALPHABET, text_network
from tfwavenet.launch import generate, text_job
from tfwavenet.training import workdir as workdirs

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CHARACTERS = " abcdefghijklmnopqrstuvwxyzé€😀"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text") / "run"
    workdirs.store(text_network(characters=CHARACTERS), folder)
    return folder


@pytest.fixture(scope="module")
def loaded(workdir):
    return workdirs.load(workdir)


def launch(workdir, *arguments):
    """Runs the command in a process of its own, in a locale that is not UTF-8."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "tfwavenet.launch.generate", f"--workdir={workdir}"]
    return subprocess.run(
        [*command, *arguments], cwd=workdir, env=environment, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    "prompt", ["", "é€😀 and on", ALPHABET * 3], ids=["empty", "not-ascii", "long"]
)
def test_stdout_is_the_text_and_nothing_else(workdir, loaded, prompt):
    options = ["--num_characters=100", "--temperature=0.9", "--top_k=12", "--seed=7"]
    done = launch(workdir, f"--prompt={prompt}", *options)
    assert done.returncode == 0, done.stderr
    written = loaded.model.generate_text(
        prompt, num_characters=100, temperature=0.9, top_k=12, seed=7
    )
    assert done.stdout.decode("utf-8") == prompt + written
    assert b"100 characters" in done.stderr


@pytest.fixture
def run(monkeypatch, tmp_path, capfdbinary):
    """Runs the launcher in this process; returns the exit status, stdout and stderr."""

    def start(model, *arguments):
        found = workdirs.Loaded(model, None, workdirs.Metadata(model.recipe, ["ann"], 1))
        monkeypatch.setattr(workdirs, "load", lambda path, weights: found)
        command = ["tfwavenet-generate", f"--workdir={tmp_path / 'run'}", *arguments]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as exit_:
            generate.main()
        out, err = capfdbinary.readouterr()
        return exit_.value.code, out.decode("utf-8"), err.decode("utf-8")

    return start


def test_without_a_prompt_the_text_begins_from_nothing(run, loaded):
    status, out, _ = run(loaded.model, "--seed=1")
    assert status == 0
    assert out == loaded.model.generate_text(num_characters=500, seed=1)


def test_pieces_are_flushed_as_they_are_made(monkeypatch, loaded):
    class Watched(io.BytesIO):
        flushed: list[int] = []

        def flush(self):
            self.flushed.append(len(self.getvalue()))

    stdout = io.TextIOWrapper(Watched(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    text_job.run(loaded.model, prompt="a", num_characters=150)
    written = stdout.buffer.getvalue().decode("utf-8")
    ends = [1, 65, 129, 151]
    assert Watched.flushed[:4] == [len(written[:end].encode("utf-8")) for end in ends]


def test_line_ends_and_unknown_characters_of_the_prompt(run, loaded, caplog):
    status, out, _ = run(
        loaded.model, "--prompt=e\N{COMBINING ACUTE ACCENT} ж", "--num_characters=5"
    )
    assert status == 0
    assert out.startswith("é ж")
    assert "hardly has these characters of the prompt, they are read as one: ж" in caplog.text


def test_a_file_gets_its_name_when_it_is_whole(run, loaded, tmp_path, monkeypatch):
    path = tmp_path / "deep" / "text.txt"
    status, out, _ = run(loaded.model, "--prompt=ab", f"--output={path}", "--num_characters=70")
    assert (status, out) == (0, "")
    expected = "ab" + loaded.model.generate_text("ab", num_characters=70)
    assert path.read_text("utf-8") == expected
    assert [item.name for item in path.parent.iterdir()] == ["text.txt"]

    def interrupted(prompt, *, on_text, **options):
        on_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(loaded.model, "generate_text", interrupted)
    status, _, _ = run(loaded.model, f"--output={path}")
    assert status == 130
    assert path.read_text("utf-8") == expected
    assert path.with_name("text.txt.partial").read_text("utf-8") == "half"


def test_a_full_disk_is_one_sentence(run, loaded, tmp_path):
    path = tmp_path / "text.txt"
    with file_size_limit(1000):  # the captured stderr is a file too
        status, _, err = run(loaded.model, f"--output={path}", "--num_characters=1200")
    assert status == 1
    assert f"{path}.partial: could not be written" in err
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mel=a.npy"], "--mel is for another kind of model: this one writes text"),
        (["--audio=a.wav"], "--audio is for another kind of model: this one writes text"),
        (["--seconds=3"], "--seconds is for another kind"),
        (["--speaker=ann"], "--speaker is for another kind"),
        (["--label=ann"], "--label is for another kind"),
        (["--count=2"], "--count is for another kind"),
        (["--fold_frames=5"], "cannot be folded"),
        (["--eta=0.5"], "--eta is for diffusion models"),
        (["--num_characters=0"], "--num_characters"),
        (["--top_k=0"], "--top_k"),
        (["--top_p=2"], "`top_p` above 0, at most 1"),
        (["--prompt=a\udc80"], "prompt must be valid UTF-8"),
        (["a prompt without its flag"], "a model over text takes no recordings"),
    ],
)
def test_flags_that_do_not_fit_are_one_sentence(run, loaded, arguments, message):
    status, out, err = run(loaded.model, *arguments)
    assert status == 1
    assert message in err
    assert "Traceback" not in err
    assert out == ""


def test_audio_has_no_number_of_characters(run):
    model = network("Gaussian", conditional=False)
    status, _, err = run(model, "--num_characters=5", "--seconds=0.1")
    assert status == 1
    assert "--num_characters is for another kind of model: this one makes audio" in err


@pytest.mark.parametrize("prompt", ["once", ""])
def test_the_prompt_of_audio_is_a_recording(run, prompt):
    model = network("Gaussian", conditional=False)
    status, _, err = run(model, f"--prompt={prompt}", "--seconds=0.1")
    assert status == 1
    assert f"Audio file '{prompt}' is expected to exist" in err
