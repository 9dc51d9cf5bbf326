"""The folder of models: names, versions, aliases that move, and nothing outside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model.config import ModelConfig
from model.errors import BadCheckpointError
from model.published import ColourStatistics, DatasetOrigin, Label, PublishedModel
from service.errors import ConflictError, InvalidSpecError, NotFoundError
from service.store.models import ModelStore

NOT_NAMES = ["..", ".", "", ".candidate-" + "0" * 32, "a/../b", "/etc", "a\n", "x" * 65]


def describe(name: str) -> PublishedModel:
    labels = tuple(Label(index=index, id=f"n{index}", name=f"class {index}") for index in range(2))
    return PublishedModel(
        name=name,
        version=0,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        architecture=ModelConfig.preset("alexnet-tiny", num_classes=2),
        image_size=72,
        labels=labels,
        statistics=ColourStatistics(
            channel_mean=(1, 2, 3),
            pca_eigenvalues=(3, 2, 1),
            pca_eigenvectors=((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        ),
        dataset=DatasetOrigin(name="photos", checksum="0" * 32),
        metrics={},
        run_id="run-1",
        step=3,
        weights_sha256="0" * 64,
    )


def add_version(store: ModelStore, name: str) -> int:
    with store.candidate() as candidate:
        (candidate / "weights.safetensors").write_bytes(b"weights")
        return store.adopt(candidate, describe(name)).version


@pytest.fixture
def models_root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def folder_store(models_root: Path) -> ModelStore:
    return ModelStore(models_root)


def test_an_empty_store_has_no_names_and_no_default(folder_store: ModelStore) -> None:
    assert folder_store.names() == []
    with pytest.raises(NotFoundError):
        folder_store.default_model()


def test_versions_count_from_one_and_past_nine_in_order(folder_store: ModelStore, models_root: Path) -> None:
    assert [add_version(folder_store, "a") for _ in range(11)] == list(range(1, 12))
    assert folder_store.versions("a") == list(range(1, 12))
    assert folder_store.read("a", 11) == describe("a").model_copy(update={"version": 11})
    assert folder_store.folder("a", 10) == models_root / "a" / "10"


def test_a_candidate_is_seen_by_nobody_and_gone_unless_adopted(
    folder_store: ModelStore, models_root: Path
) -> None:
    with folder_store.candidate() as candidate:
        (candidate / "weights.safetensors").write_bytes(b"half")
        assert folder_store.names() == []
        assert folder_store.candidate_folder(candidate.name) == candidate
    assert list(models_root.iterdir()) == []


def test_what_is_meant_by_a_number_an_alias_and_nothing(folder_store: ModelStore) -> None:
    for _ in range(3):
        add_version(folder_store, "a")
    assert folder_store.resolve("a") == 3, "the newest, while nothing is in production"
    folder_store.set_alias("a", "production", 2)
    folder_store.set_alias("a", "trial", 1)
    assert folder_store.resolve("a") == folder_store.resolve("a", "production") == 2
    assert (
        folder_store.resolve("a", "trial") == folder_store.resolve("a", "1") == folder_store.resolve("a", 1)
    )


@pytest.mark.parametrize("wanted", [0, 4, "0", "4", "-1", "01", "absent", "../b/1", "٣"])
def test_a_version_that_is_not_there_is_not_found(folder_store: ModelStore, wanted: int | str) -> None:
    for name in ("a", "b"):
        add_version(folder_store, name)
    with pytest.raises(NotFoundError):
        folder_store.resolve("a", wanted)


def test_an_alias_moves_and_moves_back_and_goes(folder_store: ModelStore) -> None:
    add_version(folder_store, "a")
    add_version(folder_store, "a")
    for version in (2, 1):
        folder_store.set_alias("a", "production", version)
        assert folder_store.aliases("a")["production"].version == version
    folder_store.remove_alias("a", "production")
    assert folder_store.aliases("a") == {}
    with pytest.raises(NotFoundError):
        folder_store.remove_alias("a", "production")


def test_an_alias_names_only_what_is_there(folder_store: ModelStore) -> None:
    add_version(folder_store, "a")
    with pytest.raises(NotFoundError):
        folder_store.set_alias("a", "production", 2)
    with pytest.raises(NotFoundError):
        folder_store.set_alias("b", "production", 1)
    with pytest.raises(InvalidSpecError):
        folder_store.set_alias("a", "1", 1)


def test_the_default_is_the_one_last_put_in_production_unless_configured(
    folder_store: ModelStore, models_root: Path
) -> None:
    for name in ("a", "b"):
        add_version(folder_store, name)
        folder_store.set_alias(name, "production", 1)
    assert folder_store.default_model() == "b"
    folder_store.set_alias("a", "production", 1)
    assert folder_store.default_model() == "a"
    folder_store.remove_alias("a", "production")
    assert folder_store.default_model() == "b"
    assert ModelStore(models_root, default_name="c").default_model() == "c"


def test_a_version_goes_once_no_alias_means_it_and_its_number_is_not_given_again(
    folder_store: ModelStore, models_root: Path
) -> None:
    for _ in range(2):
        add_version(folder_store, "a")
    folder_store.set_alias("a", "production", 2)
    folder_store.set_alias("a", "trial", 2)
    with pytest.raises(ConflictError, match="production, trial"):
        folder_store.remove_version("a", 2)
    for alias in ("production", "trial"):
        folder_store.set_alias("a", alias, 1)
    folder_store.remove_version("a", 2)
    assert folder_store.versions("a") == [1]
    with pytest.raises(NotFoundError):
        folder_store.remove_version("a", 2)
    assert add_version(folder_store, "a") == 3
    assert [entry.name for entry in models_root.iterdir()] == ["a"]


def test_of_an_alias_and_a_removal_at_once_one_is_refused(folder_store: ModelStore) -> None:
    add_version(folder_store, "a")
    for _ in range(30):
        version = add_version(folder_store, "a")
        with ThreadPoolExecutor(2) as threads:
            asked = [
                threads.submit(folder_store.set_alias, "a", "production", version),
                threads.submit(folder_store.remove_version, "a", version),
            ]
        errors = [each.exception() for each in asked]
        assert [type(error) for error in errors if error] in ([ConflictError], [NotFoundError])
        assert folder_store.resolve("a") in folder_store.versions("a")


def test_of_two_removals_at_once_one_finds_nothing(folder_store: ModelStore) -> None:
    for _ in range(30):
        version = add_version(folder_store, "a")
        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(folder_store.remove_version, "a", version) for _ in range(2)]
        assert [type(error) for each in asked if (error := each.exception())] == [NotFoundError]


def test_aliases_set_at_once_are_all_kept(folder_store: ModelStore) -> None:
    add_version(folder_store, "a")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: folder_store.set_alias("a", f"alias-{n}", 1), range(40)))
    assert len(folder_store.aliases("a")) == 40


@pytest.mark.parametrize("name", NOT_NAMES)
def test_what_cannot_be_a_name_is_no_model_and_becomes_none(
    folder_store: ModelStore, models_root: Path, name: str
) -> None:
    add_version(folder_store, "a")
    for ask in (folder_store.versions, folder_store.resolve, folder_store.aliases):
        with pytest.raises(NotFoundError):
            ask(name)
    with pytest.raises(InvalidSpecError):
        add_version(folder_store, name)
    assert [entry.name for entry in models_root.iterdir()] == ["a"]


@pytest.mark.parametrize("candidate", ["..", "a", ".candidate-../a", ".candidate-" + "g" * 32])
def test_what_is_no_candidate_is_not_found(folder_store: ModelStore, candidate: str) -> None:
    add_version(folder_store, "a")
    with pytest.raises(NotFoundError):
        folder_store.candidate_folder(candidate)


def test_a_version_that_is_removed_while_all_are_read_is_left_out(
    folder_store: ModelStore, models_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        add_version(folder_store, "pets")
    read = folder_store.read

    def read_as_another_removes(name: str, version: int) -> PublishedModel:
        if version == 2:
            ModelStore(models_root).remove_version("pets", 2)
        return read(name, version)

    monkeypatch.setattr(folder_store, "read", read_as_another_removes)
    assert [published.version for published in folder_store.read_all("pets")] == [1, 3]
    (models_root / "pets" / "3" / "model.json").write_text("{")
    with pytest.raises(BadCheckpointError):
        folder_store.read_all("pets")
