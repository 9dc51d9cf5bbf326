"""What the command line itself refuses or reports."""

from __future__ import annotations

from typing import ClassVar

from service.errors import ServiceError


class BadArgumentsError(ServiceError):
    """Options that contradict or lack one another."""

    code: ClassVar[str] = "bad_arguments"


class BadSpecFileError(ServiceError):
    """A run specification that is not a YAML mapping."""

    code: ClassVar[str] = "bad_spec_file"


class JobFailedError(ServiceError):
    """A run or preparation that was followed and did not succeed."""

    code: ClassVar[str] = "job_failed"


class DownloadError(ServiceError):
    """An archive that broke off or is not the one it should be."""

    code: ClassVar[str] = "download_failed"
