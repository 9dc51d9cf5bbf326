"""The order of data larger than memory: random, and yet no more than a window of it at a time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.block_shuffle import BlockShuffle
from pipeline.permutation import Purpose, permutation

PAGE = 4096

seeds = st.integers(0, 2**63 - 1)
epochs = st.integers(0, 2**31)


@st.composite
def datasets(draw):
    """Addresses of samples by position: pages of uneven numbers of samples, some pages without any."""
    counts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=40).filter(any))
    pointers = [page * PAGE + 11 * place for page, count in enumerate(counts) for place in range(count)]
    return np.array(draw(st.permutations(pointers)), np.uint64)


def shuffle_of(pointers, pages_per_block, blocks_per_window):
    block_bytes = pages_per_block * PAGE
    return BlockShuffle.of_pages(
        pointers, PAGE, block_bytes=block_bytes, window_bytes=blocks_per_window * block_bytes
    )


def dealt_blocks(num_blocks, *, seed, epoch):
    return permutation(num_blocks, Purpose.BLOCKS, seed=seed, number=epoch)


def live_at_once(batches):
    """The most that is in use at a time, when all things are kept from the first batch to the last that
    holds one."""
    return max(
        len(set().union(*batches[: number + 1]) & set().union(*batches[number:]))
        for number in range(len(batches))
    )


@given(datasets(), st.integers(1, 5), st.integers(1, 6), seeds, epochs)
def test_windows_hold_exactly_the_samples_of_their_blocks(
    pointers, pages_per_block, blocks_per_window, seed, epoch
):
    order = shuffle_of(pointers, pages_per_block, blocks_per_window).order(seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(len(pointers)))
    block_of = [int(pointer) // (pages_per_block * PAGE) for pointer in pointers]
    members = Counter(block_of)
    places, num_windows = order.tolist(), 0
    while places:
        # A window ends where as many blocks as it may hold, or all that are left, are complete.
        left = {block_of[place] for place in places}
        expected = min(blocks_per_window, len(left))
        size, window = 0, Counter()
        while len(window) < expected or any(window[block] < members[block] for block in window):
            window[block_of[places[size]]] += 1
            size += 1
            assert len(window) <= expected
        places, num_windows = places[size:], num_windows + 1
    assert num_windows == -(-len(members) // blocks_per_window)


@given(datasets(), st.integers(1, 5), st.integers(1, 6), st.integers(1, 30), seeds)
def test_pages_in_use_are_those_of_the_windows_a_batch_touches(
    pointers, pages_per_block, blocks_per_window, batch_size, seed
):
    shuffle = shuffle_of(pointers, pages_per_block, blocks_per_window)
    order = shuffle.order(seed, 0)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    # Windows by their definition, from the sizes of the blocks in the order in which they are dealt.
    blocks = np.array([int(pointer) // (pages_per_block * PAGE) for pointer in pointers])
    _, numbers = np.unique(blocks, return_inverse=True)
    dealt = dealt_blocks(numbers.max() + 1, seed=seed, epoch=0)
    window_of = {int(block): place // blocks_per_window for place, block in enumerate(dealt)}
    touched = max(len({window_of[int(numbers[place])] for place in batch}) for batch in batches)
    pages = [{int(pointers[place]) // PAGE for place in batch} for batch in batches]
    assert live_at_once(pages) <= touched * blocks_per_window * pages_per_block


@given(datasets(), seeds, epochs)
def test_one_window_of_everything_is_a_full_shuffle(pointers, seed, epoch):
    order = shuffle_of(pointers, 1, 40).order(seed, epoch)
    assert np.array_equal(order, permutation(len(pointers), Purpose.EPOCH, seed=seed, number=epoch))


@given(datasets(), st.integers(1, 5), st.integers(1, 6), seeds, epochs)
def test_order_is_a_pure_function_of_its_arguments(pointers, pages_per_block, blocks_per_window, seed, epoch):
    orders = [shuffle_of(pointers, pages_per_block, blocks_per_window).order(seed, epoch) for _ in range(2)]
    assert np.array_equal(*orders)


def test_order_is_the_full_shuffle_dealt_into_windows():
    """Written out sample by sample; no order ever trained on may change with a library's way of sorting."""
    blocks = np.random.default_rng(0).integers(0, 23, 5000)
    windows = [[] for _ in range(6)]
    window_of = {int(block): place // 4 for place, block in enumerate(dealt_blocks(23, seed=8, epoch=2))}
    for position in permutation(5000, Purpose.EPOCH, seed=8, number=2).tolist():
        windows[window_of[int(blocks[position])]].append(position)
    assert BlockShuffle(blocks, 4).order(8, 2).tolist() == [place for window in windows for place in window]


def test_epochs_and_seeds_are_shuffled_apart():
    shuffle = BlockShuffle(np.repeat(np.arange(10), 10), 2)
    orders = {shuffle.order(seed, epoch).tobytes() for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25
    dealt = {
        shuffle.blocks[shuffle.order(seed, epoch)[:20]].tobytes() for seed in range(5) for epoch in range(5)
    }
    assert len(dealt) == 25


@pytest.mark.parametrize(
    ("block_bytes", "window_bytes", "pages_per_block", "blocks_per_window"),
    [
        (1, 1, 1, 1),
        (PAGE, PAGE, 1, 1),
        (2 * PAGE - 1, 3 * PAGE - 1, 1, 2),
        (2 * PAGE, 7 * PAGE, 2, 3),
        (3 * PAGE + 5, 9 * PAGE, 3, 3),
        (5 * PAGE, 2 * PAGE, 5, 1),
    ],
)
def test_bytes_are_rounded_down_to_whole_pages_and_blocks(
    block_bytes, window_bytes, pages_per_block, blocks_per_window
):
    pointers = np.repeat(np.arange(30, dtype=np.uint64) * PAGE, 4)
    shuffle = BlockShuffle.of_pages(pointers, PAGE, block_bytes=block_bytes, window_bytes=window_bytes)
    assert shuffle.blocks.tolist() == [page // pages_per_block for page in range(30) for _ in range(4)]
    assert shuffle.blocks_per_window == blocks_per_window


def chi_square(counts, expected):
    return sum((count - expected) ** 2 / expected for count in counts)


def test_blocks_come_in_uniform_order():
    """Of 6 blocks in windows of one, which comes first, and which last but one."""
    shuffle = BlockShuffle(np.arange(6).repeat(3), 1)
    order_of_blocks = np.stack([shuffle.blocks[shuffle.order(7, epoch)[::3]] for epoch in range(6000)])
    for place in (0, 4):
        # chi-square with 5 degrees of freedom: above 25.7 once in 10,000 times
        assert chi_square(np.bincount(order_of_blocks[:, place], minlength=6), 1000) < 25.7


def test_pairs_of_blocks_share_a_window_equally_often():
    shuffle = BlockShuffle(np.arange(6).repeat(2), 2)
    pairs = Counter(
        tuple(sorted(set(shuffle.blocks[shuffle.order(9, epoch)[:4]].tolist()))) for epoch in range(6000)
    )
    assert len(pairs) == 15
    # chi-square with 14 degrees of freedom: above 42.6 once in 10,000 times
    assert chi_square(pairs.values(), 400) < 42.6


def test_samples_are_uniform_over_the_places_of_their_window():
    """Three blocks of four in one window: each sample anywhere in it, with no regard to its block."""
    shuffle = BlockShuffle(np.arange(6).repeat(4), 3)
    orders = np.stack([shuffle.order(5, epoch) for epoch in range(6000)])
    for sample in (0, 3, 13):
        places = np.flatnonzero(orders == sample) % 24 % 12
        # chi-square with 11 degrees of freedom: above 37.4 once in 10,000 times
        assert chi_square(np.bincount(places, minlength=12), 500) < 37.4
    # Two samples of one block are neighbours as often as any two samples of the window: 2 in 12.
    first, second = (np.argwhere(orders == sample)[:, 1] for sample in (0, 1))
    neighbours = np.mean(np.abs(first - second) == 1)
    assert abs(neighbours - 2 / 12) < 4 * (2 / 12 * 10 / 12 / 6000) ** 0.5
