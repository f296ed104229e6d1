"""Metrics: identity, closed forms, monotony, an independent computation, and bad input."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from tfwavenet.audio import metrics

RATES = [8000, 16000, 22050]


def _speech(sample_rate, seconds=1.5, cents=0.0, seed=0):
    """Syllables of a gliding voice with formant-like weights over a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    f0_hz = (130 + 25 * np.sin(2 * np.pi * 0.7 * time)) * 2 ** (cents / 1200)
    phase = 2 * np.pi * np.cumsum(f0_hz) / sample_rate
    weights = {k: np.exp(-(((k - 4) / 5) ** 2)) + 0.1 for k in range(1, 23)}
    voice = sum(weight * np.cos(k * phase + k * k) for k, weight in weights.items())
    syllables = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) ** 0.5
    return 0.08 * voice * syllables + 1e-3 * rng.standard_normal(len(time))


def _noise(audio, level, seed=1):
    return audio + level * np.random.default_rng(seed).standard_normal(len(audio))


MEASURES = {
    "spectral_convergence": lambda x, y, rate: metrics.spectral_convergence(x, y),
    "log_magnitude": lambda x, y, rate: metrics.log_magnitude_distance(x, y),
    "lsd": lambda x, y, rate: metrics.log_spectral_distance(x, y, sample_rate=rate),
    "mcd": lambda x, y, rate: metrics.mel_cepstral_distance(x, y, sample_rate=rate),
    "f0_frame_error": lambda x, y, rate: metrics.f0_error(x, y, sample_rate=rate).frame_error,
    "pesq": lambda x, y, rate: -metrics.pesq(x, y, sample_rate=rate),
    "stoi": lambda x, y, rate: -metrics.stoi(x, y, sample_rate=rate),
    "estoi": lambda x, y, rate: -metrics.stoi(x, y, sample_rate=rate, extended=True),
}
PACKAGES = {"pesq": "pesq", "stoi": "pystoi", "estoi": "pystoi"}


@pytest.fixture(params=sorted(MEASURES))
def measure(request):
    if request.param in PACKAGES:
        pytest.importorskip(PACKAGES[request.param])
    return MEASURES[request.param]


@pytest.mark.parametrize("sample_rate", RATES)
def test_identity_is_best(measure, sample_rate):
    audio = _speech(sample_rate)
    equal = measure(audio, audio.copy(), sample_rate)
    assert measure(audio, _noise(audio, 0.02), sample_rate) > equal
    assert measure(audio, 0.5 * audio[::-1], sample_rate) > equal


def test_identity_has_the_limits_that_the_docstrings_state():
    audio = _speech(16000)
    assert metrics.spectral_convergence(audio, audio) == 0
    assert metrics.log_magnitude_distance(audio, audio) == 0
    assert metrics.log_spectral_distance(audio, audio, sample_rate=16000) == 0
    assert metrics.mel_cepstral_distance(audio, audio, sample_rate=16000) == 0
    assert metrics.f0_error(audio, audio, sample_rate=16000) == (0, 0)


@pytest.mark.parametrize(("sample_rate", "best"), [(8000, 4.549), (16000, 4.644), (22050, 4.644)])
def test_pesq_and_stoi_reach_their_maximum(sample_rate, best):
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    audio = _speech(sample_rate)
    assert metrics.pesq(audio, audio, sample_rate=sample_rate) == pytest.approx(best, abs=2e-3)
    assert metrics.stoi(audio, audio, sample_rate=sample_rate) == pytest.approx(1, abs=1e-6)
    extended = metrics.stoi(audio, audio, sample_rate=sample_rate, extended=True)
    assert extended == pytest.approx(1, abs=1e-6)


def test_more_noise_is_worse(measure):
    audio = _speech(16000, seconds=2)
    values = [measure(audio, _noise(audio, level), 16000) for level in (0.002, 0.01, 0.05, 0.2)]
    assert values == sorted(values)
    assert values[0] < values[-1]


@pytest.mark.parametrize("gain", [0.25, 0.5, 0.9, 1.5])
def test_a_gain_has_closed_forms(gain):
    audio = _noise(_speech(16000), 0.05)  # nothing falls under a floor
    scaled = gain * audio
    gain_db = 20 * abs(np.log10(gain))
    assert metrics.spectral_convergence(audio, scaled) == pytest.approx(abs(1 - gain))
    distance = metrics.log_magnitude_distance(audio, scaled)
    assert distance == pytest.approx(abs(np.log(gain)), rel=0.01)
    distance_db = metrics.log_spectral_distance(audio, scaled, sample_rate=16000)
    assert distance_db == pytest.approx(gain_db, rel=0.01)
    # The cepstral distance leaves the level out.
    assert metrics.mel_cepstral_distance(audio, scaled, sample_rate=16000) < 0.05
    assert metrics.f0_error(audio, scaled, sample_rate=16000).median_cents < 0.01


