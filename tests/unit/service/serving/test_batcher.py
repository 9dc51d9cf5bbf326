"""Photos of many requests go through the model together, and each request gets its own answer back."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import AnswerNotFiniteError
from service.serving.asked_photo import AskedPhoto, Question
from service.serving.batcher import Batcher, BatchLimits

BATCHES_WAIT_SECONDS = 30
GATHER_SECONDS = 0.3
# About a photo of this value the model below answers with NaN.
NO_NUMBER = 255


class Brightness:
    """A model whose answer for a photo is the photo's own value, so that mix-ups show."""

    image_size = 4

    def __init__(self, workers: int = 1) -> None:
        self.replicas = [self] * workers
        self.batch_sizes: list[int] = []
        self.alone: list[bool] = []
        self.threads: Counter[str] = Counter()
        self.begun = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def answers(
        self, photos_NSS3: NDArray[np.uint8], question: Question, *, alone: bool
    ) -> NDArray[np.float32]:
        self.begun += 1
        assert self.may_go_on.wait(BATCHES_WAIT_SECONDS)
        self.batch_sizes.append(len(photos_NSS3))
        self.threads[threading.current_thread().name] += 1
        self.alone.append(alone)
        values_N = photos_NSS3[:, 0, 0, 0].astype(np.float32)
        values_N[values_N == NO_NUMBER] = np.nan
        if question is Question.EMBEDDING:
            values_N = -values_N
        return np.stack([values_N, np.full(len(photos_NSS3), question.views)], axis=1)


async def has_begun(model: Brightness, batches: int) -> None:
    """Waits until so many are at work, or were."""
    async with asyncio.timeout(BATCHES_WAIT_SECONDS):
        while model.begun < batches:
            await asyncio.sleep(0.005)


class Broken:
    image_size = 4

    def __init__(self) -> None:
        self.replicas = [self]

    def answers(
        self, photos_NSS3: NDArray[np.uint8], question: Question, *, alone: bool
    ) -> NDArray[np.float32]:
        raise MemoryError("no room for this batch")


def photo(value: int) -> NDArray[np.uint8]:
    return np.full((4, 4, 3), value, dtype=np.uint8)


class Asking:
    """A batcher, asked as requests ask it."""

    def __init__(self, limits: BatchLimits, coming: float, workers: int) -> None:
        self._taken = 0
        self.batcher = Batcher(limits, more_coming=lambda: self._taken < coming, workers=workers)

    async def ask(
        self,
        model: Brightness | Broken,
        photos: list[NDArray[np.uint8]],
        question: Question,
        decoded_seconds_ago: float = 0.0,
    ) -> list[NDArray[np.float32]]:
        asked = [AskedPhoto(b"", "photo", model, question) for _ in photos]
        for each, square in zip(asked, photos, strict=True):
            each.square, each.decoded_at = square, time.perf_counter() - decoded_seconds_ago
            self._taken += 1
            self.batcher.take(each)
        return await asyncio.gather(*(each.answer for each in asked))


def within(
    limits: BatchLimits, work: Callable[[Asking], Awaitable[None]], *, coming: float = 0, workers: int = 1
) -> None:
    """Photos are still being decoded until so many have come."""

    async def run() -> None:
        asking = Asking(limits, coming, workers)
        try:
            await work(asking)
        finally:
            await asyncio.to_thread(asking.batcher.close)

    asyncio.run(run())


def test_each_request_gets_the_answers_to_its_own_photos_in_their_order() -> None:
    model = Brightness()

    async def work(batcher: Asking) -> None:
        requests = [[number, number + 100] for number in range(50)]
        answers = await asyncio.gather(
            *(
                batcher.ask(model, [photo(value) for value in values], Question.ONE_VIEW)
                for values in requests
            )
        )
        assert [[answer[0] for answer in request] for request in answers] == requests

    within(BatchLimits(views_per_batch=8), work)
    assert max(model.batch_sizes) <= 8
    assert sum(model.batch_sizes) == 100


