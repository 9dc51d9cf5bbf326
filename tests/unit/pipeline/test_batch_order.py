"""Which samples make up which batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.order import BatchOrder

sizes = st.integers(1, 400)
seeds = st.integers(0, 2**63 - 1)


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


@given(num_samples=sizes, batch_size=st.integers(1, 50), world_size=st.integers(1, 6))
def test_validation_sees_every_sample_once_at_any_world_size(num_samples, batch_size, world_size):
    ranks = [
        batches_of(BatchOrder(num_samples, batch_size, False, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    seen = np.concatenate([batch for batches in ranks for batch in batches])
    assert np.array_equal(np.sort(seen), np.arange(num_samples))
    assert max(map(len, ranks)) == -(-num_samples // batch_size)
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
        ({"batch_size": 5, "world_size": 2}, "batch_size=5 is not divisible by world_size=2"),
        ({"batch_size": 4, "rank": 2, "world_size": 2}, "rank=2 is not below world_size=2"),
    ],
)
def test_numbers_that_do_not_fit_together_are_named(numbers, problem):
    with pytest.raises(ValueError, match=problem):
        BatchOrder(num_samples=10, shuffled=True, **numbers)
