"""Photos come in their order, however many are on their way at a time."""

from __future__ import annotations

import itertools
import threading

import pytest

from pipeline.errors import UnusablePhotoError
from pipeline.photos.sources.base import Photo
from pipeline.shards.photo_reads import photo_reads

PHOTOS = [Photo(f"a/{number}", "a", 1) for number in range(30)]


class SlowSource:
    """Gives a photo's number, and the later of two photos first; some cannot be read."""

    def __init__(self, reads_at_once):
        self.reads_at_once = reads_at_once
        self.begun = itertools.count()
        self._later = {place: threading.Event() for place in range(len(PHOTOS) + 1)}

    def read(self, photo):
        next(self.begun)
        number = int(photo.path[2:])
        self._later[number].set()
        if self.reads_at_once > 1 and number % 2 == 0:
            self._later[number + 1].wait(30)
        if number % 7 == 3:
            raise UnusablePhotoError("unreadable", str(number))
        return str(number).encode()


@pytest.mark.parametrize("reads_at_once", [1, 2, 5, 100])
def test_photos_and_errors_come_in_order(reads_at_once):
    found = []
    for read in photo_reads(SlowSource(reads_at_once), PHOTOS):
        try:
            found.append(read())
        except UnusablePhotoError as error:
            found.append(error.args)
    expected = [("unreadable", str(n)) if n % 7 == 3 else str(n).encode() for n in range(30)]
    assert found == expected


@pytest.mark.parametrize(("reads_at_once", "most"), [(1, 3), (4, 7)])
def test_no_more_is_read_ahead_than_is_to_be_at_once(reads_at_once, most, new_threads):
    source = SlowSource(reads_at_once)
    reads = photo_reads(source, PHOTOS)
    for _ in range(3):
        next(reads)()
    reads.close()
    assert next(source.begun) <= most
    assert new_threads() == []
