"""Which samples make up which batch."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.batches.block_shuffle import BlockShuffle
from pipeline.batches.order import BatchOrder

sizes = st.integers(1, 400)
seeds = st.integers(0, 2**63 - 1)
RANKS = (1, 2, 3, 4, 5, 7)


@st.composite
def training_orders(draw):
    """Arguments of a training's order, full or in blocks, for any number of ranks in RANKS."""
    # What all of them divide; the samples are as many as it happens.
    batch_size = math.lcm(*RANKS) * draw(st.integers(1, 2))
    num_samples = draw(st.integers(batch_size, 4 * batch_size + 1))
    blocks = None
    if draw(st.booleans()):
        blocks = BlockShuffle(np.arange(num_samples) // draw(st.integers(1, 90)), draw(st.integers(1, 9)))
    return {
        "num_samples": num_samples,
        "batch_size": batch_size,
        "shuffled": True,
        "seed": draw(seeds),
        "blocks": blocks,
    }


def batches_of(order, epoch=0):
    places = order.epoch(epoch)
    return [order.batch(places, step) for step in range(len(order))]


@given(num_samples=sizes, per_rank=st.integers(1, 20), world_size=st.integers(1, 6), seed=seeds)
def test_ranks_together_train_on_the_same_global_batches(num_samples, per_rank, world_size, seed):
    batch_size = per_rank * world_size
    if batch_size > num_samples:
        return
    alone = batches_of(BatchOrder(num_samples, batch_size, True, seed), epoch=3)
    ranks = [
        batches_of(BatchOrder(num_samples, batch_size, True, seed, rank, world_size), epoch=3)
        for rank in range(world_size)
    ]
    assert {len(batches) for batches in ranks} == {num_samples // batch_size}
    for step, whole in enumerate(alone):
        assert np.array_equal(np.concatenate([batches[step] for batches in ranks]), whole)
        assert {len(batches[step]) for batches in ranks} == {per_rank}
    assert max(Counter(np.concatenate(alone).tolist()).values()) == 1


@settings(max_examples=50)
@given(training_orders(), st.integers(0, 2**31))
def test_global_batches_are_the_same_for_any_number_of_ranks(arguments, epoch):
    alone = batches_of(BatchOrder(**arguments), epoch)
    for world_size in RANKS:
        ranks = [
            batches_of(BatchOrder(**arguments, rank=rank, world_size=world_size), epoch)
            for rank in range(world_size)
        ]
        joined = [np.concatenate(shares) for shares in zip(*ranks, strict=True)]
        assert np.array_equal(joined, alone)


@given(training_orders(), st.integers(0, 2**31))
def test_training_sees_whole_batches_of_a_permutation(arguments, epoch):
    order = BatchOrder(**arguments)
    places = order.epoch(epoch)
    assert sorted(places.tolist()) == list(range(arguments["num_samples"]))
    batches = batches_of(order, epoch)
    assert {len(batch) for batch in batches} == {arguments["batch_size"]}
    seen = np.concatenate(batches)
    assert np.array_equal(seen, places[: len(seen)])
    assert 0 <= arguments["num_samples"] - len(seen) < arguments["batch_size"]


@given(training_orders(), st.integers(0, 2**31), st.data())
def test_resuming_at_any_step_and_world_size_gives_the_remaining_batches(arguments, epoch, data):
    """Another process, which knows the seed, the epoch and the step, and perhaps has other ranks beside."""
    before = batches_of(BatchOrder(**arguments), epoch)
    step = data.draw(st.integers(0, len(before)))
    world_size = data.draw(st.sampled_from(RANKS))
    resumed = [BatchOrder(**arguments, rank=rank, world_size=world_size) for rank in range(world_size)]
    places = resumed[0].epoch(epoch)
    after = [
        np.concatenate([order.batch(places, later) for order in resumed])
        for later in range(step, len(resumed[0]))
    ]
    assert len(after) == len(before) - step
    assert all(map(np.array_equal, after, before[step:]))


@given(num_samples=sizes, batch_size=st.integers(1, 50), world_size=st.integers(1, 7))
def test_validation_sees_every_sample_once_at_any_world_size(num_samples, batch_size, world_size):
    ranks = [
        batches_of(BatchOrder(num_samples, batch_size, False, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    seen = np.concatenate([batch for batches in ranks for batch in batches])
    assert np.array_equal(np.sort(seen), np.arange(num_samples))
    assert max(map(len, ranks)) == -(-num_samples // batch_size)
    assert all(len(batch) <= batch_size for batches in ranks for batch in batches)
    if world_size == 1:
        assert np.array_equal(seen, np.arange(num_samples))
    if batch_size >= world_size:
        assert all(len(batch) for batches in ranks for batch in batches)
        assert max(map(len, ranks)) - min(map(len, ranks)) <= 1


@given(num_samples=sizes, seed=seeds, epoch=st.integers(0, 2**31))
def test_order_is_a_pure_function_of_seed_and_epoch(num_samples, seed, epoch):
    orders = [BatchOrder(num_samples, 1, True, seed).epoch(epoch) for _ in range(2)]
    assert np.array_equal(*orders)
    assert np.array_equal(np.sort(orders[0]), np.arange(num_samples))


def test_epochs_and_seeds_are_shuffled_apart():
    orders = [BatchOrder(100, 10, True, seed).epoch(epoch) for seed in range(5) for epoch in range(5)]
    assert len({order.tobytes() for order in orders}) == 25


def test_batch_is_cut_out_of_the_order_and_not_counted_off():
    """So that resuming costs the same at every step: the share is a view of one order, no copy of it."""
    order = BatchOrder(10**6, 700, True, rank=3, world_size=7)
    places = order.epoch(0)
    batch = order.batch(places, 1400)
    assert np.shares_memory(batch, places[1400 * 700 + 300 : 1400 * 700 + 400])
    assert len(batch) == 100


def test_training_in_blocks_takes_the_order_of_the_blocks():
    blocks = BlockShuffle(np.arange(50) // 7, 2)
    order = BatchOrder(50, 10, True, seed=3, blocks=blocks).epoch(4)
    assert np.array_equal(order, blocks.order(3, 4))
    assert not np.array_equal(order, BatchOrder(50, 10, True, seed=3).epoch(4))


def test_validation_is_in_order_whatever_the_blocks():
    blocks = BlockShuffle(np.arange(50) // 7, 2)
    assert np.array_equal(BatchOrder(50, 8, False, blocks=blocks).epoch(4), np.arange(50))


def test_places_are_uniform_over_epochs():
    order = BatchOrder(10, 1, True, seed=11)
    first = Counter(int(order.epoch(epoch)[0]) for epoch in range(5000))
    # chi-square with 9 degrees of freedom: above 33 once in 10,000 times
    assert sum((first[place] - 500) ** 2 / 500 for place in range(10)) < 33


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 11}, "batch_size=11 is more than the 10 samples"),
        ({"batch_size": 2, "world_size": 3}, "batch_size=2 leaves nothing for some of world_size=3 ranks"),
        ({"batch_size": 4, "rank": 2, "world_size": 2}, "rank=2 is not below world_size=2"),
    ],
)
def test_numbers_that_do_not_fit_together_are_named(numbers, problem):
    with pytest.raises(ValueError, match=problem):
        BatchOrder(num_samples=10, shuffled=True, **numbers)
