"""What a run was made complete to, as the API tells it."""

from __future__ import annotations

import shutil

import pytest

from model.learning.presets import PRESETS
from model.learning.recipe import RecipeConfig
from service.client import ApiError, Client
from service.domain.resolved_run import Allocation


@pytest.mark.parametrize("recipe", PRESETS)
def test_it_has_every_field_that_the_presets_stand_for(live_server, head, tmp_path, recipe: str) -> None:
    server = live_server(tmp_path / "home", f"sqlite:///{tmp_path / 'tandem.db'}", head.url)
    server.add_dataset("photos")
    spec = {"dataset": "photos", "model": {"preset": "alexnet-tiny", "dropout": 0.25}}
    with Client(server.url) as client:
        asked = client.runs.create({**spec, "recipe": {"preset": recipe, "global_batch_size": 32}})
        found = client.runs.resolved(asked.id)
    assert found.run_id == asked.id
    assert found.spec.model_dump(mode="json") == asked.spec
    assert found.recipe == RecipeConfig.preset(recipe, global_batch_size=32)
    assert (found.model.num_classes, found.model.dropout) == (2, 0.25)
    assert found.dataset.checksum == server.plane.datasets.get("photos").manifest.checksum
    assert found.allocation == Allocation(num_workers=1, cpus_per_worker=1, gpus_per_worker=0, min_workers=1)
    assert {"tandem", "torch"} <= found.versions.keys()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_a_folder_that_does_not_tell_is_said_to_be_lost(server, client: Client, text: str | None) -> None:
    job = server.begin_run()
    if text is None:
        shutil.rmtree(job.work.path)
    else:
        job.work.specification.write_text(text)
    with pytest.raises(ApiError) as refused:
        client.runs.resolved(job.id)
    assert (refused.value.status, refused.value.code) == (404, "folder_lost")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_disk_that_is_away_is_another_thing(server, client: Client) -> None:
    job = server.begin_run()
    server.settings.runs.rename(server.settings.runs.with_name("unmounted"))
    with pytest.raises(ApiError) as refused:
        client.runs.resolved(job.id)
    assert (refused.value.status, refused.value.code) == (503, "storage_unavailable")
