"""Published models: a folder each, with a folder for every version and a file of aliases.

<root>/<name>/<version>/{weights.safetensors, model.json}      versions count from 1 and never change;
                                                               storage.json where the weights are elsewhere
<root>/<name>/aliases.json                                     {alias: {version, assigned_at}}
<root>/<name>/last_version.json                                {version}: the highest there has been
<root>/.candidate-<id>/                                        a version in the making; nobody lists it
<root>/.<version>.<id>.deleted/                                a version on its way out
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from model.errors import BadCheckpointError
from model.published import PublishedModel
from pipeline.shards.durable import sync
from service.domain.job_folder import write_json
from service.domain.names import NAME_PATTERN, is_version_number
from service.domain.storage import require_folder
from service.errors import ConflictError, FieldProblem, InvalidSpecError, NotFoundError
from service.store.folder_lock import alone_in
from service.store.remembered import Remembered
from service.store.trash import discard, empty_trash, trash_of

PRODUCTION = "production"
CANDIDATE_PATTERN = r"\.candidate-[0-9a-f]{32}"


class Alias(BaseModel):
    """A name for a version that can be moved to another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    assigned_at: str


_ALIASES = TypeAdapter(dict[str, Alias])


class ModelStore:
    """The models below one folder. Safe for many threads and processes: changes are renames under a lock.

    Whatever is asked for and is not there raises `NotFoundError`, and so does a name that no model can have.
    """

    def __init__(self, root: Path, default_name: str | None = None) -> None:
        self._root = root
        self._default_name = default_name
        self._numbers_in = Remembered(_version_numbers)
        self._aliases_in = Remembered(_parsed_aliases)

    def names(self) -> list[str]:
        """Models that have a version."""
        if not self._root.is_dir():
            return []
        found = (entry.name for entry in self._root.iterdir() if _is_name(entry.name))
        return sorted(name for name in found if self._numbers(name))

    def versions(self, name: str) -> list[int]:
        """Version numbers, oldest first."""
        numbers = self._numbers(name) if _is_name(name) else ()
        if not numbers:
            raise NotFoundError(f"no model {name!r}: see GET /api/v1/models")
        return list(numbers)

    def read(self, name: str, version: int) -> PublishedModel:
        return PublishedModel.load(self.folder(name, version))

    def read_all(self, name: str) -> list[PublishedModel]:
        """Its versions, oldest first, but for those that are removed meanwhile."""
        found = []
        for version in self.versions(name):
            try:
                found.append(self.read(name, version))
            except (NotFoundError, BadCheckpointError):
                if version in self._numbers(name):
                    raise
        return found

    def folder(self, name: str, version: int) -> Path:
        """Where a version's files are."""
        numbers = self.versions(name)
        if version not in numbers:
            known = ", ".join(map(str, numbers))
            raise NotFoundError(f"model {name!r} has no version {version}: it has {known}")
        return self._root / name / str(version)

    def aliases(self, name: str) -> Mapping[str, Alias]:
        self.versions(name)
        return self._read_aliases(name)

    def resolve(self, name: str, wanted: int | str | None = None) -> int:
        """The version meant by a number or an alias; by nothing, `production` or else the newest."""
        numbers = self.versions(name)
        aliases = self._read_aliases(name)
        if wanted is None:
            return aliases[PRODUCTION].version if PRODUCTION in aliases else numbers[-1]
        if isinstance(wanted, str) and not is_version_number(wanted):
            if wanted not in aliases:
                raise NotFoundError(f"model {name!r} has no alias {wanted!r}")
            return aliases[wanted].version
        self.folder(name, int(wanted))
        return int(wanted)

    def default_model(self) -> str:
        """The configured model, or else the one that was last given the alias `production`."""
        if self._default_name is not None:
            return self._default_name
        for name, _ in self.in_production():
            return name
        raise NotFoundError(
            f"no model has the alias {PRODUCTION!r} yet: publish a run, or name the model in the path"
        )

    def in_production(self) -> list[tuple[str, int]]:
        """Models and versions with the alias `production`, that last given it first."""
        found = [
            (alias.assigned_at, name, alias.version)
            for name in self.names()
            if (alias := self._read_aliases(name).get(PRODUCTION)) is not None
        ]
        return [(name, version) for _, name, version in sorted(found, reverse=True)]

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Points an alias at a version, from one moment to the next."""
        check_alias(alias)
        self.folder(name, version)
        with alone_in(self._root / name):
            # It may have been removed while another held the lock.
            self.folder(name, version)
            moment = datetime.now(UTC).isoformat(timespec="microseconds")
            aliases = {**self._read_aliases(name), alias: Alias(version=version, assigned_at=moment)}
            self._write_aliases(name, aliases)

    def remove_alias(self, name: str, alias: str) -> None:
        self.versions(name)
        with alone_in(self._root / name):
            aliases = dict(self._read_aliases(name))
            if alias not in aliases:
                raise NotFoundError(f"model {name!r} has no alias {alias!r}")
            del aliases[alias]
            self._write_aliases(name, aliases)

    def remove_version(self, name: str, version: int) -> None:
        """Removes a version, from one moment to the next; its number is not given again.

        Raises `ConflictError` while an alias names it.
        """
        self.folder(name, version)
        with alone_in(self._root / name):
            # Another may have removed it meanwhile.
            folder = self.folder(name, version)
            naming = sorted(
                alias for alias, named in self._read_aliases(name).items() if named.version == version
            )
            if naming:
                raise ConflictError(
                    f"version {version} of model {name!r} is what {', '.join(naming)} means: point the alias"
                    " at another version, or remove it, first"
                )
            # Out of sight as a whole, and then away.
            folder.rename(self._root / trash_of(folder).name)
            sync(self._root / name)
        empty_trash(self._root)

    def require_storage(self) -> None:
        """Raises `StorageUnavailableError` when the folder of all models is not there."""
        require_folder(self._root)

    @contextmanager
    def candidate(self) -> Iterator[Path]:
        """An empty folder to make a version in, gone with all it holds unless `adopt` has taken it."""
        folder = self._root / f".candidate-{uuid.uuid4().hex}"
        self._root.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            with alone_in(self._root):
                self._discard_abandoned()
                folder.mkdir()
                held.enter_context(alone_in(folder))
            try:
                yield folder
            finally:
                discard(folder)

    def candidate_folder(self, candidate: str) -> Path:
        """The folder of a candidate that is being made, by its own name."""
        folder = self._root / candidate
        if not re.fullmatch(CANDIDATE_PATTERN, candidate) or not folder.is_dir():
            raise NotFoundError(f"no candidate {candidate!r}")
        return folder

    def adopt(self, candidate: Path, description: PublishedModel) -> PublishedModel:
        """Makes a candidate the next version of the model it describes; returns it with its number."""
        if not _is_name(description.name):
            raise InvalidSpecError([FieldProblem("name", f"{description.name!r} cannot name a model")])
        folder = self._root / description.name
        folder.mkdir(exist_ok=True)
        with alone_in(folder):
            version = max(self._last_version(description.name), *self._numbers(description.name), 0) + 1
            published = description.model_copy(update={"version": version})
            published.save(candidate)
            for path in (*candidate.iterdir(), candidate):
                sync(path)
            write_json(folder / "last_version.json", {"version": version})
            candidate.rename(folder / str(version))
            sync(folder)
        return published

    def _discard_abandoned(self) -> None:
        """Removes candidates of processes that were killed: those at work hold theirs."""
        for left in self._root.glob(".candidate-*"):
            with suppress(BlockingIOError, FileNotFoundError), alone_in(left, waiting=False):
                discard(left)

    def _numbers(self, name: str) -> Sequence[int]:
        try:
            return self._numbers_in.get(self._root / name)
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def _last_version(self, name: str) -> int:
        """The highest number that a version has had; 0 where none is noted."""
        try:
            noted: int = json.loads((self._root / name / "last_version.json").read_bytes())["version"]
        except FileNotFoundError:
            return 0
        return noted

    def _read_aliases(self, name: str) -> Mapping[str, Alias]:
        try:
            return self._aliases_in.get(self._root / name / "aliases.json")
        except FileNotFoundError:
            return {}

    def _write_aliases(self, name: str, aliases: dict[str, Alias]) -> None:
        write_json(self._root / name / "aliases.json", _ALIASES.dump_python(aliases))


def _version_numbers(folder: Path) -> Sequence[int]:
    return tuple(sorted(int(entry.name) for entry in folder.iterdir() if is_version_number(entry.name)))


def _parsed_aliases(path: Path) -> Mapping[str, Alias]:
    return _ALIASES.validate_json(path.read_bytes())


def check_alias(alias: str) -> None:
    """Raises `InvalidSpecError` for an alias that could be taken for a version number, or for a path."""
    if is_version_number(alias) or not _is_name(alias):
        raise InvalidSpecError([FieldProblem("alias", f"{alias!r} is not a name, or is a version's number")])


def _is_name(name: str) -> bool:
    return re.fullmatch(NAME_PATTERN, name) is not None
