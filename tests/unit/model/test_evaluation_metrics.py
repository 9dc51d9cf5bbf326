"""Errors and losses against counts made by hand."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

from model.errors import NothingEvaluatedError
from model.learning.metrics import Evaluation, evaluate_logits


def test_errors_are_counted_as_by_sorting() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NK = torch.randn(50, 12, generator=generator, dtype=torch.float64)
    labels_N = torch.randint(12, (50,), generator=generator)
    ranked = [sorted(range(12), key=lambda k: -row[k]) for row in logits_NK.tolist()]
    labels = labels_N.tolist()
    losses = [
        math.log(sum(math.exp(value) for value in row)) - row[label]
        for row, label in zip(logits_NK.tolist(), labels, strict=True)
    ]
    found = evaluate_logits(logits_NK, labels_N)
    assert found.samples == 50
    assert found.top1_errors == sum(label != best[0] for best, label in zip(ranked, labels, strict=True))
    assert found.top5_errors == sum(label not in best[:5] for best, label in zip(ranked, labels, strict=True))
    assert found.loss == pytest.approx(sum(losses) / 50)


def test_with_fewer_than_five_classes_none_is_outside_the_top_five() -> None:
    found = evaluate_logits(torch.eye(3), torch.tensor([1, 2, 0]))
    assert (found.top1_error, found.top5_error) == (1.0, 0.0)


def test_evaluations_of_parts_add_up_to_that_of_the_whole() -> None:
    logits_NK = torch.randn(9, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels_N = torch.arange(9) % 6
    parts = evaluate_logits(logits_NK[:4], labels_N[:4]) + evaluate_logits(logits_NK[4:], labels_N[4:])
    whole = evaluate_logits(logits_NK, labels_N)
    assert (parts.samples, parts.top1_errors, parts.top5_errors) == (9, whole.top1_errors, whole.top5_errors)
    assert parts.loss == pytest.approx(whole.loss)
    assert parts + Evaluation() == parts


@pytest.mark.parametrize("mean", ["loss", "top1_error", "top5_error"])
def test_means_over_no_photos_are_refused_saying_what_to_do(mean: str) -> None:
    nothing = evaluate_logits(torch.empty(0, 6), torch.empty(0, dtype=torch.int64))
    assert nothing == Evaluation()
    with pytest.raises(
        NothingEvaluatedError, match=r"no photo .* damaged; prepare the dataset again"
    ) as refusal:
        getattr(nothing, mean)
    assert str(pickle.loads(pickle.dumps(refusal.value))) == str(refusal.value)
