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
        ({"val_fraction": 1.0}, "val_fraction"),
        ({"max_quarantine": 1.1}, "max_quarantine"),
        ({"imagesize": 256}, "imagesize"),
    ],
)
def test_nonsense_is_refused_naming_the_field(values, field):
    with pytest.raises(ValidationError) as caught:
        PrepareConfig(**values)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_source_needs_a_path_and_a_known_type():
    with pytest.raises(ValidationError):
        SourceConfig(path="")
    with pytest.raises(ValidationError):
        SourceConfig(type="tape", path="/photos")


def test_config_and_manifest_import_neither_torch_nor_ffcv():
    script = (
        "import sys, pipeline.config, pipeline.errors, pipeline.shards.manifest, pipeline.shards.prepare\n"
        "heavy = {'torch', 'ffcv', 'numba', 'ray', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
