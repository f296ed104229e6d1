import re
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.support.tiny_models import DISTRIBUTIONS, HOP, UPSAMPLERS, mel, stir, tiny
from tfwavenet import rng
from tfwavenet.generation import Sampler, batching, chunk
from tfwavenet.generation.chunk import Program, compiled_advance
from tfwavenet.generation.conditioning_windows import Windows
from tfwavenet.generation.request import Request


def parallel_params(model, audio, features=None, speaker=None):
    """What the parallel network says of each of the samples `audio` [samples]."""
    batch = {"audio": model.previous_values(model.codec.encode(tf.constant(audio)[tf.newaxis]))}
    if features is not None:
        padding = model.upsampler.padding_frames
        batch["mel"] = np.pad(features, ((padding, padding), (0, 0)), mode="edge")[np.newaxis]
    if speaker is not None:
        batch["speaker"] = tf.constant([speaker])
    return model(batch)


def plain(model, *arguments, **options):
    """Generates without XLA, whose compilation takes longer than these few samples."""
    return model.generate(*arguments, jit_compile=False, **options)


def assert_same_audio(one, other):
    np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize(
    ("upsampler", "distribution"),
    [*((None, name) for name in DISTRIBUTIONS), *((name, "Gaussian") for name in UPSAMPLERS)],
)
def test_greedy_generation_equals_the_parallel_network(upsampler, distribution):
    model = tiny(distribution, upsampler)
    features = None if upsampler is None else mel(7)
    length = {"samples": 40} if upsampler is None else {}
    # 12 samples per chunk: windows at the beginning, in the middle and at the end.
    audio = np.ravel(plain(model, features, temperature=0.0, chunk_samples=12, **length))
    modes = model.distribution.mode(parallel_params(model, audio, features))
    assert_same_audio(model.codec.decode(modes)[0], audio)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_sampled_generation_equals_sampling_from_the_parallel_network(distribution):
    model = tiny(distribution, "stretch", num_speakers=4)
    audio = plain(model, mel(7), speaker=2, seed=5, chunk_samples=12)
    params = parallel_params(model, audio, mel(7), speaker=2)
    seeds = rng.make_seed(5)[tf.newaxis]
    noise = rng.uniform_stream(seeds, 0, len(audio), model.distribution.noise_channels)
    assert_same_audio(model.codec.decode(model.distribution.sample(params, noise, 1.0))[0], audio)


@pytest.mark.parametrize("upsampler", [None, "stretch", "learned"])
@pytest.mark.parametrize("chunk_samples", [6, 18, 1000])
def test_chunks_of_any_size_give_the_same_audio(chunk_samples, upsampler):
    model = tiny("MixtureOfLogistics", upsampler)
    arguments = {"samples": 42} if upsampler is None else {"mel": mel(7)}
    whole = plain(model, **arguments, chunk_samples=42)
    assert_same_audio(plain(model, **arguments, chunk_samples=chunk_samples), whole)


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_an_utterance_alone_equals_itself_in_a_batch(upsampler):
    # Of a continuous distribution: rounding moves a mixture of logistics to the next of its levels.
    model = tiny("Gaussian", upsampler, num_speakers=4)
    mels = [mel(frames, frames) for frames in (7, 1, 4)]
    batch = plain(model, mels, speaker=[0, 1, 3], seed=[10, 11, 12], chunk_samples=12)
    for index, features in enumerate(mels):
        alone = plain(model, features, speaker=[0, 1, 3][index], seed=10 + index, chunk_samples=12)
        assert len(alone) == len(features) * HOP
        assert_same_audio(batch[index], alone)


def test_seeds_of_a_batch_count_up():
    model = tiny()
    counted = plain(tiny(), samples=30, seed=[4, 5])
    assert_same_audio(counted[1], plain(model, samples=30, seed=5)[0])
    assert np.any(counted[0] != counted[1])


