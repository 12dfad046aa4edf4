"""Output of jobs and events, one after another, over as many connections as it takes: who comes again says where it was, and
nothing is told twice or left out."""
import json
import socket
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Mapping, Optional

from .errors import ConnectionLost, DaemonError
from .transport import BROKEN, Query, Retry, Transport, payload_of, query_text

LAST, ERROR = 1, 2  # bits of a frame's flags


@dataclass(frozen=True)
class LogPiece:
    """Some output of a job. `offset` counts all bytes its attempts wrote; `stream` is stdout, stderr or system. `missing` bytes at
    `offset` are not kept; there is no data then."""
    offset: int
    stream: str
    data: bytes
    time_ns: int
    missing: int = 0


def log_pieces(transport: Transport, params: Dict[str, Any]) -> Iterator[LogPiece]:
    """Ends with the output, or with the job if `follow` is asked for."""
    retry = Retry(transport.retry_for)
    while True:
        connection = transport.connect()
        told_of = False
        try:
            response = transport.send(connection, "POST", "/v1/call/jobs.logs" + query_text({"params": json.dumps(params)}))
            if response.status != 200:
                error = transport.refused(response)
                if not error.passes:
                    raise error
                retry.wait(error, error.retry_after)
                continue
            told_of = True
            for line in response:
                if not line.endswith(b"\n"):
                    break  # cut off
                if not line.strip():
                    continue
                frame = json.loads(line)
                told = frame.get("json", {})
                if frame.get("flags", 0) & ERROR:
                    raise DaemonError(200, told)
                if told.get("end"):
                    return
                data, missing = payload_of(frame), int(told.get("missing_bytes", 0))
                # Where to go on. What was asked for by lines or by time is not asked for again.
                params = {k: v for k, v in params.items() if k not in ("tail", "since")}
                params["offset"] = told["offset"] + len(data) + missing
                retry = Retry(transport.retry_for)
                yield LogPiece(told["offset"], told["stream"], data, told.get("time_ns", 0), missing)
            retry.wait(ConnectionLost("the stream of output broke off"))
        except BROKEN as e:
            if told_of and isinstance(e, socket.timeout):
                retry = Retry(transport.retry_for)  # a job may be silent for ever; perhaps the connection is gone as well
                continue
            lost = ConnectionLost(f"output of job {params['id']}: {e or type(e).__name__}")
            lost.__cause__ = e
            retry.wait(lost)
        finally:
            connection.close()


def events(transport: Transport, query: Query, after: Optional[int]) -> Iterator[Mapping[str, Any]]:
    """Endless. The daemon sends a comment every 15 s, so a silent connection is a lost one."""
    retry = Retry(transport.retry_for)
    while True:
        connection = transport.connect()
        try:
            response = transport.send(connection, "GET", "/v1/events" + query_text({**query, "after": after}))
            if response.status != 200:
                error = transport.refused(response)
                if not error.passes:
                    raise error
                retry.wait(error, error.retry_after)
                continue
            kind = ""
            for line in response:
                retry = Retry(transport.retry_for)
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: ") and line.endswith(b"\n"):
                    told = json.loads(line[6:])
                    if kind == "error":
                        raise DaemonError(200, told)
                    kind = ""
                    # A Gap tells what a late reader missed; it has no number of its own.
                    after = told.get("seq") or told.get("to") or after
                    yield told
            retry.wait(ConnectionLost("the stream of events broke off"))
        except BROKEN as e:
            lost = ConnectionLost(f"events: {e or type(e).__name__}")
            lost.__cause__ = e
            retry.wait(lost)
        finally:
            connection.close()
