"""The search for an inference schedule: what it tries, and that it finds the best of it."""

from __future__ import annotations

import pytest

from tests.support.clips import clip, diffusion_network, network
from tfwavenet import run as run_module
from tfwavenet.diffusion import NoiseSchedule
from tfwavenet.evaluation import schedule_search
from tfwavenet.launch import schedule as launcher
from tfwavenet.training import workdir as workdirs

TRAINING = NoiseSchedule.linear(50, 1e-4, 0.05)


@pytest.mark.parametrize("steps", [1, 2, 6, 50])
def test_candidates_can_all_be_sampled_with(steps):
    found = list(schedule_search.candidates(TRAINING, steps))
    assert len(found) == len({candidate.betas for candidate in found}) > 0
    for candidate in found:
        positions = TRAINING.align(candidate)
        assert len(positions) == steps
        assert positions[-1] >= 0.75 * 49


@pytest.mark.parametrize("steps", [0, 51])
def test_numbers_of_steps_beyond_the_training_are_refused(steps):
    with pytest.raises(
        ValueError, match=f"steps must be an integer from 1 to 50. Received: steps={steps}"
    ):
        list(schedule_search.candidates(TRAINING, steps))


class Loudspeaker:
    """A model that makes the recording again, louder the larger the schedule's variances are."""

    speaker_channels = None

    def __init__(self, real, item):
        self.recipe, self.upsampler, self.schedule = real.recipe, real.upsampler, real.schedule
        self._item = item

    def generate(self, mels, *, seed, schedule, **_):
        assert (len(mels), seed) == (1, [0])
        made = [(1.0 + sum(schedule.betas)) * self._item.signal]
        return [self.recipe.to_audio(audio)[0] for audio in made]


def test_the_best_candidate_comes_first():
    item, real, reported = clip("a", 0.2), diffusion_network(), []
    model = Loudspeaker(real, item)
    found = schedule_search.search(model, [item], steps=3, on_candidate=reported.append)
    assert [each.schedule for each in reported] == list(
        schedule_search.candidates(real.schedule, 3)
    )
    loudness = [sum(each.schedule.betas) for each in found]
    assert loudness == sorted(loudness)
    assert sorted(reported, key=lambda each: each.error) == found
    assert found[0].error > 0


@pytest.mark.parametrize(
    ("conditional", "clips", "message"),
    [
        (False, [clip("a", 0.1)], "takes a model with features"),
        (True, [], "At least one utterance is expected"),
    ],
)
def test_what_cannot_be_searched_is_refused(conditional, clips, message):
    with pytest.raises(ValueError, match=message):
        schedule_search.search(diffusion_network(conditional=conditional), clips, steps=2)


class FewRecords:
    """A data folder with three recordings."""

    def __init__(self, path):
        del path

    def count(self, split):
        assert split == "validation"
        return 3

    def utterance(self, split, number):
        del split
        return clip(f"clip {number}", 0.1)


@pytest.fixture
def launch(monkeypatch, tmp_path, capsys):
    """Runs the launcher on a model; returns its exit status and what it wrote to stderr."""

    def run(model, *arguments):
        config = type("Config", (), {"data": {}})
        loaded = workdirs.Loaded(model, config, workdirs.Metadata(model.recipe, ["ann"], 1))
        monkeypatch.setattr(workdirs, "load", lambda path, weights: loaded)
        monkeypatch.setattr(run_module, "Records", FewRecords)
        command = ["tfwavenet-schedule", f"--workdir={tmp_path}", *arguments]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as exit_:
            launcher.main()
        return exit_.value.code, capsys.readouterr().err

    return run


def test_the_launcher_stores_the_best(launch, monkeypatch, tmp_path):
    monkeypatch.setattr(schedule_search, "_POWERS", (1.0,))
    monkeypatch.setattr(schedule_search, "_FIRST", (0.0,))
    code, _ = launch(diffusion_network(), "--steps=2", "--max_utterances=1")
    assert code == 0
    stored = workdirs.Workdir(tmp_path).inference_schedule()
    assert stored in list(schedule_search.candidates(diffusion_network().schedule, 2))


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (network, [], "workdir must hold a diffusion model. Received: a model of class WaveNet"),
        (
            diffusion_network,
            ["--steps=11"],
            "steps must be an integer from 1 to 10. Received: steps=11",
        ),
    ],
)
def test_the_launcher_refuses_in_one_sentence(model, arguments, message, launch, tmp_path):
    code, err = launch(model(), *arguments)
    assert code == 1
    assert message in err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["{", "{}", '{"betas": [0.2, 0.1]}', '{"betas": 3}'])
def test_a_damaged_file_is_named(content, tmp_path):
    folder = workdirs.Workdir(tmp_path)
    folder.inference_schedule_path.write_text(content)
    with pytest.raises(ValueError, match="inference_schedule.json"):
        folder.inference_schedule()