@pytest.mark.parametrize(
    ("upsampler", "distribution"),
    [
        (None, "Categorical"),
        ("stretch", "MixtureOfLogistics"),
        ("overlapping", "Gaussian"),
        ("learned", "Categorical"),
    ],
)
# Shorter and longer than the receptive field of 9 samples.
@pytest.mark.parametrize("primed_frames", [1, 4])
def test_priming_continues_as_if_the_recording_had_been_generated(
    primed_frames, upsampler, distribution
):
    model = tiny(distribution, upsampler)
    arguments = {"mel": mel(7)} if upsampler else {"samples": 42}
    whole = np.ravel(plain(model, **arguments, seed=3))
    prompted = primed_frames * HOP
    if upsampler is None:
        arguments = {"samples": 42 - prompted}
    continued = plain(model, **arguments, seed=3, prompt=whole[:prompted], chunk_samples=12)
    assert_same_audio(np.ravel(continued), whole[prompted:])


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_xla_and_the_plain_graph_give_the_same_audio(distribution):
    model = tiny(distribution, "stretch")
    assert_same_audio(plain(model, mel(5), seed=2), model.generate(mel(5), seed=2))


def test_other_seeds_and_temperatures_give_other_audio():
    model = tiny("Gaussian")
    first, again, seed, cold = (
        plain(model, samples=50, **arguments)
        for arguments in ({}, {}, {"seed": 1}, {"temperature": 0.5})
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != seed) and np.any(first != cold)


def test_on_chunk_sees_the_audio_as_it_is_made():
    model, seen = tiny("Gaussian", "stretch"), []
    audio = plain(model, [mel(7), mel(2)], chunk_samples=12, on_chunk=seen.append)
    assert [len(chunk[0]) for chunk in seen] == [12, 12, 12, 6]
    for index in range(2):
        np.testing.assert_array_equal(np.concatenate([c[index] for c in seen]), audio[index])


@pytest.mark.parametrize("upsampler", [None, "stretch"])
@pytest.mark.parametrize("primed_frames", [0, 2])
def test_utterances_that_wait_for_a_slot_equal_themselves_alone(primed_frames, upsampler):
    # Not a mixture of logistics: between batches a rounding may choose the next of its levels.
    model = tiny("Gaussian", upsampler, num_speakers=4, kernel_size=3)
    frames = [5, 9, 3, 7, 4] if upsampler else [5] * 5
    prompt = 0.1 * mel(5)[:, :1] + np.zeros([1, primed_frames * HOP], np.float32)
    options = [
        {
            "speaker": index % 4,
            "seed": 10 + index,
            **({"prompt": prompt[index]} if primed_frames else {}),
            **({"mel": mel(length, length)} if upsampler else {"samples": length * HOP}),
        }
        for index, length in enumerate(frames)
    ]
    together = {
        name: [option[name] for option in options] for name in options[0] if name != "samples"
    }
    if not upsampler:
        together["samples"] = 5 * HOP
    seen = []
    audio = plain(model, **together, batch_size=2, chunk_samples=12, on_chunk=seen.append)
    assert max(sum(len(part) > 0 for part in chunk) for chunk in seen) == 2
    for index, option in enumerate(options):
        alone = np.ravel(plain(model, **option, chunk_samples=12))
        assert_same_audio(audio[index], alone)
        np.testing.assert_array_equal(np.concatenate([c[index] for c in seen]), audio[index])


def test_every_core_has_its_share_of_the_slots(monkeypatch):
    monkeypatch.setattr(batching, "usable_cores", lambda: 3)
    model, threads = tiny("MixtureOfLogistics", "stretch"), set()
    mels = [mel(frames, frames) for frames in (5, 9, 3, 7, 4, 2, 8)]
    audio = model.generate(
        mels,
        seed=2,
        batch_size=3,
        chunk_samples=12,
        on_chunk=lambda _: threads.add(threading.get_ident()),
    )
    assert threading.get_ident() not in threads
    for index, features in enumerate(mels):
        alone = model.generate(features, seed=2 + index, chunk_samples=12)
        assert_same_audio(audio[index], alone)


