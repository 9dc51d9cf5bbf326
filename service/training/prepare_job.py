"""The preparation of a dataset as a Ray job: the same stage as `tandem prepare`, reporting to its folder."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from pipeline.shards.prepare import prepare
from service.domain.events import PrepareLine
from service.domain.job_folder import JobFolder, now
from service.domain.spec import Preparation
from service.training.job import job
from service.training.progress import LineFile


def main() -> None:
    """`tandem-prepare-job FOLDER`"""
    folder = JobFolder(Path(sys.argv[1]))
    with job(folder):
        order = Preparation.model_validate_json(folder.specification.read_text())
        spec, out = order.spec, Path(order.out)
        lines = LineFile(folder.progress)
        stage = prepare(
            spec.source, out, spec.prepare_config, name=spec.name, val=spec.val, storage=order.storage
        )
        # Closed, the stage leaves nothing at work, whatever ends this job.
        with closing(stage):
            for progress in stage:
                lines.append(PrepareLine(at=now(), **asdict(progress)))
        lines.close()
