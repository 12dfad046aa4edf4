"""Requests over HTTP/1.1, over TCP, TLS or a UNIX socket, that are made again when that is safe.

A connection per thread is kept between requests. A request is repeated when the connection breaks, when the daemon is busy or
cannot store anything for the moment (429, 503), or when something in between answers for it (502, 504): with growing pauses, until
`retry_for` seconds have passed. Requests that would do something twice are not repeated; see Transport.request."""
import base64
import http.client
import json
import random
import socket
import ssl
import threading
import time
import urllib.parse
from typing import Any, Dict, Mapping, Optional, Union

from .errors import ConnectionLost, DaemonError

BROKEN = (OSError, http.client.HTTPException)
Query = Mapping[str, Union[str, int, bool, None]]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def query_text(query: Query) -> str:
    def one(value: Union[str, int, bool]) -> str:
        return ("true" if value else "false") if isinstance(value, bool) else str(value)
    given = {key: one(value) for key, value in query.items() if value is not None}
    return "?" + urllib.parse.urlencode(given) if given else ""


def quoted(part: str) -> str:
    """A part of a path: nothing of it can mean another path."""
    return urllib.parse.quote(part, safe="")


def problem_of(response: http.client.HTTPResponse, body: bytes) -> Dict[str, Any]:
    """The daemon's problem document; {} if the answer is not the daemon's."""
    if "json" not in (response.getheader("Content-Type") or ""):
        return {}
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Retry:
    """When the next try of one request is due. Raises the last failure when its time is over."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds
        self._pause = 0.05

    def wait(self, failure: Exception, at_least: Optional[float] = None) -> None:
        pause = max(self._pause * random.uniform(0.5, 1), at_least or 0)
        self._pause = min(self._pause * 2, 2)
        if time.monotonic() + pause > self._end:
            raise failure
        time.sleep(pause)


class Transport:
    def __init__(self, url: str, token: Optional[str], ca: Optional[str], certificate: Optional[str], key: Optional[str], timeout: float,
                 retry_for: float):
        self.timeout, self.retry_for = timeout, retry_for
        self._here = threading.local()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls: Optional[ssl.SSLContext] = None
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "unix":
            self._path: Optional[str] = parts.path
            if not parts.path:
                raise ValueError(f"url: expected unix:/PATH, found {url!r}")
            return
        self._path = None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.username:
            raise ValueError(f"url: expected http://HOST:PORT, https://HOST:PORT or unix:/PATH, found {url!r}")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.scheme == "https":
            self._tls = ssl.create_default_context(cafile=ca)
            if certificate:
                self._tls.load_cert_chain(certificate, key)
        elif ca or certificate:
            raise ValueError(f"ca, certificate: expected an https url beside them, found {url!r}")
        elif token and self._host not in ("127.0.0.1", "::1", "localhost"):
            # As the daemon's own programs: a token never leaves this machine in the clear.
            raise ValueError(f"token: expected an https url beside it, found {url!r}")

    def connect(self) -> http.client.HTTPConnection:
        """A new connection, for a stream; the caller closes it."""
        if self._path is not None:
            return UnixConnection(self._path, self.timeout)
        if self._tls:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self.timeout, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=self.timeout)

    def send(self, connection: http.client.HTTPConnection, verb: str, path: str, body: Optional[bytes] = None,
             headers: Optional[Mapping[str, str]] = None) -> http.client.HTTPResponse:
        kind = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(verb, path, body, {**self._headers, **kind, **(headers or {})})
        return connection.getresponse()

    def refused(self, response: http.client.HTTPResponse) -> DaemonError:
        return DaemonError(response.status, problem_of(response, response.read()))

    def request(self, verb: str, path: str, query: Query = {}, document: Any = None, headers: Optional[Mapping[str, str]] = None,
                repeatable: bool = True, timeout: Optional[float] = None) -> Dict[str, Any]:
        """The JSON object of the answer. `repeatable`: doing it twice is the same as once. `timeout`: for an answer that takes longer
        than others."""
        body = None if document is None else json.dumps(document, ensure_ascii=False).encode()
        retry = Retry(self.retry_for if repeatable else 0)
        while True:
            kept = getattr(self._here, "connection", None)
            connection = kept or self.connect()
            self._here.connection = connection
            try:
                if timeout is not None or kept:
                    connection.timeout = timeout or self.timeout
                    if connection.sock:
                        connection.sock.settimeout(timeout or self.timeout)
                response = self.send(connection, verb, path + query_text(query), body, headers)
                answer = response.read()
            except BROKEN as e:
                self.hang_up()
                lost = ConnectionLost(f"{verb} {path}: {e or type(e).__name__}")
                lost.__cause__ = e
                retry.wait(lost)
                continue
            problem = problem_of(response, answer)
            if response.status < 300:
                return problem
            error = DaemonError(response.status, problem)
            if not error.passes:
                raise error
            retry.wait(error, error.retry_after)

    def hang_up(self) -> None:
        """Closes this thread's connection; the next request opens another."""
        connection = getattr(self._here, "connection", None)
        if connection:
            connection.close()
            self._here.connection = None


def payload_of(frame: Mapping[str, Any]) -> bytes:
    return base64.b64decode(frame.get("payload", ""))
