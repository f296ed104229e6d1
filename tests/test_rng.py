"""`tfwavenet.rng`: equal bits everywhere, known answers, and the statistics of the draws."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfwavenet import rng

SEEDS = tf.constant([[1, 2], [-5, 7], [0, 0]], tf.int32)


def position(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)


def modes(function):
    """The three ways in which a function of tensors runs."""
    return {
        "eager": function,
        "graph": tf.function(function, autograph=False),
        "xla": tf.function(function, autograph=False, jit_compile=True),
    }


def words(*values: int) -> list[tf.Tensor]:
    return [tf.constant([value], tf.uint32) for value in values]


# The known answers that the authors of Philox publish with Random123 (kat_vectors, philox4x32 10).
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(counter, key, expected):
    got = [int(word[0]) for word in rng._philox(words(*counter), words(*key))]
    assert got == list(expected)


@pytest.mark.parametrize("start", [0, 1, 2**32 - 2, 2**40 + 3])
@pytest.mark.parametrize("width", [1, 3, 4, 5, 11])  # below, at and above the block of four
def test_uniform_stream_equals_tensorflows_philox(start, width):
    """Position p and block b is the counter (p, b) of the raw TensorFlow operation."""
    seeds = tf.constant([[123, -456]], tf.int32)
    got = rng.uniform_stream(seeds, position(start), 3, width)[0].numpy()
    for row in range(3):
        for column in range(width):
            counter = tf.constant([start + row, column // 4], tf.uint64)
            bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
                shape=[4],
                key=tf.bitcast(seeds, tf.uint64),
                counter=counter,
                alg=1,
                dtype=tf.uint32,
            )
            expected = (int(bits[column % 4]) >> 9) * 2.0**-23 + 2.0**-24
            assert got[row, column] == expected


@pytest.mark.parametrize("width", [1, 4, 11])
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_uniform_stream_is_addressable_in_every_mode(mode, width):
    whole = rng.uniform_stream(SEEDS, position(0), 40, width).numpy()

    def draw(seeds, start, count):
        return modes(lambda s, p: rng.uniform_stream(s, p, count, width))[mode](seeds, start)

    for start, count in ((0, 40), (0, 1), (7, 9), (39, 1)):
        np.testing.assert_array_equal(
            draw(SEEDS, position(start), count), whole[:, start : start + count]
        )
    for row in range(3):  # a stream does not see its batch
        np.testing.assert_array_equal(
            draw(SEEDS[row : row + 1], position(3), 5)[0], whole[row, 3:8]
        )


def test_uniform_stream_in_a_large_batch():
    seeds = rng.split(rng.make_seed(3), 96)
    compiled = tf.function(lambda s: rng.uniform_stream(s, position(5), 4, 30), jit_compile=True)
    got = compiled(seeds).numpy()
    for row in (0, 50, 95):
        expected = rng.uniform_stream(seeds[row : row + 1], position(5), 4, 30)[0]
        np.testing.assert_array_equal(got[row], expected)
    assert np.unique(got).size > 0.99 * got.size


def test_uniform_stream_is_uniform_and_independent():
    draws = rng.uniform_stream(SEEDS, position(0), 4000, 6).numpy()
    assert draws.min() > 0.0
    assert draws.max() < 1.0
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
    columns = draws.transpose(0, 2, 1).reshape(18, -1)
    lagged = np.concatenate([columns[:, 1:], columns[:, :-1]])
    correlation = np.corrcoef(lagged) - np.eye(36)
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_normal_stream_is_addressable_and_normal():
    whole = rng.normal_stream(SEEDS, position(0), 4000).numpy()
    np.testing.assert_array_equal(rng.normal_stream(SEEDS, position(7), 9), whole[:, 7:16])
    assert stats.kstest(whole.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(whole) - np.eye(3)).max() < 5 / np.sqrt(4000)


@pytest.mark.parametrize(("count", "width"), [(0, 1), (1, 0), (-1, 4)])
def test_uniform_stream_rejects_empty_draws(count, width):
    with pytest.raises(ValueError, match=r"at least 1\. Received: count="):
        rng.uniform_stream(SEEDS, position(0), count, width)


@pytest.mark.parametrize(("bits", "expected"), [(0, 2.0**-24), (2**32 - 1, 1 - 2.0**-24)])
def test_open_unit_never_reaches_its_ends(bits, expected):
    assert float(rng._open_unit(tf.constant(bits, tf.uint32))) == expected


@pytest.mark.parametrize("seed", [0, 1, -1, 2**31, 2**32 - 1, -(2**63), 2**63 - 1, np.int64(9)])
def test_make_seed_keeps_all_bits(seed):
    low, high = rng.make_seed(seed).numpy().view(np.uint32).tolist()
    assert (high << 32 | low) == int(seed) % 2**64


@pytest.mark.parametrize("seed", [1.0, "1", None, True, 2**63])
def test_make_seed_rejects(seed):
    with pytest.raises(ValueError, match=r"seed must .*Received: seed="):
        rng.make_seed(seed)


def test_derived_seeds_differ_and_agree_between_modes():
    def derive(seed):
        return tf.concat([[rng.fold_in(seed, 5)], [rng.fold_in(seed, 6)], rng.split(seed, 4)], 0)

    results = {name: mode(rng.make_seed(1)).numpy() for name, mode in modes(derive).items()}
    assert len({tuple(row) for row in results["eager"]}) == 6
    np.testing.assert_array_equal(results["graph"], results["eager"])
    np.testing.assert_array_equal(results["xla"], results["eager"])


def test_fold_in_accepts_a_step_tensor():
    seed = rng.make_seed(8)
    np.testing.assert_array_equal(rng.fold_in(seed, position(11)), rng.fold_in(seed, 11))


@pytest.mark.parametrize(
    ("name", "tolerance"), [("uniform", 0.0), ("normal", 2e-6), ("randint", 0.0)]
)
def test_draws_agree_between_modes(name, tolerance):
    functions = {
        "uniform": lambda seed: rng.uniform([50, 3], seed),
        "normal": lambda seed: rng.normal([50, 3], seed),
        "randint": lambda seed: rng.randint([50, 3], seed, 1000),
    }
    results = {key: mode(rng.make_seed(4)).numpy() for key, mode in modes(functions[name]).items()}
    assert results["eager"].shape == (50, 3)
    np.testing.assert_allclose(results["graph"], results["eager"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(results["xla"], results["eager"], rtol=0, atol=tolerance)


@pytest.mark.parametrize(("name", "distribution"), [("uniform", "uniform"), ("normal", "norm")])
def test_draws_have_their_distribution(name, distribution):
    draws = getattr(rng, name)([20000], rng.make_seed(0)).numpy()
    assert stats.kstest(draws, distribution).pvalue > 1e-3


@pytest.mark.parametrize("maxval", [1, 2, 7, 2**40])
def test_randint_covers_its_range(maxval):
    draws = rng.randint([7000], rng.make_seed(2), maxval)
    assert draws.dtype == tf.int64
    values = draws.numpy()
    assert values.min() >= 0
    assert values.max() < maxval
    if 1 < maxval <= 7:
        assert stats.chisquare(np.bincount(values, minlength=maxval)).pvalue > 1e-3
    elif maxval > 7:
        assert values.max() > 0.99 * maxval


def test_randint_takes_a_bound_per_item():
    bounds = tf.constant([1, 10, 100], tf.int64)
    draws = rng.randint([500, 3], rng.make_seed(1), bounds).numpy().max(axis=0)
    assert draws[:2].tolist() == [0, 9]
    assert 90 < draws[2] < 100


@pytest.mark.parametrize("size", [1, 2, 3, 17, 1000])
def test_shuffle_index_is_a_permutation(size):
    order = [int(rng.shuffle_index(i, rng.make_seed(5), size)) for i in range(min(size, 17))]
    assert len(set(order)) == len(order)
    assert set(order) <= set(range(size))
    if size <= 17:
        assert sorted(order) == list(range(size))


def test_shuffle_index_differs_between_seeds():
    orders = [
        [int(rng.shuffle_index(i, rng.fold_in(rng.make_seed(5), epoch), 50)) for i in range(50)]
        for epoch in range(2)
    ]
    assert orders[0] != orders[1]
    assert orders[0] != list(range(50))
