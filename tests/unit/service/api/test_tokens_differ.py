"""The token that may do everything and the one that may only read are two."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from service.settings import Settings


def test_the_same_token_for_both_is_refused_naming_both() -> None:
    with pytest.raises(ValidationError, match="TANDEM_TOKEN and TANDEM_METRICS_TOKEN are the same"):
        Settings(token=SecretStr("one"), metrics_token=SecretStr("one"))
