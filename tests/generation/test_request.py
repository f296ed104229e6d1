import numpy as np
import pytest

from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.generation import Request
from tfwavenet.layers import StretchUpsampler
from tfwavenet.models import WaveNet

TINY = {"num_layers": 2, "dilation_cycle": 2, "residual_channels": 4, "gate_channels": 4}
TINY.update(skip_channels=4, distribution="Gaussian")


@pytest.fixture(scope="module")
def vocoder():
    return WaveNet(
        **TINY,
        upsampler=StretchUpsampler((2, 3)),
        local_channels=5,
        num_speakers=3,
        speaker_channels=2,
    )


@pytest.fixture(scope="module")
def unconditional():
    return WaveNet(**TINY)


MEL = np.zeros([4, 5], np.float32)
NAN_MEL = np.where(np.arange(4)[:, np.newaxis] == 2, np.nan, MEL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs features. Received: mel=None"),
        ({"mel": "mel.npy"}, "features of numbers. Received: str"),
        ({"mel": [np.array([[object()] * 5])]}, "features of numbers. Received: ndarray"),
        ({"mel": MEL[:, :4]}, r"\[frames, 5\] .* Received: shape=\(4, 4\)"),
        ({"mel": MEL[0]}, r"\[frames, 5\] .* Received: shape=\(\)|shape=\(5,\)"),
        ({"mel": MEL[:0]}, r"at least one frame for utterance 0. Received: shape=\(0, 5\)"),
        ({"mel": [MEL, NAN_MEL]}, "finite mel values for utterance 1. Received: nan in frame 2"),
        ({"mel": MEL}, "needs a speaker. Received: speaker=None"),
        ({"mel": []}, "at least one utterance. Received: mel=\\[\\]"),
        ({"mel": MEL, "speaker": "ann"}, "speaker number or vectors.*dtype=<U3"),
        ({"mel": MEL, "speaker": True}, "speaker number or vectors.*dtype=bool"),
        ({"mel": MEL, "speaker": np.full([1, 2], np.nan)}, "finite speaker vectors"),
        ({"mel": MEL, "speaker": 0, "prompt": np.zeros(6, np.int16)}, "dtype=int16"),
        ({"mel": MEL, "speaker": 0, "seed": [1.5]}, "integer from .* Received: seed=1.5"),
        ({"mel": MEL, "speaker": 3}, r"speaker numbers in 0 .. 2. Received: speaker=\[3\]"),
        ({"mel": MEL, "speaker": -1}, r"speaker numbers in 0 .. 2. Received: speaker=\[-1\]"),
        ({"mel": MEL, "speaker": np.zeros([1, 9])}, r"vectors of shape \[batch, 2\]"),
        ({"mel": [MEL], "speaker": [0, 1]}, "same number of utterances.*'mel': 1, 'speaker': 2"),
        ({"mel": MEL, "speaker": 0, "samples": 9}, "Received: samples=9 beside mel"),
        (
            {"mel": MEL, "speaker": 0, "prompt": np.zeros(5)},
            "at least one frame of 6 samples. .*=5",
        ),
        ({"mel": MEL, "speaker": 0, "prompt": np.zeros(24)}, "shorter than the features"),
        ({"mel": MEL, "speaker": 0, "prompt": [np.nan] * 6}, "finite prompt"),
        ({"mel": MEL, "speaker": 0, "temperature": -1}, "temperature of 0 or more. Received: .*-1"),
        (
            {"mel": MEL, "speaker": 0, "chunk_samples": 0},
            "integer of at least 1. Received: chunk_samples=0",
        ),
    ],
)
def test_a_vocoder_refuses(vocoder, arguments, message):
    with pytest.raises(ValueError, match=message):
        vocoder.generate(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 9, "mel": MEL}, "takes no features. Received: mel"),
        ({"samples": 9, "speaker": 1}, "knows no speakers. Received: speaker=1"),
        ({}, "integer of at least 1. Received: samples=None"),
        ({"samples": 1.5}, "integer of at least 1. Received: samples=1.5"),
        ({"samples": 9, "fold_frames": 1.5}, "integer of at least 1. Received: fold_frames"),
        ({"samples": 0}, "integer of at least 1. Received: samples=0"),
    ],
)
def test_an_unconditional_network_refuses(unconditional, arguments, message):
    with pytest.raises(ValueError, match=message):
        unconditional.generate(**arguments)


RECIPE = FeatureRecipe(
    sample_rate=8000, n_fft=64, win_samples=64, hop_samples=8, n_mels=4, pre_emphasis=0.85
)


def test_a_prompt_is_a_recording_at_the_rate_of_the_model_or_at_its_own():
    model = WaveNet(**TINY, recipe=RECIPE)
    assert model.sample_rate == 8000
    recording = 0.3 * np.sin(np.arange(1600) / 20)
    request = Request.create(model, samples=5, prompt=recording[::2])
    np.testing.assert_array_equal(request.prompt[0], RECIPE.condition_audio(recording[::2]))
    faster = Request.create(model, samples=5, prompt=recording, prompt_sample_rate=16000)
    assert faster.prompt.shape == request.prompt.shape
    np.testing.assert_allclose(faster.prompt[0, 50:-50], request.prompt[0, 50:-50], atol=5e-3)


def test_of_a_prompt_with_features_whole_frames_count():
    upsampler = StretchUpsampler((2, 4))
    model = WaveNet(**TINY, recipe=RECIPE, upsampler=upsampler)
    mels = np.zeros([6, 4], np.float32)
    assert Request.create(model, mel=mels, prompt=np.full(29, 0.1)).prompt.shape == (1, 24)


def test_a_rate_needs_a_recipe_to_resample_to():
    with pytest.raises(ValueError, match="no sample rate.*prompt_sample_rate=8000"):
        WaveNet(**TINY).generate(samples=5, prompt=np.zeros(9), prompt_sample_rate=8000)