def test_what_arrives_while_the_model_works_goes_through_it_together() -> None:
    model = Brightness()
    model.may_go_on.clear()

    async def work(batcher: Asking) -> None:
        first = asyncio.create_task(batcher.ask(model, [photo(0)], Question.ONE_VIEW))
        await has_begun(model, 1)
        rest = [asyncio.create_task(batcher.ask(model, [photo(n)], Question.ONE_VIEW)) for n in range(1, 6)]
        await asyncio.sleep(0.05)
        model.may_go_on.set()
        await asyncio.gather(first, *rest)

    within(BatchLimits(), work)
    assert model.batch_sizes == [1, 5]


def test_photos_still_being_decoded_are_waited_for_a_little() -> None:
    model = Brightness()

    async def work(batcher: Asking) -> None:
        first = asyncio.create_task(batcher.ask(model, [photo(1)], Question.ONE_VIEW))
        await asyncio.sleep(0)
        second = asyncio.create_task(batcher.ask(model, [photo(2)], Question.ONE_VIEW))
        await asyncio.gather(first, second)

    within(BatchLimits(wait_seconds=GATHER_SECONDS), work, coming=math.inf)
    assert model.batch_sizes == [2]


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_waited_for_once_a_batch_is_full(workers: int) -> None:
    model = Brightness(workers)

    async def work(batcher: Asking) -> None:
        async with asyncio.timeout(BATCHES_WAIT_SECONDS):
            await batcher.ask(model, [photo(n) for n in range(8)], Question.ONE_VIEW)

    within(BatchLimits(views_per_batch=4, wait_seconds=1e6), work, coming=math.inf, workers=workers)
    assert model.batch_sizes == [4, 4]


def test_a_photo_that_has_waited_its_time_already_is_not_made_to_wait_again() -> None:
    model = Brightness()

    async def work(batcher: Asking) -> None:
        async with asyncio.timeout(BATCHES_WAIT_SECONDS):
            await batcher.ask(model, [photo(1)], Question.ONE_VIEW, decoded_seconds_ago=2e6)

    within(BatchLimits(wait_seconds=1e6), work, coming=math.inf)
    assert model.batch_sizes == [1]


def test_ten_views_fill_a_batch_ten_times_as_fast_and_never_mix_with_one() -> None:
    model = Brightness()

    async def work(batcher: Asking) -> None:
        ten = batcher.ask(model, [photo(value) for value in range(6)], Question.TEN_VIEWS)
        one = batcher.ask(model, [photo(value) for value in range(6)], Question.ONE_VIEW)
        tens, ones = await asyncio.gather(ten, one)
        assert [answer.tolist() for answer in tens] == [[value, 10] for value in range(6)]
        assert [answer.tolist() for answer in ones] == [[value, 1] for value in range(6)]

    within(BatchLimits(views_per_batch=20, wait_seconds=GATHER_SECONDS), work, coming=math.inf)
    assert sorted(model.batch_sizes) == [2, 2, 2, 6]


def test_two_models_share_one_thread_and_no_batch() -> None:
    bright, dark = Brightness(), Brightness()

    async def work(batcher: Asking) -> None:
        await asyncio.gather(
            *(batcher.ask(model, [photo(n)], Question.ONE_VIEW) for n in range(4) for model in (bright, dark))
        )

    within(BatchLimits(), work)
    assert sum(bright.batch_sizes) == sum(dark.batch_sizes) == 4
    assert len(bright.threads | dark.threads) == 1


def test_an_answer_that_is_no_number_is_refused_and_its_neighbours_are_not() -> None:
    model = Brightness()

    async def work(batcher: Asking) -> None:
        asked = [batcher.ask(model, [photo(value)], Question.ONE_VIEW) for value in (1, NO_NUMBER, 3)]
        first, second, third = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(second, AnswerNotFiniteError)
        assert "ask another version" in str(second)
        assert not isinstance(first, BaseException)
        assert not isinstance(third, BaseException)
        assert (first[0][0], third[0][0]) == (1, 3)
        with pytest.raises(AnswerNotFiniteError):
            await batcher.ask(model, [photo(NO_NUMBER)], Question.ONE_VIEW)

    within(BatchLimits(), work)


def test_a_batch_that_fails_fails_its_requests_and_no_others() -> None:
    model = Brightness()

    async def work(batcher: Asking) -> None:
        with pytest.raises(MemoryError):
            await batcher.ask(Broken(), [photo(1), photo(2)], Question.ONE_VIEW)
        (answer,) = await batcher.ask(model, [photo(3)], Question.ONE_VIEW)
        assert answer[0] == 3

    within(BatchLimits(), work)


