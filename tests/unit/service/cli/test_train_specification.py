"""What `tandem train` makes of options and a YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.cli.errors import BadArgumentsError, BadSpecFileError
from service.cli.train import specification


def test_options_override_the_file_and_leave_the_rest_of_it(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("dataset: photos\nseed: 3\nrecipe: {preset: paper, learning_rate: 0.02}\n")
    spec = specification(file, dataset="others", recipe="quick", epochs=2, workers="4")
    assert spec == {
        "dataset": "others",
        "seed": 3,
        "recipe": {"preset": "quick", "learning_rate": 0.02, "epochs": 2},
        "resources": {"num_workers": 4},
    }


def test_workers_are_a_number_or_a_range() -> None:
    assert specification(None, dataset="photos", workers="1-4")["resources"] == {
        "elastic": {"min": 1, "max": 4}
    }
    for nonsense in ("", "many", "1-", "1-2-3"):
        with pytest.raises(BadArgumentsError, match="neither a number of workers nor a range such as 1-4"):
            specification(None, dataset="photos", workers=nonsense)


def test_options_alone_are_enough() -> None:
    spec = specification(None, dataset="photos", model="alexnet-tiny")
    assert spec == {"dataset": "photos", "model": {"preset": "alexnet-tiny"}}


def test_a_run_without_a_dataset_is_refused() -> None:
    with pytest.raises(BadArgumentsError, match="--dataset"):
        specification(None, epochs=3)


@pytest.mark.parametrize("text", ["dataset: [", "- photos", "", "photos", "\x00"])
def test_a_file_that_is_no_specification_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(BadSpecFileError, match=r"run\.yaml"):
        specification(file, dataset="photos")


def test_an_option_that_finds_no_mapping_to_go_into_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("dataset: photos\nmodel: alexnet\n")
    with pytest.raises(BadSpecFileError, match="model"):
        specification(file, model="alexnet-tiny")
