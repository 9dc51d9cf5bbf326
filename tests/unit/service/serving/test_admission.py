"""Only so many photos are on their way at a time, and who comes too many is told so at once."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.errors import OverloadedError
from service.serving.admission import Admission


def test_photos_beyond_the_limit_are_refused_and_room_comes_back() -> None:
    registry = CollectorRegistry()
    admission = Admission(4, Gauge("waiting", "Photos", registry=registry))
    with admission.admit(3):
        with pytest.raises(OverloadedError), admission.admit(2):
            pass
        with admission.admit(1):
            assert registry.get_sample_value("waiting") == 4
    with admission.admit(4):
        pass
    with pytest.raises(ValueError, match="own"), admission.admit(4):
        raise ValueError("the request's own")
    assert registry.get_sample_value("waiting") == 0
