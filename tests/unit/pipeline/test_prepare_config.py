"""What may be asked of a preparation."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from pipeline.config import PrepareConfig, SourceConfig


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"image_size": 7}, "image_size"),
        ({"image_size": "256"}, "image_size"),
        ({"write_mode": "smart"}, "write_mode"),
        ({"jpeg_quality": 101}, "jpeg_quality"),
        ({"shard_size": 0}, "shard_size"),
        ({"seed": -1}, "seed"),
        ({"workers": 0}, "workers"),
        ({"raw_fraction": 1.5, "write_mode": "proportion"}, "raw_fraction"),
        ({"chroma_subsampling": "4:2:2"}, "chroma_subsampling"),
        ({"exif": "maybe"}, "exif"),
        ({"max_pixels": 0}, "max_pixels"),
        ({"val_fraction": 1.0}, "val_fraction"),
        ({"max_quarantine": 1.1}, "max_quarantine"),
        ({"imagesize": 256}, "imagesize"),
    ],
)
def test_nonsense_is_refused_naming_the_field(values, field):
    with pytest.raises(ValidationError) as caught:
        PrepareConfig(**values)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_raw_fraction_without_a_proportion_is_refused_naming_both_fields():
    with pytest.raises(ValidationError, match=r"raw_fraction=0\.2 needs write_mode=proportion, not jpg"):
        PrepareConfig(raw_fraction=0.2)


def test_source_needs_a_path_and_a_known_type():
    with pytest.raises(ValidationError):
        SourceConfig(path="")
    with pytest.raises(ValidationError):
        SourceConfig(type="tape", path="/photos")


def test_what_the_control_plane_reads_is_light_and_the_stage_imports_neither_torch_nor_ray():
    script = (
        "import sys, pipeline.config, pipeline.errors, pipeline.shards.manifest, pipeline.shards.staging\n"
        "import pipeline.shards.statistics, pipeline.shards.pictures, pipeline.shards.quarantine\n"
        "assert not {'pyarrow', 'scipy', 'cv2'} & set(sys.modules)\n"
        "import pipeline.shards.prepare\n"
        "heavy = {'torch', 'ffcv', 'numba', 'ray'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