def test_silence_instead_of_speech():
    audio = _speech(8000)
    silence = np.zeros_like(audio)
    assert metrics.spectral_convergence(audio, silence) == 1
    error = metrics.f0_error(audio, silence, sample_rate=8000)
    assert error.median_cents is None
    assert 0.3 < error.frame_error < 0.7  # the share that is voiced


def test_pesq_of_silence_is_undefined():
    pytest.importorskip("pesq")
    audio = _speech(8000)
    with pytest.raises(metrics.UndefinedMetricError, match="PESQ"):
        metrics.pesq(audio, np.zeros_like(audio), sample_rate=8000)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("cents", [-100, 10, 100])
def test_a_detuned_sine_measures_its_detuning(sample_rate, cents):
    time = np.arange(sample_rate) / sample_rate
    tone, detuned = (np.sin(2 * np.pi * 220 * 2 ** (c / 1200) * time) for c in (0, cents))
    error = metrics.f0_error(tone, detuned, sample_rate=sample_rate)
    assert error.median_cents == pytest.approx(abs(cents), abs=0.5)
    assert error.frame_error <= 0.04  # the two ends


@pytest.mark.parametrize(("cents", "gross"), [(300, False), (400, True), (1200, True)])
def test_deviations_of_more_than_a_fifth_are_gross(cents, gross):
    # 20 % are 316 cents upwards.
    time = np.arange(8000) / 8000
    tone, detuned = (np.sin(2 * np.pi * 150 * 2 ** (c / 1200) * time) for c in (0, cents))
    frame_error = metrics.f0_error(tone, detuned, sample_rate=8000).frame_error
    assert frame_error == pytest.approx(float(gross), abs=0.05)


def test_a_delay_is_an_error_and_a_longer_one_a_larger():
    audio = _speech(16000, seconds=2)
    shifted = [np.roll(audio, delay) for delay in (0, 40, 160, 640)]
    for name in ("spectral_convergence", "lsd", "mcd", "f0_frame_error"):
        values = [MEASURES[name](audio, other, 16000) for other in shifted]
        assert values == sorted(values), name


def _independent(reference, estimate, n_fft, hop, win):
    return [
        np.abs(librosa.stft(x, n_fft=n_fft, hop_length=hop, win_length=win)).astype(np.float64)
        for x in (reference, estimate)
    ]


def test_convergence_and_log_magnitude_against_librosa():
    x, y = _speech(16000), _noise(_speech(16000), 0.01)
    convergence, distance = [], []
    for n_fft, hop, win in ((512, 50, 240), (1024, 120, 600), (2048, 240, 1200)):
        a, b = _independent(x, y, n_fft, hop, win)
        convergence.append(np.sqrt(((a - b) ** 2).sum() / (a**2).sum()))
        distance.append(np.abs(np.log(a + 1e-12) - np.log(b + 1e-12)).mean())
    # Frames at the ends differ: librosa pads by half the FFT, not half the window.
    assert metrics.spectral_convergence(x, y) == pytest.approx(np.mean(convergence), rel=5e-3)
    assert metrics.log_magnitude_distance(x, y) == pytest.approx(np.mean(distance), rel=5e-3)


@pytest.mark.parametrize("range_db", [40.0, 80.0])
def test_log_spectral_distance_against_a_loop(range_db):
    x, y = _speech(16000), _noise(_speech(16000), 0.002)
    a, b = _independent(x, y, 1024, 256, 1024)
    floor = a.max() / 10 ** (range_db / 20)
    rows = []
    for frame in range(a.shape[1]):
        total = 0.0
        for bin_ in range(a.shape[0]):
            levels = [20 * np.log10(max(z[bin_, frame], floor)) for z in (a, b)]
            total += (levels[0] - levels[1]) ** 2
        rows.append(np.sqrt(total / a.shape[0]))
    ours = metrics.log_spectral_distance(x, y, sample_rate=16000, dynamic_range_db=range_db)
    assert ours == pytest.approx(np.mean(rows), rel=5e-3)


