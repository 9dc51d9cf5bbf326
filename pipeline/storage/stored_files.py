"""storage.json: which files of a folder are in object storage, and where. Import-light.

A folder without one has all its files in it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import StoredFileDamagedError
from pipeline.shards.checksum import file_checksum
from pipeline.shards.durable import write_whole

STORAGE_FILE: Final = "storage.json"


class Checksum(NamedTuple):
    """Of a file's bytes, in hex."""

    kind: Literal["sha256", "xxh3_128"]
    digest: str

    def is_of(self, file: Path) -> bool:
        if self.kind == "xxh3_128":
            return file_checksum(file) == self.digest
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == self.digest

    def __str__(self) -> str:
        return f"{self.kind}-{self.digest}"


class StoredFile(NamedTuple):
    """A file in object storage: below which URL, its name there, and what is known of its bytes."""

    folder_url: str
    name: str
    size_bytes: int
    checksum: Checksum

    @property
    def url(self) -> str:
        return f"{self.folder_url}/{self.name}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Part):
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class StoredFiles(_Part):
    """The whole of storage.json.

    It is in the folder before the first of its files is in storage, so that whatever is there can be found
    and removed. `files` are those that no other record of the folder knows the checksums of.
    """

    url: str
    files: Mapping[str, FileRecord] = {}

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """None for a folder that has all its files. Raises `StoredFileDamagedError` for a damaged record."""
        path = folder / STORAGE_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError as error:
            raise StoredFileDamagedError(str(path), "does not say where the folder's files are") from error

    def save(self, folder: Path) -> None:
        write_whole(folder / STORAGE_FILE, self.model_dump_json(indent=2) + "\n")

    @property
    def all(self) -> Sequence[StoredFile]:
        return [
            StoredFile(self.url, name, file.size_bytes, Checksum("sha256", file.sha256))
            for name, file in self.files.items()
        ]


def new_url(wanted: str) -> str:
    """A URL of its own for a folder's files: names are given again, and what an earlier one left must not be
    taken for this one's."""
    return f"{wanted}.{uuid.uuid4().hex[:12]}"
