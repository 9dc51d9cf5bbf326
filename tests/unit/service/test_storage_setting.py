"""TANDEM_STORAGE: what it means for a folder, and that without it nothing is written otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config import SourceConfig
from service.domain.spec import DatasetSpec, Preparation
from service.settings import Settings


def test_a_folder_below_home_has_a_place_in_storage_and_no_other_has(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, storage="s3://bucket/prefix/")
    assert settings.storage_of(settings.datasets / "flowers") == "s3://bucket/prefix/datasets/flowers"
    assert settings.storage_of(Path("/elsewhere/flowers")) is None
    assert Settings(home=tmp_path).storage_of(settings.datasets / "flowers") is None
    assert Settings(home=tmp_path, storage="").storage is None


@pytest.mark.parametrize("url", ["https://bucket", "bucket/prefix", "s3://key:secret@bucket", "s3://a/../b"])
def test_what_is_no_place_in_storage_is_refused_without_its_credentials(url: str) -> None:
    with pytest.raises(ValidationError, match="give a URL of the form s3://bucket/prefix") as refused:
        Settings(storage=url)
    assert "secret" not in str(refused.value.errors()[0]["msg"])


def test_a_specification_names_storage_only_where_there_is_one() -> None:
    spec = DatasetSpec(name="flowers", source=SourceConfig(path="/photos"))
    assert "storage" not in Preparation(spec=spec, out="/out").model_dump(mode="json")
    url = "s3://bucket/datasets/flowers"
    order = Preparation(spec=spec, out="/out", storage=url)
    assert Preparation.model_validate_json(order.model_dump_json()).storage == url
