"""What a reproduction leaves behind as JSON: settings, curves, figures and verdicts."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from pipeline.shards.manifest import Manifest
from service.reproduction.claim import Claim, FormName
from service.reproduction.measures import Measure
from service.reproduction.reproduction import ArmResult, LearningRateTrial, Setting
from service.reproduction.verdict import SeedVerdict, Spread, Verdict, figures


def measures_of(claim: Claim) -> list[Measure]:
    """What is measured for a claim, each once."""
    return list(dict.fromkeys(comparison.measure for comparison in claim.comparisons))


def document(
    name: str,
    claim: Claim,
    form: FormName,
    setting: Setting,
    results: Mapping[str, ArmResult],
    verdicts: Sequence[Verdict],
    seconds: float,
) -> dict[str, Any]:
    """Fit for JSON. `direction_shown` is whether every seed shows every comparison's direction."""
    return {
        "claim": name,
        "title": claim.title,
        "section": claim.section,
        "paper": claim.paper,
        "choices": claim.choices,
        "form": form,
        "direction_shown": all(each.shown for each in verdicts),
        "comparisons": [_comparison(each) for each in verdicts],
        "seeds": list(setting.seeds),
        "threads": setting.num_threads,
        "photos": _photos(setting),
        "arms": [_arm(result, measures_of(claim)) for result in results.values()],
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("tandem", "torch", "numpy", "ffcv")},
        },
        "machine": {"processor": platform.machine(), "cpus": os.cpu_count()},
        "seconds": seconds,
    }


def _photos(setting: Setting) -> dict[str, Any]:
    manifest = Manifest.load(setting.dataset)
    return {
        "dataset": str(setting.dataset),
        "checksum": manifest.checksum,
        "image_size": manifest.image_size,
        "classes": len(manifest.classes),
        "train": manifest.splits["train"].num_samples,
        "test": manifest.splits["val"].num_samples,
    }


def _arm(result: ArmResult, measures: Sequence[Measure]) -> dict[str, Any]:
    of_measure = {measure.label: figures(result, measure) for measure in measures}
    return {
        "name": result.name,
        "model": result.model.model_dump(mode="json"),
        "recipe": result.recipe.model_dump(mode="json"),
        "learning_rate_trials": [_trial(trial) for trial in result.trials],
        "figures": {label: asdict(Spread.of(found)) for label, found in of_measure.items()},
        "runs": [
            {
                "seed": run.seed,
                "seconds": run.seconds,
                "figures": {label: asdict(found[number]) for label, found in of_measure.items()},
                "curve": [asdict(point) for point in run.curve],
            }
            for number, run in enumerate(result.runs)
        ],
    }


def _trial(trial: LearningRateTrial) -> dict[str, Any]:
    return {
        "learning_rate": trial.learning_rate,
        "diverged": None if trial.diverged is None else str(trial.diverged),
        "seed": trial.run.seed,
        "seconds": trial.run.seconds,
        "curve": [asdict(point) for point in trial.run.curve],
    }


def _comparison(verdict: Verdict) -> dict[str, Any]:
    comparison = verdict.comparison
    return {
        "measure": comparison.measure.label,
        "less": comparison.less,
        "more": comparison.more,
        "paper": comparison.paper,
        "shown": verdict.shown,
        "difference": asdict(Spread.of([each.difference for each in verdict.seeds])),
        "seeds": [_seed(each) for each in verdict.seeds],
    }


def _seed(verdict: SeedVerdict) -> dict[str, Any]:
    ratio = verdict.ratio
    return {
        **asdict(verdict),
        "difference": asdict(verdict.difference),
        "ratio": None if ratio is None else asdict(ratio),
        "shown": verdict.shown,
    }