def test_weights_are_folded_once_for_all_chunks_and_threads(monkeypatch):
    monkeypatch.setattr(batching, "usable_cores", lambda: 2)
    model, folded = tiny("Gaussian", "stretch"), []
    folding = chunk.compiled_folding(model)
    monkeypatch.setitem(model.__dict__, "_folding", lambda: folded.append(1) or folding())
    audio = model.generate([mel(7), mel(5)], seed=3, chunk_samples=12)
    assert len(folded) == 1
    # Those of the next generation are folded anew: it may have been trained in between.
    stir(model, 0.1)
    assert np.any(model.generate(mel(7), seed=3, chunk_samples=12) != audio[0])


def test_a_failure_in_one_thread_ends_all(monkeypatch):
    monkeypatch.setattr(batching, "usable_cores", lambda: 2)
    model, calls = tiny("Gaussian"), []

    def fail(audio):
        calls.append(audio)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.generate(samples=100_000, seed=[1, 2], chunk_samples=12, on_chunk=fail)
    assert len(calls) < 10
    assert threading.active_count() < 10


def test_finished_utterances_make_room():
    model, seen = tiny("Gaussian", "stretch"), []
    mels = [mel(8), mel(2), mel(2), mel(2), mel(2)]
    plain(model, mels, batch_size=2, chunk_samples=12, on_chunk=seen.append)
    # One slot has the long one, the other the four short ones, one after the other.
    assert [sum(map(len, chunk)) for chunk in seen] == [24] * 4


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_folded_pieces_equal_the_whole_as_soon_as_they_have_its_past(upsampler):
    # Greedy and without feedback to speak of, the past beyond the receptive field is forgotten.
    model = tiny("Gaussian", upsampler, num_speakers=4)
    model.input_conv.set_weights([0.02 * weight for weight in model.input_conv.get_weights()])
    options = {"temperature": 0.0, "speaker": 1, "chunk_samples": 12}
    whole = plain(model, [mel(13), mel(4)], **options)
    folded = plain(model, [mel(13), mel(4)], fold_frames=4, overlap_frames=4, **options)
    for one, other in zip(folded, whole):
        assert_same_audio(one, other)


def test_without_overlap_every_piece_begins_from_silence():
    model = tiny("Gaussian")
    options = {"seed": 3, "chunk_samples": 12}
    folded = plain(model, samples=36, fold_frames=12, overlap_frames=0, **options)[0]
    whole = plain(model, samples=36, **options)[0]
    assert_same_audio(folded[:12], whole[:12])
    assert np.any(folded[12:] != whole[12:])
    assert len(folded) == len(whole)


def test_pieces_are_faded_into_one_another():
    pieces = batching.folded(batching.Piece(0, 0, 30), 12, 8)
    assert [(p.first, p.stop, p.fade_in) for p in pieces] == [(0, 12, 0), (4, 24, 8), (16, 30, 8)]
    collected = batching._Folded(tiny("Gaussian"), pieces, None)
    collected.add({p: np.full(p.stop - p.first, i, np.float32) for i, p in enumerate(pieces)})
    fade = [0.125, 0.375, 0.625, 0.875]
    expected = [0] * 8 + fade + [1] * 8 + [1 + f for f in fade] + [2] * 6
    np.testing.assert_allclose(collected.utterances()[0], expected)


