"""Every command by name, imported when it is called.

A command's module imports what it works with at its head, as every file here does, and for some that is torch
or a web server. So modules are loaded by name, here and nowhere else: `tandem --help` waits for none of them.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType, ModuleType
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """Where a command is, the heading it is listed under, and its line there."""

    module: str
    attribute: str
    panel: str
    summary: str


_DATA, _TRAINING, _SERVER, _MACHINE = "Photos", "Training and models", "Server", "This machine"

COMMANDS: Final = MappingProxyType(
    {
        "prepare": Entry("prepare", "prepare_dataset", _DATA, "Turn labelled photos into a dataset."),
        "inspect": Entry("inspect", "inspect_dataset", _DATA, "Show what a dataset holds."),
        "bench-loader": Entry("bench_loader", "bench_loader", _DATA, "Measure how fast a dataset is read."),
        "train": Entry("train", "train", _TRAINING, "Start a training run."),
        "runs": Entry("runs", "list_runs", _TRAINING, "List the newest runs."),
        "status": Entry("runs", "show_run", _TRAINING, "Show one run."),
        "logs": Entry("runs", "show_logs", _TRAINING, "Print the last lines a run wrote."),
        "stop": Entry("runs", "stop_run", _TRAINING, "Stop a run after a last checkpoint."),
        "resume": Entry("runs", "resume_run", _TRAINING, "Go on with a run from its newest checkpoint."),
        "publish": Entry("publish", "publish", _TRAINING, "Publish a run's checkpoint as a model."),
        "classify": Entry("classify", "classify", _TRAINING, "Say what photos show."),
        "export": Entry(
            "export", "export_model", _TRAINING, "Write a model as one file that runs without Tandem."
        ),
        "figures": Entry("figures", "app", _TRAINING, "Draw the paper's figures from a model."),
        "reproduce": Entry("reproduce", "reproduce", _TRAINING, "Try one of the paper's claims on CIFAR-10."),
        "up": Entry("up", "up", _SERVER, "Run the whole stack on this machine."),
        "api": Entry("api", "api", _SERVER, "Run the control plane alone."),
        "serve": Entry("serve", "serve", _SERVER, "Run the classification server alone."),
        "token": Entry("token", "app", _SERVER, "Make, list and revoke tokens for the API."),
        "backup": Entry("backup", "backup", _SERVER, "Copy the database while the server runs."),
        "doctor": Entry("doctor", "doctor", _MACHINE, "Check this machine."),
        "demo": Entry("demo", "demo", _MACHINE, "Go from photos to answers over HTTP, once."),
    }
)


class CommandTable(TyperGroup):
    """The commands of `COMMANDS`: listed from their entries, loaded when one is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name, help=entry.summary, rich_help_panel=entry.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and listed else listed, rest


def module(name: str) -> ModuleType:
    """A module of this package, imported now."""
    return importlib.import_module(f"service.cli.{name}")


def load(name: str) -> TyperCommand | TyperGroup:
    """Imports a command's module and builds the command."""
    entry = COMMANDS[name]
    found = getattr(module(entry.module), entry.attribute)
    if isinstance(found, typer.Typer):
        app = found
    else:
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
    command = typer.main.get_command(app)
    assert isinstance(command, TyperCommand | TyperGroup)
    return command