def test_mel_cepstral_distance_against_the_formula():
    x, y = _speech(16000), _noise(_speech(16000), 0.01)
    matrix = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40)
    a, b = (matrix @ z for z in _independent(x, y, 512, 128, 512))
    floor = a.max() / 10**3
    total = 0.0
    for frame in range(a.shape[1]):
        square = 0.0
        for k in range(1, 14):
            basis = np.cos(np.pi * k * (np.arange(40) + 0.5) / 40)
            c, d = (2 / 40 * np.sum(basis * np.log(np.maximum(z[:, frame], floor))) for z in (a, b))
            square += (c - d) ** 2
        total += 10 / np.log(10) * np.sqrt(2 * square)
    ours = metrics.mel_cepstral_distance(x, y, sample_rate=16000)
    assert ours == pytest.approx(total / a.shape[1], rel=5e-3)


def test_the_floor_keeps_what_is_inaudible_out():
    audio = _speech(16000) * (np.arange(24000) % 8000 < 4000)
    whisper = _noise(audio, 1e-6)
    assert metrics.log_spectral_distance(audio, whisper, sample_rate=16000) < 0.2
    deep = metrics.log_spectral_distance(audio, whisper, sample_rate=16000, dynamic_range_db=200)
    assert deep > 10


@pytest.mark.parametrize("longer", ["reference", "estimate"])
def test_both_are_cut_to_the_shorter(measure, longer):
    audio = _speech(8000)
    other = _noise(audio, 0.01)
    cut = audio[:-300], other[:-300]
    pair = (audio, cut[1]) if longer == "reference" else (cut[0], other)
    assert measure(*pair, 8000) == pytest.approx(measure(*cut, 8000), rel=1e-6)


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (np.ones(8000), np.ones(7000), "Received: samples=8000 and 7000"),
        (np.ones(7000), np.ones(8000), "Received: samples=7000 and 8000"),
        (np.ones((1, 8000)), np.ones(8000), r"reference .* shape=\(1, 8000\)"),
        (np.ones(8000), np.ones(8000, np.int16), "estimate .* dtype=int16"),
        (np.ones(0), np.ones(8000), r"reference .* shape=\(0,\)"),
        (np.ones(8000), np.full(8000, np.inf), "estimate must be finite"),
    ],
)
def test_bad_pairs_are_errors(measure, reference, estimate, message):
    with pytest.raises(ValueError, match=message) as raised:
        measure(reference, estimate, 8000)
    assert not isinstance(raised.value, metrics.UndefinedMetricError)


def test_a_silent_reference_has_no_metrics(measure):
    with pytest.raises(metrics.UndefinedMetricError, match="reference is silent"):
        measure(np.zeros(8000), _speech(8000, seconds=1), 8000)


@pytest.mark.parametrize("rate", [0, -1, 3999, 8000.5])
def test_bad_sample_rates(rate):
    audio = _speech(8000)
    for name in ("lsd", "mcd", "f0_frame_error", "pesq", "stoi"):
        with pytest.raises(ValueError, match="sample_rate must be"):
            MEASURES[name](audio, audio, rate)


@pytest.mark.parametrize(
    ("name", "samples"),
    [("spectral_convergence", 1199), ("lsd", 511), ("mcd", 255), ("pesq", 1900), ("stoi", 2000)],
)
def test_too_short_is_said(name, samples):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    audio = _speech(8000)[:samples]
    with pytest.raises(metrics.UndefinedMetricError):
        MEASURES[name](audio, audio, 8000)


@pytest.mark.parametrize("name", ["pesq", "stoi"])
def test_a_missing_package_is_named(name, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, PACKAGES[name], None)
    audio = _speech(8000)
    with pytest.raises(metrics.UndefinedMetricError, match=r"tfwavenet\[evaluate\]"):
        MEASURES[name](audio, audio, 8000)


def test_pesq_of_long_audio_is_measured_in_pieces():
    pytest.importorskip("pesq")
    audio = _speech(8000, seconds=4)
    noisy = _noise(audio, 0.01)
    once = metrics.pesq(audio, noisy, sample_rate=8000)
    # Two minutes in one piece overrun the package's buffers and end the process.
    long = metrics.pesq(np.tile(audio, 35), np.tile(noisy, 35), sample_rate=8000)
    assert long == pytest.approx(once, abs=0.2)


def test_pesq_needs_eight_kilohertz():
    pytest.importorskip("pesq")
    audio = _speech(6000)
    with pytest.raises(metrics.UndefinedMetricError, match="sample_rate=6000"):
        metrics.pesq(audio, audio, sample_rate=6000)
