"""Pages of shards read into this process: the right bytes, in bounded memory, and an end whatever happens."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import time
import weakref
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from ffcv.fields import IntField
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.batches.block_shuffle import BlockShuffle
from pipeline.batches.order import BatchOrder
from pipeline.batches.page_cache import PageCache
from pipeline.batches.reader import SplitReader
from pipeline.errors import BadDatasetError, CacheTooSmallError
from pipeline.shards.image_field import Square, square_field
from pipeline.shards.manifest import (
    MANIFEST_FILE,
    Manifest,
    Shard,
    SourceRecord,
    SplitRecord,
    StatisticsRecord,
)
from pipeline.shards.writer import StreamWriter

SIDE = 128
PHOTO_BYTES = 3 * SIDE * SIDE
SHARDS, PHOTOS_PER_SHARD = 5, 500
SMALL_PAGE = 4096


class SmallPages:
    """What a PageCache sees of a SplitReader, with pages of 4 KiB, so that small files have many.

    Photos of 1 to 2,000 bytes; each file begins with a page of something else and ends within one.
    """

    page_size = SMALL_PAGE

    def __init__(self, folder, seed=0, photos_of_shards=(40, 1, 61, 23)):
        random = np.random.default_rng(seed)
        folder.mkdir()
        self.paths = tuple(folder / f"train-{number:05d}.beton" for number in range(len(photos_of_shards)))
        self.shards, self.stored, pointers, offsets, begin = [], [], [], [], 0
        for path, num_photos in zip(self.paths, photos_of_shards, strict=True):
            content = bytearray(random.bytes(SMALL_PAGE))
            for size in random.integers(1, 2001, num_photos):
                rest = -len(content) % SMALL_PAGE
                if size > rest:
                    content += random.bytes(rest)
                pointers.append(begin + len(content))
                self.stored.append(random.bytes(size))
                content += self.stored[-1]
            content += random.bytes(7)
            path.write_bytes(content)
            self.shards.append(SimpleNamespace(size_bytes=len(content)))
            offsets.append(begin)
            begin += -(-len(content) // SMALL_PAGE) * SMALL_PAGE
        self.offsets = np.array(offsets, np.uint64)
        self.pointers = np.array(pointers, np.uint64)
        self.sizes = np.array([len(photo) for photo in self.stored], np.uint64)
        self.num_samples = len(self.stored)

    def pages(self, positions):
        return {int(self.pointers[position]) // SMALL_PAGE for position in positions}

    def bytes_of(self, page):
        """How much of a page there is in its file."""
        shard = max(number for number, offset in enumerate(self.offsets) if offset <= page * SMALL_PAGE)
        return min(SMALL_PAGE, self.shards[shard].size_bytes + int(self.offsets[shard]) - page * SMALL_PAGE)


class Reads:
    """Stands before os.preadv: notes what is read, and reads as a slow or failing disk would."""

    def __init__(self, monkeypatch, *, at_most=None, failing=None, gate=None):
        self.done = []
        self._real, self._at_most, self._failing, self._gate = os.preadv, at_most, failing, gate
        monkeypatch.setattr(os, "preadv", self)

    def __call__(self, opened, buffers, place):
        path = os.fspath(Path(f"/proc/self/fd/{opened}").readlink())
        if self._gate:
            self._gate(place)
        if self._failing is not None and path == os.fspath(self._failing):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        count = self._real(opened, [buffer[: self._at_most] for buffer in buffers], place)
        self.done.append((path, place, count))
        return count


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return SmallPages(tmp_path_factory.mktemp("pages") / "small")


@pytest.fixture(scope="module")
def photos_out(small):
    """Copies a batch's photos out of a state, in compiled code."""
    read = PageCache(small, SMALL_PAGE).compile_reader()

    @numba.njit
    def copy(pointers, state, out, sizes):
        for number, pointer in enumerate(pointers):
            photo = read(pointer, state)
            out[number, : len(photo)] = photo
            sizes[number] = len(photo)

    def photos(reader, positions, state):
        out = np.zeros((len(positions), int(reader.sizes.max())), np.uint8)
        sizes = np.zeros(len(positions), np.int64)
        copy(reader.pointers[positions], state, out, sizes)
        return [row[:size].tobytes() for row, size in zip(out, sizes, strict=True)]

    return photos


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """2,500 raw photos of noise, each the noise of its sample id, in 5 shards of 3 pages each."""
    folder = tmp_path_factory.mktemp("datasets") / "noise"
    folder.mkdir()
    fields = {"image": square_field(jpeg_quality=90, chroma_subsampling="4:2:0")}
    fields |= {"label": IntField(), "sample_id": IntField()}
    ids = np.random.default_rng(1).permutation(SHARDS * PHOTOS_PER_SHARD).reshape(SHARDS, PHOTOS_PER_SHARD)
    shards = []
    for number, sample_ids in enumerate(ids.tolist()):
        path = folder / f"train-{number:05d}.beton"
        samples = ((Square(noise(sample_id), True), 0, sample_id) for sample_id in sample_ids)
        StreamWriter(os.fspath(path), fields, num_workers=1).from_stream(samples, PHOTOS_PER_SHARD)
        shards.append(
            Shard(
                file=path.name,
                num_samples=PHOTOS_PER_SHARD,
                size_bytes=path.stat().st_size,
                xxh3_128="0" * 32,
            )
        )
    manifest = Manifest(
        name="noise",
        created_at=datetime.now(UTC),
        image_size=SIDE,
        write_mode="raw",
        jpeg_quality=90,
        seed=0,
        source=SourceRecord(type="folder", location="nowhere", fingerprint="0" * 32),
        classes=(),
        splits={"train": SplitRecord(num_samples=ids.size, shards=tuple(shards))},
        statistics=StatisticsRecord(xxh3_128="0" * 32),
        quarantined=0,
        tool_version="0",
    )
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())
    return folder


