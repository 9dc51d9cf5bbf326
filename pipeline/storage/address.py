"""Where in object storage something lies. Import-light: settings are validated with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_URL: Final = re.compile(
    r"(?P<scheme>s3|gs)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)(?:/(?P<prefix>.*))?", re.S
)

_CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
}
# Where a server is that is not the provider's own.
ENDPOINT: Final = {"s3": "AWS_ENDPOINT_URL", "gs": "CLOUD_STORAGE_EMULATOR_ENDPOINT"}

# How the clients word it that nothing is there, or that they are not let in.
_ABSENT: Final = re.compile("NO_SUCH_BUCKET|NOT_FOUND|Bucket '.*' not found|No such file")
_DENIED: Final = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|ExpiredToken|InvalidToken|"
    "PERMISSION_DENIED|UNAUTHENTICATED|OAuth2 access token"
)


@dataclass(frozen=True)
class Address:
    """`s3://bucket/prefix` or `gs://bucket/prefix`, the prefix taken as it stands.

    Neither credentials nor options stand in it: it goes into records and messages. Raises ValueError for any
    other URL.
    """

    url: str

    def __post_init__(self) -> None:
        match = _URL.fullmatch(self.url)
        prefix = (match["prefix"] or "").rstrip("/") if match else ""
        if not match or not {"", ".", ".."}.isdisjoint(prefix.split("/") if prefix else []):
            shown = re.sub(r"(?<=://)[^/]*@", "", self.url)
            raise ValueError(
                f"{shown} is no place in object storage: give a URL of the form s3://bucket/prefix or"
                " gs://bucket/prefix; credentials come from the environment"
            )
        object.__setattr__(self, "url", self.url.rstrip("/"))

    @property
    def scheme(self) -> str:
        return self.url.partition(":")[0]

    @property
    def bucket(self) -> str:
        return self.key().partition("/")[0]

    def key(self, path: str = "") -> str:
        """What storage knows something below the prefix by, the bucket in front."""
        root = self.url.partition("://")[2]
        return f"{root}/{path}" if path else root

    def url_of(self, path: str) -> str:
        return f"{self.scheme}://{self.key(path)}"

    def problem(self, error: Exception, done: str) -> str:
        """What a client's error means, and what to do about it. `done` is what was tried: read, written."""
        said = one_line(error)
        if is_absent(error):
            return "does not exist: check the bucket and the prefix"
        if _DENIED.search(said):
            return f"may not be {done}: check the credentials ({_CREDENTIALS[self.scheme]}): {said}"
        return f"cannot be reached: check the network and {ENDPOINT[self.scheme]}: {said}"


def is_absent(error: Exception) -> bool:
    """Whether a client says that nothing is there."""
    return isinstance(error, FileNotFoundError) or bool(_ABSENT.search(one_line(error)))


def may_pass(error: Exception) -> bool:
    """Whether what a client says may be otherwise a moment later."""
    return not is_absent(error) and not _DENIED.search(one_line(error))


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