def test_a_request_that_went_away_does_not_take_its_neighbours_along() -> None:
    model = Brightness()
    model.may_go_on.clear()

    async def work(batcher: Asking) -> None:
        gone = asyncio.create_task(batcher.ask(model, [photo(1)], Question.ONE_VIEW))
        stays = asyncio.create_task(batcher.ask(model, [photo(2)], Question.ONE_VIEW))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0)
        model.may_go_on.set()
        (answer,) = await stays
        assert answer[0] == 2

    within(BatchLimits(), work)


def test_an_embedding_and_a_probability_are_never_asked_for_in_one_batch() -> None:
    model = Brightness()

    async def work(batcher: Asking) -> None:
        asked = [
            batcher.ask(model, [photo(n)], question)
            for n in range(1, 4)
            for question in (Question.ONE_VIEW, Question.EMBEDDING)
        ]
        found = [answer[0] for (answer,) in await asyncio.gather(*asked)]
        assert found == [1, -1, 2, -2, 3, -3]

    within(BatchLimits(wait_seconds=GATHER_SECONDS), work, coming=math.inf)
    assert model.batch_sizes == [3, 3]


def test_photos_of_those_who_have_all_gone_are_not_looked_at() -> None:
    model = Brightness()
    model.may_go_on.clear()

    async def work(batcher: Asking) -> None:
        first = asyncio.create_task(batcher.ask(model, [photo(0)], Question.ONE_VIEW))
        await has_begun(model, 1)
        gone = [asyncio.create_task(batcher.ask(model, [photo(n)], Question.ONE_VIEW)) for n in (1, 2)]
        await asyncio.sleep(0.05)
        for each in gone:
            each.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        model.may_go_on.set()
        await first
        (answer,) = await batcher.ask(model, [photo(3)], Question.ONE_VIEW)
        assert answer[0] == 3

    within(BatchLimits(), work)
    assert model.batch_sizes == [1, 1]


class Together(Brightness):
    """Answers once as many workers as it has replicas are at work."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self._all = threading.Barrier(workers)

    def answers(
        self, photos_NSS3: NDArray[np.uint8], question: Question, *, alone: bool
    ) -> NDArray[np.float32]:
        self._all.wait(BATCHES_WAIT_SECONDS)
        return super().answers(photos_NSS3, question, alone=alone)


def test_workers_divide_what_waits_and_answer_it_at_once() -> None:
    model = Together(workers=3)

    async def work(batcher: Asking) -> None:
        answers = await asyncio.gather(*(batcher.ask(model, [photo(n)], Question.ONE_VIEW) for n in range(7)))
        assert [answer[0] for (answer,) in answers] == list(range(7))

    within(BatchLimits(wait_seconds=GATHER_SECONDS), work, coming=7, workers=3)
    assert sorted(model.batch_sizes) == [2, 2, 3]
    assert len(model.threads) == 3
    assert sum(model.alone) <= 1


def test_a_worker_is_told_whether_it_is_alone() -> None:
    model = Brightness(workers=2)

    async def work(batcher: Asking) -> None:
        model.may_go_on.clear()
        first = asyncio.create_task(batcher.ask(model, [photo(1)], Question.ONE_VIEW))
        await has_begun(model, 1)
        second = asyncio.create_task(batcher.ask(model, [photo(2)], Question.ONE_VIEW))
        await has_begun(model, 2)
        model.may_go_on.set()
        await asyncio.gather(first, second)

    within(BatchLimits(), work, workers=2)
    assert sorted(model.alone) == [False, True]


def test_photos_that_come_one_by_one_are_answered_by_one_worker() -> None:
    model = Brightness(workers=3)

    async def work(batcher: Asking) -> None:
        for value in range(40):
            while len(batcher.batcher._idle) < 3:
                await asyncio.sleep(0.001)
            await batcher.ask(model, [photo(value)], Question.ONE_VIEW)

    within(BatchLimits(), work, workers=3)
    assert model.alone == [True] * 40
    assert list(model.threads.values()) == [40]
