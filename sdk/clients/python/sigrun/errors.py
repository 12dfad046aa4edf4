"""What can go wrong, as exceptions."""
from typing import Any, Mapping, Optional


class SigrunError(Exception):
    """The base of all of them."""


class DaemonError(SigrunError):
    """The daemon refused a request, and says why.

    `code` is one of its codes (invalid unknown_field not_found conflict unauthenticated forbidden too_large busy timeout cancelled
    unsupported unavailable io internal). Where a value was wrong, `field`, `expected` and `found` name it; else they are None. `passes`: the
    same request may be taken later."""

    def __init__(self, status: int, problem: Mapping[str, Any]):
        self.status = status
        self.code: str = str(problem.get("code") or "internal")
        self.title: str = str(problem.get("title") or "")
        self.detail: str = str(problem.get("detail") or self.title or f"HTTP status {status}")
        self.field: Optional[str] = problem.get("field") or None
        self.expected: Optional[str] = problem.get("expected") or None
        self.found: Optional[str] = problem.get("found") or None
        self.retry_after: Optional[float] = problem["retry_after_ms"] / 1000 if problem.get("retry_after_ms") else None
        # What a proxy says for a daemon it cannot reach has no problem document.
        self.passes = self.code in ("busy", "unavailable") if problem else status in (502, 503, 504)
        super().__init__(f"{self.code}: {self.detail}")


class ConnectionLost(SigrunError):
    """The daemon could not be reached for as long as the client was told to try. Whether the last request was done is not known,
    unless it had an idempotency key: made again with the same key, it is done once."""


class WaitTimeout(SigrunError):
    """The job has not ended in the time that was waited. It goes on."""

    def __init__(self, job: Mapping[str, Any], seconds: float):
        self.job = job
        super().__init__(f"job {job['id']} is {job['state']} after {seconds:g} s")


class ChecksumMismatch(SigrunError):
    """The bytes of an artifact that came are not those the runner left; the file was not kept."""

    def __init__(self, name: str, expected: str, found: str):
        self.name, self.expected, self.found = name, expected, found
        super().__init__(f"artifact {name!r}: expected sha256 {expected}, found {found}")