def test_folding_is_heard_at_its_end():
    model, seen = tiny("Gaussian", "stretch"), []
    audio = plain(model, [mel(7), mel(2)], fold_frames=3, overlap_frames=1, on_chunk=seen.append)
    assert [list(map(len, chunk)) for chunk in seen] == [[42, 12]]
    np.testing.assert_array_equal(seen[0][0], audio[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold_frames": 0}, "fold_frames=0"),
        ({"fold_frames": 3, "overlap_frames": 4}, "overlap_frames=4"),
        ({"fold_frames": 3, "overlap_frames": -1}, "overlap_frames=-1"),
        ({"fold_frames": 3, "overlap_frames": 1, "prompt": np.zeros(6)}, "cannot be folded"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_impossible_pieces_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plain(tiny("Gaussian", "stretch"), mel(7), **options)


def test_only_codes_of_the_nucleus_are_drawn():
    model = tiny("Categorical")
    greedy = model.generate(samples=60, temperature=0.0)
    np.testing.assert_array_equal(model.generate(samples=60, seed=3, top_p=1e-6), greedy)
    drawn = [model.generate(samples=200, seed=3, top_p=p)[0] for p in (0.5, 1.0)]
    assert len(np.unique(drawn[0])) < len(np.unique(drawn[1]))
    plain = model.generate(samples=200, seed=3, top_p=0.5, jit_compile=False)
    np.testing.assert_array_equal(plain[0], drawn[0])


def test_only_the_most_likely_codes_are_drawn():
    model = tiny("Categorical")
    greedy = model.generate(samples=60, temperature=0.0)
    np.testing.assert_array_equal(model.generate(samples=60, seed=3, top_k=1), greedy)
    free = model.generate(samples=60, seed=3)
    for all_codes in (16, 1000):
        np.testing.assert_array_equal(model.generate(samples=60, seed=3, top_k=all_codes), free)
    narrow = model.generate(samples=60, seed=3, top_k=3)
    assert np.any(narrow != free)
    np.testing.assert_array_equal(
        model.generate(samples=60, seed=3, top_k=3, jit_compile=False), narrow
    )
    stream = model.stream(seed=3, top_k=3, chunk_samples=25)
    np.testing.assert_array_equal(stream.pull(60), narrow[0])


@pytest.mark.parametrize("top_k", [0, -1, 2.5, True])
def test_top_k_that_is_no_number_of_codes_is_refused(top_k):
    with pytest.raises(ValueError, match=f"integer of at least 1. Received: top_k={top_k}"):
        tiny("Categorical").generate(samples=10, top_k=top_k)


def test_top_k_is_for_codes():
    with pytest.raises(ValueError, match="`top_k` is for networks that predict codes"):
        tiny("Gaussian").generate(samples=10, top_k=3)


def test_codes_may_come_before():
    model = tiny("Categorical")
    recording = np.linspace(-0.5, 0.5, 40, dtype=np.float32)
    codes = model.codec.encode(recording).numpy()
    np.testing.assert_array_equal(
        model.generate(samples=30, prompt=codes), model.generate(samples=30, prompt=recording)
    )
    with pytest.raises(ValueError, match="codes from 0 to 15. Received: 3 to 16"):
        model.generate(samples=30, prompt=np.array([3, 16]))


def test_states_after_a_prompt_are_not_computed_at_the_same_time(monkeypatch):
    # The weight normalization of a layer that runs eagerly is not for two threads.
    model, running, most = tiny("Categorical"), [], []
    state_after = model.network.state_after

    def watched(*arguments, **named):
        running.append(1)
        most.append(len(running))
        time.sleep(0.2)
        try:
            return state_after(*arguments, **named)
        finally:
            running.pop()

    monkeypatch.setattr(model.network, "state_after", watched)
    monkeypatch.setattr(batching, "usable_cores", lambda: 2)
    model.generate(samples=5, seed=[1, 2], prompt=np.zeros([2, 20]))
    assert most == [1, 1]


@pytest.mark.parametrize("top_p", [0.0, 1.5, float("nan")])
def test_no_nucleus_is_refused(top_p):
    with pytest.raises(ValueError, match=f"`top_p` above 0, at most 1. Received: top_p={top_p}"):
        tiny("Categorical").generate(samples=10, top_p=top_p)


def test_a_density_has_no_nucleus():
    with pytest.raises(ValueError, match="`top_p` is for networks that predict codes"):
        tiny("Gaussian").generate(samples=10, top_p=0.9)


def test_another_length_does_not_compile_again():
    model = tiny("Gaussian", "stretch")
    for frames in (1, 3, 20):
        model.generate(mel(frames), chunk_samples=12)
    assert compiled_advance(model, True).experimental_get_tracing_count() == 1


def test_pieces_and_batches_come_in_few_sizes(monkeypatch):
    monkeypatch.setattr(batching, "usable_cores", lambda: 1)
    model = tiny("Gaussian", "stretch")
    options = {"chunk_samples": 12, "overlap_frames": 2}
    # 18, 19 and 20 pieces, which are 20 slots; 17 utterances are as well.
    for frames in (36, 37, 40):
        model.generate(mel(frames), fold_frames=2, **options)
    model.generate([mel(4)] * 17, chunk_samples=12)
    assert compiled_advance(model, True).experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    ("batch", "kernel_size", "upsampler", "options"),
    [
        (1, 2, None, {}),
        (4, 3, None, {}),
        (1, 3, "stretch", {}),
        (4, 2, "stretch", {}),
        (4, 2, None, {"top_p": 0.9}),
        (4, 2, "stretch", {"top_p": 0.9}),
        (4, 2, None, {"top_k": 3}),
        (24, 3, "stretch", {"distribution": "MixtureOfLogistics", "num_speakers": 4}),
        (1, 2, "stretch", {"distribution": "Gaussian", "input_kernel_size": 2}),
        (24, 2, None, {"distribution": "Gaussian", "num_speakers": 4, "skip_mode": "recursive"}),
    ],
)
def test_the_ring_buffers_are_updated_in_place(batch, kernel_size, upsampler, options):
    sizes = {
        "num_layers": 8,
        "dilation_cycle": 8,
        "kernel_size": kernel_size,
        "residual_channels": 6,
    }
    sampling = {name: options[name] for name in ("top_k", "top_p") if name in options}
    options = {name: value for name, value in options.items() if name not in sampling}
    computations = _computations(
        _chunk_of_three_blocks(tiny(upsampler=upsampler, **sizes, **options), batch, sampling)
    )
    outer, inner = _loops(computations)
    for dilation in (32, 64, 128):
        ring = rf"= f32\[{dilation},({batch},)?6\]\S*"
        assert (
            len(re.findall(rf"{ring} (?:dynamic-update-slice|fusion)\(", inner)) == kernel_size - 1
        )
        for computation in _reached(computations, outer):
            assert not re.search(rf"{ring} copy\(", computation)
            for fused in re.findall(rf"{ring} fusion\(.* calls=%?([\w.\-]+)", computation):
                assert re.search(rf"ROOT .*{ring} dynamic-update-slice\(", computations[fused[-1]])


def _chunk_of_three_blocks(model, batch, sampling):
    """The optimized program of a chunk, in which the steps are a loop inside of another."""
    program = Program(model, sampler=Sampler(**sampling), chunk_samples=96, jit_compile=True)
    mels = None if model.upsampler is None else [mel(96 // HOP)] * batch
    speaker = np.zeros([batch], np.int32) if model.num_speakers else None
    request = Request(np.full(batch, 96), tuple(range(batch)), mels, speaker)
    window = Windows(model, request).window(0, 96)
    arguments = program.arguments(program.initial_state(batch), window, range(batch))
    ir = compiled_advance(model, True).experimental_get_compiler_ir(*arguments)
    return ir(stage="optimized_hlo")


def _computations(hlo):
    """The text of each computation of a program, by name."""
    found = re.finditer(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{\n(?:.*\n)*?\}", hlo, flags=re.MULTILINE)
    return {match.group(1): match.group(0) for match in found}


def _loops(computations):
    """The body of the loop over blocks, and of the loop over steps inside it."""
    bodies = [
        computations[name]
        for text in computations.values()
        for name in re.findall(r" while\(.*body=%?([\w.\-]+)", text)
    ]
    (outer,) = (body for body in bodies if " while(" in body)
    (inner,) = (body for body in bodies if " while(" not in body)
    return outer, inner


def _reached(computations, text):
    """A computation and all those that it runs, directly or not."""
    yield text
    for name in set(re.findall(r"%?([\w.\-]+)", text)) & computations.keys():
        if computations[name] != text:
            yield from _reached(computations, computations[name])
