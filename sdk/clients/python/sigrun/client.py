"""The daemon's methods as Python's."""
import os
import pathlib
import time
import uuid
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from . import artifacts as _artifacts
from . import streams
from .errors import WaitTimeout
from .transport import Query, Transport, quoted

Document = Dict[str, Any]
ENDED = frozenset({"succeeded", "failed", "cancelled", "expired", "dead"})


class Client:
    """A daemon. May be used by several threads at once; each has a connection of its own. Nothing is sent before the first call.

    `url`: http://HOST:PORT, https://HOST:PORT or unix:/PATH; by default SIGRUN_URL if it is one of these, else http://127.0.0.1:7070.
    `token`: by default SIGRUN_TOKEN. `ca`: PEM file of the authorities the daemon is believed by, by default the system's.
    `certificate`, `key`: PEM files of a client certificate. `timeout`: seconds for connecting and for each answer.
    `retry_for`: for how many seconds a request that may be repeated is tried again, when the daemon cannot be reached or is busy.

    Documents are dicts as in kernel/serve/README.md: JOB, RUNNER, EVENT. Every method raises DaemonError, if the daemon refuses, or
    ConnectionLost."""

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None, *, ca: Optional[str] = None, certificate: Optional[str] = None,
                 key: Optional[str] = None, timeout: float = 30, retry_for: float = 30):
        if url is None:
            url = os.environ.get("SIGRUN_URL", "")
            if not url.startswith(("http://", "https://", "unix:")):
                url = "http://127.0.0.1:7070"
        self._transport = Transport(url, token or os.environ.get("SIGRUN_TOKEN"), ca, certificate, key, timeout, retry_for)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes this thread's connection. The client can still be used."""
        self._transport.hang_up()

    # Jobs

    def submit(self, command: Optional[Sequence[str]] = None, *, key: Optional[str] = None, **fields: Any) -> Document:
        """The new JOB. `fields` are those of a job document: requires, env, timeouts, labels ... It is safe to repeat, and is repeated,
        since it has an idempotency key: `key`, or one made up. A key that was used before answers with the job it made."""
        return self._submit(self._document(command, fields), key or str(uuid.uuid4()), None)

    def run(self, command: Optional[Sequence[str]] = None, *, key: Optional[str] = None, timeout: Optional[float] = None,
            **fields: Any) -> Document:
        """The same, and waits for its end. After `timeout` seconds WaitTimeout; the job goes on then."""
        document, key = self._document(command, fields), key or str(uuid.uuid4())
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            # The same key asks for the same job; the daemon answers when it has ended.
            left = 20.0 if end is None else max(0.001, min(20.0, end - time.monotonic()))
            job = self._submit(document, key, left)
            if job["state"] in ENDED:
                return job
            if end is not None and time.monotonic() >= end:
                raise WaitTimeout(job, timeout or 0)

    def submit_many(self, jobs: Sequence[Mapping[str, Any]], *, defaults: Optional[Mapping[str, Any]] = None, key: Optional[str] = None,
                    dry_run: bool = False, signatures: Optional[Mapping[str, Any]] = None) -> Document:
        """Jobs that may need each other, all or none of them: {"submission", "items": [JOB]}. Each of `jobs` is a job document with a
        `name`, and perhaps `needs`, `when`, `matrix`, `exclude`. `signatures`: of each job by its whole name, as `sigrun job sign`
        writes them."""
        document: Document = {"jobs": list(jobs)}
        if signatures:
            document["signatures"] = dict(signatures)
        if defaults:
            document["defaults"] = dict(defaults)
        return self._transport.request("POST", "/v1/submissions", {"dry_run": dry_run or None}, document,
                                       {"Idempotency-Key": key or str(uuid.uuid4())})

    def job(self, job_id: str) -> Document:
        return self._transport.request("GET", f"/v1/jobs/{quoted(job_id)}")

    def jobs(self, *, state: Optional[str] = None, page: int = 100) -> Iterator[Document]:
        """All there are, newest first, asked for by pages of `page`."""
        return self._pages("/v1/jobs", {"state": state, "limit": page})

    def wait(self, job_id: str, timeout: Optional[float] = None) -> Document:
        """The JOB once it has ended. It is asked for again and again, once a second at last. After `timeout` seconds WaitTimeout."""
        end = None if timeout is None else time.monotonic() + timeout
        pause = 0.02
        while True:
            job = self.job(job_id)
            if job["state"] in ENDED:
                return job
            left = pause if end is None else min(pause, end - time.monotonic())
            if left <= 0:
                raise WaitTimeout(job, timeout or 0)
            time.sleep(left)
            pause = min(pause * 1.5, 1)

    def cancel(self, job_id: str, *, grace: Optional[str] = None) -> Document:
        """Asks for its end: TERM, and KILL after `grace` ("10s"). Its state may still be running until the processes are gone."""
        return self._transport.request("POST", f"/v1/jobs/{quoted(job_id)}/cancel", {"grace": grace})

    def retry(self, job_id: str) -> Document:
        """A new job with the same document. Not repeated on a broken connection: it might become two."""
        return self._transport.request("POST", f"/v1/jobs/{quoted(job_id)}/retry", repeatable=False)

    def explain(self, job_id: str) -> Document:
        """Why it waits, or why it runs where it runs; `answer` has the sentences."""
        return self._transport.request("GET", f"/v1/jobs/{quoted(job_id)}/explain")

    def logs(self, job_id: str, *, follow: bool = False, offset: int = 0, tail: Optional[int] = None, since: Optional[str] = None,
             attempt: Optional[int] = None) -> Iterator[streams.LogPiece]:
        """Its output as it comes, over broken connections and restarts of the daemon, no byte twice. `follow`: until the job ends."""
        params = {"id": job_id, "follow": follow, "offset": offset, "tail": tail, "since": since, "attempt": attempt}
        return streams.log_pieces(self._transport, {k: v for k, v in params.items() if v is not None and v != 0})

    def output(self, job_id: str) -> bytes:
        """All output that is kept, of both streams in the order it came."""
        return b"".join(piece.data for piece in self.logs(job_id))

    def artifacts(self, job_id: str) -> List[Document]:
        """[{"name", "size", "sha256"}], once the job has ended."""
        return list(self._transport.request("GET", f"/v1/jobs/{quoted(job_id)}/artifacts")["items"])

    def download(self, job_id: str, name: str, to: Union[str, "os.PathLike[str]"] = ".") -> pathlib.Path:
        """Fetches an artifact into the file or folder `to`, goes on where a connection broke, and checks its SHA-256
        (ChecksumMismatch). The path it is at."""
        return _artifacts.download(self._transport, job_id, name, to)

    # The fleet

    def runners(self, *, where: Optional[str] = None, page: int = 100) -> Iterator[Document]:
        """RUNNERs without their facts; `where`: a requirement they satisfy."""
        return self._pages("/v1/runners", {"where": where, "limit": page})

    def runner(self, name: str) -> Document:
        """One RUNNER, by id or name, with its facts."""
        return self._transport.request("GET", f"/v1/runners/{quoted(name)}")

    def add_runner(self, name: str, endpoint: str, **fields: Any) -> Document:
        """A runner that is dialled; `fields`: profile, labels, slots, options."""
        return self._transport.request("POST", "/v1/runners", {}, {"name": name, "endpoint": endpoint, **fields}, repeatable=False)

    def remove_runner(self, name: str, *, force: bool = False) -> Document:
        return self._transport.request("DELETE", f"/v1/runners/{quoted(name)}", {"force": force or None}, repeatable=False)

    def drain(self, name: str, reason: Optional[str] = None) -> Document:
        return self._transport.request("POST", f"/v1/runners/{quoted(name)}/drain", {"reason": reason})

    def maintenance(self, name: str, reason: Optional[str] = None) -> Document:
        return self._transport.request("POST", f"/v1/runners/{quoted(name)}/maintenance", {"reason": reason})

    def resume(self, name: str, reason: Optional[str] = None) -> Document:
        return self._transport.request("POST", f"/v1/runners/{quoted(name)}/resume", {"reason": reason})

    # The daemon

    def events(self, *, after: Optional[int] = None, types: Sequence[str] = ()) -> Iterator[Mapping[str, Any]]:
        """What happens, endlessly: EVENTs, from now on or from the one numbered `after`. Over a lost connection it goes on after the last
        one told; what is no longer kept then is told as {"type": "Gap", "from", "to"}. `types`: prefixes, such as "Job"."""
        return streams.events(self._transport, {"types": ",".join(types) or None}, after)

    def version(self) -> Document:
        return self._transport.request("GET", "/v1/version")

    def stats(self) -> Document:
        return self._transport.request("GET", "/v1/stats")

    # What they are made of

    @staticmethod
    def _document(command: Optional[Sequence[str]], fields: Mapping[str, Any]) -> Document:
        if isinstance(command, str):
            raise TypeError(f"command: expected a sequence of words such as ['make', 'test'], found {command!r}")
        return {**({"command": list(command)} if command is not None else {}), **fields}

    def _submit(self, document: Document, key: str, wait: Optional[float]) -> Document:
        query: Query = {} if wait is None else {"wait": f"{max(1, int(wait * 1000))}ms"}
        return self._transport.request("POST", "/v1/jobs", query, document, {"Idempotency-Key": key},
                                       timeout=None if wait is None else wait + self._transport.timeout)

    def _pages(self, path: str, query: Dict[str, Any]) -> Iterator[Document]:
        cursor = None
        while True:
            page = self._transport.request("GET", path, {**query, "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]
            if not cursor:
                return