def noise(sample_id):
    return np.random.default_rng(sample_id).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def batches_of(reader, kind, batch_size, *, seed=0, page_size=None):
    page_size = page_size or reader.page_size
    blocks = BlockShuffle.of_pages(
        reader.pointers, page_size, block_bytes=page_size, window_bytes=2 * page_size
    )
    order = BatchOrder(
        reader.num_samples,
        batch_size,
        kind != "in order",
        seed,
        blocks=blocks if kind == "blocks" else None,
    )
    places = order.epoch(3)
    return [order.batch(places, step) for step in range(len(order))]


def most_pages_at_once(pages_of_batches):
    """By the definition: a page is held from the first batch that needs it to the last."""
    return max(
        len(set().union(*pages_of_batches[: number + 1]) & set().union(*pages_of_batches[number:]))
        for number in range(len(pages_of_batches))
    )


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(["full", "blocks", "in order"]),
    batch_size=st.integers(1, 60),
    seed=st.integers(0, 2**32),
    spare_pages=st.integers(0, 5),
    begun_at=st.integers(0, 3),
)
def test_photos_are_exact_for_as_long_as_their_batch_lasts(
    small, photos_out, kind, batch_size, seed, spare_pages, begun_at
):
    """With as little memory as will do, or a little more; from the start, or from a later batch on."""
    batches = batches_of(small, kind, batch_size, seed=seed)[begun_at:]
    pages = [small.pages(positions) for positions in batches]
    most = most_pages_at_once(pages) if pages else 0
    cache_bytes = (most + spare_pages) * SMALL_PAGE + 1000
    with pytest.MonkeyPatch.context() as monkeypatch:
        reads = Reads(monkeypatch)
        with PageCache(small, cache_bytes).schedule_epoch(batches) as context:
            assert context.state[0].nbytes <= cache_bytes
            for number, positions in enumerate(batches):
                context.start_batch(number)
                # Whatever is read ahead is read now, and has overwritten what it may.
                wait(context._reads)
                expected = [small.stored[position] for position in positions]
                assert photos_out(small, positions, context.state) == expected
    needed = set().union(*pages)
    assert len(reads.done) == len(needed)
    assert sum(count for *_, count in reads.done) == sum(map(small.bytes_of, needed))


