"""What can go wrong between a photo and a batch. Each error has a stable code and says what to do."""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """Base of the room's errors. Arguments stay positional, so that every error survives pickling."""

    code: ClassVar[str] = "pipeline_error"


class BadSourceError(PipelineError):
    """A source of photos that is missing, empty or not in the form it was said to be."""

    code = "bad_source"


class SourceLostError(PipelineError):
    """The storage a source lies in stopped answering: no fault of any photo, so trying again may help."""

    code = "source_lost"


class StorageUnavailableError(PipelineError):
    """Object storage that does not answer, or does not let this process do what it has to."""

    code = "storage_unavailable"


class StoredFileDamagedError(PipelineError):
    """A file that is not in object storage as it was written: its URL, and what is wrong with it."""

    code = "stored_file_damaged"

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(url, detail)
        self.url, self.detail = url, detail

    def __str__(self) -> str:
        return f"{self.url} {self.detail}: put it back as it was, or make anew what it belongs to"


class NodeCacheFullError(PipelineError):
    """Files of object storage that do not fit into this node's cache beside those that are in use."""

    code = "node_cache_full"


class NodeCacheUnusableError(PipelineError):
    """A folder that cannot be this node's cache."""

    code = "node_cache_unusable"


class DatasetExistsError(PipelineError):
    """The place a dataset should be written to is taken."""

    code = "dataset_exists"


class PlanChangedError(PipelineError):
    """A dataset that was begun from other photos or with another config than it is asked to go on with."""

    code = "plan_changed"


class BadDatasetError(PipelineError):
    """A folder that is not a dataset, or one whose files do not agree with its manifest."""

    code = "bad_dataset"


class TooManyQuarantinedError(PipelineError):
    """More photos were unusable than the stage was told to accept."""

    code = "too_many_quarantined"


class CacheTooSmallError(PipelineError, ValueError):
    """An order that needs more pages of a dataset at once than there is memory allowed for."""

    code = "cache_too_small"


class CorruptSampleError(PipelineError):
    """A stored sample that is not as it was written: its shard's path, its sample id, and what is wrong."""

    code = "data_corrupt"

    def __init__(self, shard: str, sample_id: int, reason: str) -> None:
        super().__init__(shard, sample_id, reason)
        self.shard, self.sample_id, self.reason = shard, sample_id, reason

    def __str__(self) -> str:
        return f"{self.shard}: sample {self.sample_id} is damaged: {self.reason}; prepare the dataset again"


class UnusablePhotoError(PipelineError):
    """A photo that cannot become pixels: a stable reason of one word, and the detail in one line."""

    code = "unusable_photo"

    def __str__(self) -> str:
        reason, detail = self.args
        return f"{reason}: {detail}"


class PreparationFailedError(PipelineError):
    """Shards that could not be written, for a reason that lies with this machine and not with the photos."""

    code = "preparation_failed"


class ShardStoppedError(PipelineError):
    """A shard that its worker left unfinished because whoever asked for it wants it no more."""

    code = "shard_stopped"

    def __str__(self) -> str:
        return f"{self.args[0]} was left unfinished: the preparation was stopped"
