"""On which of a worker's devices its towers stand, and whether those on one device are computed together."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from model.network.dropout import Share
from model.network.fastest_placement import fastest_placement
from model.network.placement import Placement
from service.domain.job_folder import JobFolder, write_json
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement


def place_towers(
    folder: JobFolder,
    run: ResolvedRun,
    agreement: Agreement,
    devices: Sequence[torch.device],
    share: Share,
) -> Placement:
    """A tower a device where there are devices enough.

    Where there is one GPU, rank 0 tries which way of computing both towers is faster, for all ranks and for
    the rest of the run: the ways round differently, and a run that goes on must go on exactly.
    """
    if run.model.towers == 1:
        return Placement.one(devices[0])
    first, second = devices[0], devices[-1]
    if first != second:
        return Placement.two(first, second)
    apart = agreement.first_says(
        agreement.rank.is_first and _apart_is_faster(folder, run, first, share.images)
    )
    return Placement.two(first, first) if apart else Placement.one(first)


def _apart_is_faster(folder: JobFolder, run: ResolvedRun, device: torch.device, images: int) -> bool:
    """What was found when the run began, or is found now."""
    if not folder.placement.is_file():
        chosen = fastest_placement(run.model, Placement.two(device, device), images)
        write_json(folder.placement, {"towers_apart": len(chosen.devices) > 1})
    found: bool = json.loads(folder.placement.read_text())["towers_apart"]
    return found