@pytest.mark.parametrize("kind", ["full", "blocks", "in order"])
def test_thousands_of_photos_of_real_shards_are_exact(dataset, photos_out, kind, monkeypatch):
    reads = Reads(monkeypatch)
    reader = SplitReader(dataset, "train")
    page = reader.page_size
    # In a random order, every batch needs every page; a window of two pages and what a batch may reach into
    # behind it are four.
    cache_bytes = (3 * SHARDS if kind == "full" else 4) * page
    batches = batches_of(reader, kind, 60)
    seen = []
    with PageCache(reader, cache_bytes).schedule_epoch(batches) as context:
        assert context.state[0].nbytes <= cache_bytes
        for number, positions in enumerate(batches):
            context.start_batch(number)
            for position, photo in zip(positions, photos_out(reader, positions, context.state), strict=True):
                assert photo == noise(reader.sample_ids[position]).tobytes()
                seen.append(int(position))
    assert len(seen) == len(set(seen)) >= 2460
    # Three pages of photos behind one of metadata, each read once and whole.
    assert sorted(reads.done) == [
        (os.fspath(path), place * page, page) for path in reader.paths for place in (1, 2, 3)
    ]


def test_pages_are_read_ahead_as_far_as_there_is_room(small, monkeypatch):
    reads = Reads(monkeypatch)
    batches = batches_of(small, "in order", 1)
    first_pages = list(dict.fromkeys(page for positions in batches for page in small.pages(positions)))[:6]
    with PageCache(small, 6 * SMALL_PAGE).schedule_epoch(batches) as context:
        context.start_batch(0)
        wait(context._reads)
        assert len(reads.done) == 6
        assert sum(count for *_, count in reads.done) == sum(map(small.bytes_of, first_pages))


def test_no_more_memory_is_taken_than_there_are_pages(small):
    batches = batches_of(small, "full", 30)
    with PageCache(small, 2**40).schedule_epoch(batches) as context:
        assert len(context.state[0]) == len(set().union(*map(small.pages, batches)))


def test_epoch_without_batches_reads_nothing(small, new_threads):
    with PageCache(small, SMALL_PAGE).schedule_epoch([]):
        pass
    assert new_threads() == []


@pytest.mark.parametrize("kind", ["full", "blocks", "in order"])
def test_order_that_needs_more_pages_than_fit_is_refused_before_reading(
    small, kind, monkeypatch, new_threads
):
    reads = Reads(monkeypatch)
    batches = batches_of(small, kind, 25)
    most = most_pages_at_once([small.pages(positions) for positions in batches])
    cache = PageCache(small, most * SMALL_PAGE - 1)
    with pytest.raises(CacheTooSmallError) as raised:
        cache.schedule_epoch(batches)
    assert isinstance(raised.value, ValueError)
    assert str(raised.value) == (
        f"cache_bytes={most * SMALL_PAGE - 1} holds {most - 1} pages of 4096 bytes, and this order needs"
        f" {most} at once: allow cache_bytes={most * SMALL_PAGE}, or shuffle=blocks with less window_bytes"
    )
    assert (reads.done, new_threads()) == ([], [])


def test_reads_that_give_less_than_asked_are_continued(small, photos_out, monkeypatch):
    reads = Reads(monkeypatch, at_most=999)
    batches = batches_of(small, "full", 50)
    with PageCache(small, 2**20).schedule_epoch(batches) as context:
        for number, positions in enumerate(batches):
            context.start_batch(number)
            expected = [small.stored[position] for position in positions]
            assert photos_out(small, positions, context.state) == expected
    assert max(count for *_, count in reads.done) == 999


def consumed(reader, cache_bytes=3 * SMALL_PAGE, *, between=lambda number: None):
    """Goes through an epoch in order and gives the number of batches it got, and the error that ended it."""
    batches = batches_of(reader, "in order", 5)
    started = 0
    try:
        with PageCache(reader, cache_bytes).schedule_epoch(batches) as context:
            for number in range(len(batches)):
                context.start_batch(number)
                started += 1
                between(number)
    except (BadDatasetError, LookupError) as error:
        return started, error
    return started, None


