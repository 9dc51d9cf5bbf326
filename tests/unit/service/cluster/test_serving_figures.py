"""What serving replicas tell Prometheus is read, and counts together: answers by version, and what waits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from serving_replica import Replica, told_by

from service.cluster import serving as serving_module
from service.cluster.serving import ServingClient
from service.cluster.serving_figures import ServingFigures, Version
from service.domain.latency import Latency
from service.errors import ServingUnreachableError


@pytest.fixture
def running() -> Iterator[ExitStack]:
    with ExitStack() as running:
        yield running


def client_of(running: ExitStack, monkeypatch: pytest.MonkeyPatch, *replicas: str) -> ServingClient:
    """As if the name of serving had the addresses of all replicas."""
    client = running.enter_context(closing(ServingClient(replicas[0], request_seconds=30)))
    monkeypatch.setattr(client._replicas, "all", lambda: list(replicas))
    return client


def test_all_that_was_asked_of_a_version_counts_together() -> None:
    told = ServingFigures.read(told_by(classify_1=[0.0015, 0.015], embed_1=[0.4], classify_12=[60.0]))
    assert told.photos_waiting == 2
    assert told.latencies.keys() == {Version("flowers", 1), Version("flowers", 12)}
    first = told.latencies[Version("flowers", 1)]
    assert (first.count, first.sum_seconds) == (3, pytest.approx(0.4165))
    assert {bound: first.up_to[bound] for bound in (0.002, 0.01, 0.02, 0.2, 0.5, math.inf)} == {
        0.002: 1,
        0.01: 1,
        0.02: 2,
        0.2: 2,
        0.5: 3,
        math.inf: 3,
    }
    assert told.latencies[Version("flowers", 12)].quantile(0.5) == 30, "the last bound there is"


def test_without_an_answer_so_far_there_is_no_version() -> None:
    assert ServingFigures.read(told_by()) == ServingFigures({}, 2)


def test_one_that_does_not_answer_as_serving_does_hides_none_of_the_others(
    running: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicas = [
        Replica(told_by(classify_1=[0.3])),
        Replica(told_by(classify_1=[0.4], classify_2=[0.1])),
        Replica("<html>"),
        Replica("begins", code=503),
    ]
    for replica in replicas:
        running.callback(replica.close)
    gone = "http://127.0.0.1:1"
    good, other, strange, beginning = (replica.url for replica in replicas)
    found = client_of(running, monkeypatch, good, other, strange, beginning, gone).figures()
    assert list(found) == [good, other, strange, beginning, gone]
    told = [each for each in found.values() if isinstance(each, ServingFigures)]
    together = sum(told, ServingFigures())
    assert together.photos_waiting == 4
    first, second = (together.latencies[Version("flowers", number)] for number in (1, 2))
    assert (first.count, second.count) == (2, 1)
    assert first.mean_seconds == pytest.approx(0.35)
    assert "answered 200 to /metrics: <html>" in str(found[strange])
    assert "answered 503 to /metrics: begins" in str(found[beginning])
    assert "is it running?" in str(found[gone])


def test_where_none_answers_it_is_said(running: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_module, "ASKED_TOGETHER", 1)
    with pytest.raises(ServingUnreachableError, match="is it running"):
        client_of(running, monkeypatch, "http://127.0.0.1:1", "http://127.0.0.2:1").figures()


def test_a_latency_is_what_its_histogram_says() -> None:
    text = told_by(classify_1=[0.001] * 3 + [0.003])
    (latency,) = ServingFigures.read(text).latencies.values()
    assert latency == Latency(
        pytest.approx(0.006),
        {0.002: 3, **dict.fromkeys([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, math.inf], 4)},
    )
    # The 2nd of the 3 answers between 0 and 2 ms.
    assert latency.quantile(0.5) == pytest.approx(0.002 * 2 / 3)
