"""How long a server that is asked to end goes on with the requests it has accepted."""

from __future__ import annotations

import math
from typing import Final

from service.http.body import BODY_SECONDS

_TO_SEND_AN_ANSWER_SECONDS: Final = 5


def grace_seconds(request_seconds: float) -> int:
    """As long as a body may take to come, and the answer to it."""
    return math.ceil(BODY_SECONDS + request_seconds) + _TO_SEND_AN_ANSWER_SECONDS