@pytest.mark.parametrize("cut_to", [0, SMALL_PAGE + 1, 3 * SMALL_PAGE, -1])
@pytest.mark.parametrize("cache_pages", [3, 1000])
def test_file_cut_short_after_opening_is_named(tmp_path, cut_to, cache_pages, new_threads):
    """Batches of the shards before it are still given, however far ahead is read."""
    reader = SmallPages(tmp_path / "cut")
    path = reader.paths[2]
    os.truncate(path, cut_to % path.stat().st_size)
    files = open_files()
    started, error = consumed(reader, cache_pages * SMALL_PAGE)
    assert isinstance(error, BadDatasetError)
    assert str(error) == f"{path} cannot be read: it has been cut short"
    assert started >= 41 // 5
    assert (new_threads(), open_files()) == ([], files)


def test_disk_error_is_named(small, monkeypatch, new_threads):
    Reads(monkeypatch, failing=small.paths[2])
    started, error = consumed(small)
    assert str(error) == f"{small.paths[2]} cannot be read: Input/output error"
    assert started == 41 // 5
    assert new_threads() == []


def test_folder_removed_while_reading_is_an_error(tmp_path, new_threads):
    reader = SmallPages(tmp_path / "gone")
    started, error = consumed(
        reader, between=lambda number: shutil.rmtree(tmp_path / "gone", ignore_errors=True)
    )
    assert str(error).endswith(".beton cannot be read: No such file or directory")
    assert 1 <= started < len(batches_of(reader, "in order", 5))
    assert new_threads() == []


def test_error_of_a_batch_is_there_again_when_asked_again(tmp_path):
    reader = SmallPages(tmp_path / "cut")
    os.truncate(reader.paths[0], SMALL_PAGE)
    with PageCache(reader, 2**20).schedule_epoch(batches_of(reader, "in order", 5)) as context:
        for _ in range(3):
            with pytest.raises(BadDatasetError, match="cut short"):
                context.start_batch(0)


def test_error_of_the_consumer_passes_through(small, new_threads):
    def fail(number):
        if number == 3:
            raise LookupError("lost")

    started, error = consumed(small, between=fail)
    assert (started, str(error)) == (4, "lost")
    assert new_threads() == []


def test_leaving_cancels_the_reads_that_wait(tmp_path, monkeypatch, new_threads):
    """The reads in hand end, those behind them do not begin."""
    queued = []
    end = time.monotonic() + 30

    def gate(place):
        while place != SMALL_PAGE and not (queued and queued[0].cancelled()) and time.monotonic() < end:
            time.sleep(0.001)

    reads = Reads(monkeypatch, gate=gate)
    reader = SmallPages(tmp_path / "one", photos_of_shards=(60,))
    with PageCache(reader, 2**20).schedule_epoch(batches_of(reader, "in order", 1)) as context:
        context.start_batch(0)
        queued.append(context._reads[-1])
    assert 1 <= len(reads.done) <= 1 + 4 < len(set(reader.pages(range(60))))
    assert new_threads() == []


@pytest.mark.parametrize("broken", [False, True])
def test_memory_is_given_back_at_the_end(tmp_path, broken):
    reader = SmallPages(tmp_path / "shards")
    if broken:
        os.truncate(reader.paths[0], SMALL_PAGE)
    context = PageCache(reader, 2**20).schedule_epoch(batches_of(reader, "full", 20))
    gc.collect()
    gc.disable()
    try:
        with context:
            memory = weakref.ref(context.state[0])
            if broken:
                with pytest.raises(BadDatasetError):
                    context.start_batch(0)
            else:
                context.start_batch(0)
        assert memory() is None
    finally:
        gc.enable()


def test_leaving_half_way_200_times_leaves_nothing_behind(small, new_threads):
    cache = PageCache(small, 8 * SMALL_PAGE)
    batches = batches_of(small, "in order", 10)
    files = open_files()
    for turn in range(200):
        with cache.schedule_epoch(batches) as context:
            for number in range(turn % (len(batches) - 1)):
                context.start_batch(number)
    assert (new_threads(), open_files()) == ([], files)
