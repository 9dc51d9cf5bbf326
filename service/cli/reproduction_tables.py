"""A reproduction's figures as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from service.cli.output import duration
from service.reproduction.measures import Measure
from service.reproduction.reproduction import ArmResult
from service.reproduction.verdict import Spread, Verdict, figures


def arms_table(results: Sequence[ArmResult], measures: Sequence[Measure]) -> Table:
    """For each arm what was measured: the mean over seeds ± the standard deviation."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "learning rate", *(measure.label for measure in measures), "time"):
        table.add_column(heading, justify="right" if heading else "left")
    for result in results:
        table.add_row(
            result.name,
            f"{result.recipe.learning_rate:g}",
            *(_spread(Spread.of(figures(result, measure)), measure) for measure in measures),
            duration(sum(run.seconds for run in result.runs)),
        )
    return table


def comparisons_table(verdicts: Sequence[Verdict]) -> Table:
    """For each comparison the paper's figure beside ours, and how many seeds show its direction."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "measured", "paper", "here", "shown"):
        table.add_column(heading)
    for verdict in verdicts:
        comparison = verdict.comparison
        shown = sum(each.shown for each in verdict.seeds)
        table.add_row(
            f"{comparison.less} < {comparison.more}",
            comparison.measure.label,
            comparison.paper,
            _here(verdict),
            f"{shown} of {len(verdict.seeds)} seeds"
            if len(verdict.seeds) > 1
            else ("yes" if shown else "no"),
        )
    return table


def _here(verdict: Verdict) -> str:
    measure = verdict.comparison.measure
    ratios = [each.ratio for each in verdict.seeds if each.ratio is not None]
    if verdict.comparison.as_ratio and ratios:
        return f"{_number(Spread.of(ratios), '.1f')}×"
    differences = Spread.of([each.difference for each in verdict.seeds])
    return (
        f"{_number(_in_points(differences), '.1f')} points"
        if measure.is_fraction
        else _spread(differences, measure)
    )


def _spread(spread: Spread, measure: Measure) -> str:
    return f"{_number(_in_points(spread), '.1f')} %" if measure.is_fraction else _number(spread, ".1f")


def _in_points(spread: Spread) -> Spread:
    deviation = None if spread.deviation is None else 100 * spread.deviation
    return Spread(100 * spread.mean, deviation, spread.at_least)


def _number(spread: Spread, form: str) -> str:
    at_least = "≥ " if spread.at_least else ""
    deviation = "" if spread.deviation is None else f" ± {spread.deviation:{form}}"
    return f"{at_least}{spread.mean:{form}}{deviation}"
