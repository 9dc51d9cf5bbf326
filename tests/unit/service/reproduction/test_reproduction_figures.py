"""What is read off curves, and when the paper's direction counts as shown: against curves made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from model.config import ModelConfig
from model.errors import DivergedError
from model.learning.recipe import RecipeConfig
from service.reproduction.claim import Comparison
from service.reproduction.claims import CLAIMS
from service.reproduction.curve import Point
from service.reproduction.measures import EpochsToTrainError, Figure, FinalGap, FinalTestError
from service.reproduction.plot import plot_curves
from service.reproduction.reproduction import ArmResult, LearningRateTrial, SeededRun, fastest
from service.reproduction.verdict import Spread, verdict

QUARTER = EpochsToTrainError(0.25)


def curve(*train_errors: float, test_error: float = 0.5) -> list[Point]:
    return [
        Point(epoch, 10 * epoch, None if epoch == 0 else 1.0, error, test_error)
        for epoch, error in enumerate(train_errors)
    ]


def arm(name: str, *curves: list[Point]) -> ArmResult:
    model = ModelConfig.preset("cifar-4layer", num_classes=10)
    recipe = RecipeConfig.preset("quick")
    runs = [SeededRun(seed, points, 1.0) for seed, points in enumerate(curves)]
    return ArmResult(name, model, recipe, [], runs)


@pytest.mark.parametrize(
    ("train_errors", "epochs"),
    [
        ((0.9, 0.5, 0.25, 0.1), 2.0),
        ((0.9, 0.45, 0.05), 1.5),
        ((0.85, 0.05), 0.75),
        ((0.2, 0.1), 0.0),
        # What counts is the first time.
        ((0.9, 0.3, 0.2, 0.4, 0.1), 1.5),
    ],
)
def test_epochs_to_an_error_lie_on_the_line_between_two_evaluations(
    train_errors: tuple[float, ...], epochs: float
) -> None:
    figure = QUARTER.of(curve(*train_errors))
    assert math.isclose(figure.value, epochs)
    assert not figure.at_least


def test_an_error_never_reached_takes_at_least_all_epochs() -> None:
    assert QUARTER.of(curve(0.9, 0.6, 0.4, 0.3)) == Figure(3, at_least=True)


def test_final_figures_are_those_of_the_last_point() -> None:
    points = [*curve(0.9, 0.4), Point(2, 20, 0.5, 0.125, 0.375)]
    assert FinalTestError().of(points) == Figure(0.375)
    assert FinalGap().of(points) == Figure(0.25)


def test_a_direction_is_shown_when_every_seed_shows_it() -> None:
    comparison = Comparison(QUARTER, less="a", more="b", paper="2×", as_ratio=True)
    fast, slow = curve(0.75, 0.25), curve(0.75, 0.5, 0.25)
    both = verdict(comparison, {"a": arm("a", fast, fast), "b": arm("b", slow, slow)})
    assert both.shown
    assert [each.ratio for each in both.seeds] == [Figure(2.0), Figure(2.0)]
    mixed = verdict(comparison, {"a": arm("a", fast, slow), "b": arm("b", slow, fast)})
    assert [each.shown for each in mixed.seeds] == [True, False]
    assert not mixed.shown


def test_equal_figures_show_no_direction() -> None:
    comparison = Comparison(FinalTestError(), less="a", more="b", paper="1 point")
    points = curve(0.9, 0.5)
    assert not verdict(comparison, {"a": arm("a", points), "b": arm("b", points)}).shown


def test_an_arm_that_never_arrives_is_slower_than_one_that_does_and_by_at_least_so_much() -> None:
    comparison = Comparison(QUARTER, less="a", more="b", paper="6×", as_ratio=True)
    arrives, never = curve(0.75, 0.25), curve(0.9, 0.8, 0.7, 0.6)
    found = verdict(comparison, {"a": arm("a", arrives), "b": arm("b", never)})
    assert found.shown
    assert found.seeds[0].ratio == Figure(3.0, at_least=True)
    assert not verdict(comparison, {"a": arm("a", never), "b": arm("b", arrives)}).shown
    # It stopped at epoch 1 without having arrived: that is not less than 2.
    assert not verdict(comparison, {"a": arm("a", never[:2]), "b": arm("b", curve(0.9, 0.5, 0.2))}).shown


def test_a_spread_is_mean_and_sample_deviation() -> None:
    spread = Spread.of([Figure(1.0), Figure(2.0), Figure(6.0, at_least=True)])
    assert spread == Spread(3.0, math.sqrt(7.0), at_least=True)
    assert Spread.of([Figure(4.0)]) == Spread(4.0, None, at_least=False)


def trial(rate: float, *train_errors: float, diverged: bool = False) -> LearningRateTrial:
    error = DivergedError(7, rate, math.nan) if diverged else None
    return LearningRateTrial(rate, SeededRun(0, curve(*train_errors), 1.0), error)


@pytest.mark.parametrize(
    ("trials", "rate"),
    [
        # What is fastest for an epoch need not be the first to arrive, nor what is lower when it has.
        ([trial(0.1, 0.9, 0.3, 0.29, 0.2), trial(0.2, 0.9, 0.5, 0.24)], 0.2),
        ([trial(0.1, 0.9, 0.2), trial(0.2, 0.9, 0.25)], 0.1),
        ([trial(0.1, 0.9, 0.26), trial(0.2, 0.9, 0.8, 0.6, 0.25)], 0.2),
        ([trial(0.1, 0.9, 0.4), trial(0.2, 0.9, 0.3), trial(0.3, 0.9, 0.5)], 0.2),
        ([trial(0.1, 0.9, 0.3, diverged=True), trial(0.2, 0.9, 0.8)], 0.2),
    ],
)
def test_the_fastest_rate_is_the_first_to_arrive_then_the_one_that_came_nearest(
    trials: list[LearningRateTrial], rate: float
) -> None:
    assert fastest(trials, 0.25).learning_rate == rate
    assert fastest(trials[::-1], 0.25).learning_rate == rate


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_every_form_of_a_claim_has_the_arms_it_compares(name: str) -> None:
    claim = CLAIMS[name]  # type: ignore[index]
    assert set(claim.forms) == {"quick", "full"}
    for form in claim.forms.values():
        names = [each.name for each in form.arms]
        assert len(set(names)) == len(names)
        for each in form.arms:
            each.model_config_for(num_classes=10)
            each.recipe_config(each.learning_rates[0], form.epochs)
        # Arms of one form see the same photos.
        assert len({each.model_config_for(10).image_size for each in form.arms}) == 1
        for comparison in claim.comparisons_of(form):
            assert {comparison.less, comparison.more} <= set(names)
        assert claim.comparisons_of(form)


def test_arms_differ_in_what_the_claim_is_about_alone() -> None:
    differing = {
        "relu": {"activation"},
        "lrn": {"lrn"},
        "pooling": {"pooling"},
        "towers": {"network", "exchange"},
        "dropout": {"dropout"},
        "augmentation": {"random_crop", "flip", "colour_noise"},
    }
    for name, fields in differing.items():
        arms = CLAIMS[name].forms["full"].arms  # type: ignore[index]
        settings = [
            {
                **each.model_config_for(10).model_dump(),
                **each.recipe_config(each.learning_rates[0], 1).model_dump(exclude={"learning_rate"}),
            }
            for each in arms
        ]
        assert {key for key in settings[0] if len({str(each[key]) for each in settings}) > 1} == fields


def test_a_plot_is_a_png_of_some_size(tmp_path: Path) -> None:
    results = {
        "dropout 0.5": arm("dropout 0.5", curve(0.9, 0.5)),
        "no dropout": arm("no dropout", curve(0.9, 0.3)),
    }
    path = tmp_path / "plot.png"
    plot_curves(CLAIMS["dropout"], results, path)
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG")
    plot_curves(CLAIMS["dropout"], results, path)
    assert path.read_bytes() == first
    plot_curves(CLAIMS["dropout"], {**results, "no dropout": arm("no dropout", curve(0.9, 0.8))}, path)
    assert path.read_bytes() != first
