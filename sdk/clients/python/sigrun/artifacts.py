"""Files that jobs left: fetched whole, going on where a broken connection stopped, and checked."""
import hashlib
import os
import pathlib
import re
import tempfile
from typing import Union

from .errors import ChecksumMismatch, ConnectionLost
from .transport import BROKEN, Retry, Transport, quoted

PIECE = 1 << 16


def download(transport: Transport, job_id: str, name: str, to: Union[str, "os.PathLike[str]"]) -> pathlib.Path:
    """Writes the artifact to the file `to` (into the folder `to`, if it is one) under its own last name. Nobody ever sees half of it:
    it is written beside and renamed once its SHA-256 is right."""
    target = pathlib.Path(to)
    if target.is_dir():
        target = target / pathlib.PurePosixPath(name).name
    path = f"/v1/jobs/{quoted(job_id)}/artifacts/" + "/".join(quoted(p) for p in name.split("/"))
    sha, have, expected = hashlib.sha256(), 0, ""
    handle, half = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            retry = Retry(transport.retry_for)
            while True:
                connection = transport.connect()
                try:
                    response = transport.send(connection, "GET", path, headers={"Range": f"bytes={have}-"} if have else {})
                    if response.status == 416 and have:
                        break  # it ended exactly where the connection did
                    if response.status not in (200, 206):
                        error = transport.refused(response)
                        if not error.passes:
                            raise error
                        retry.wait(error, error.retry_after)
                        continue
                    if have and response.status == 200:
                        out.seek(0)  # something in between knows no ranges
                        out.truncate()
                        sha, have = hashlib.sha256(), 0
                    expected = (response.getheader("ETag") or "").strip('"')
                    left = int(response.getheader("Content-Length") or -1)
                    while True:
                        piece = response.read(PIECE)
                        if not piece:
                            break
                        out.write(piece)
                        sha.update(piece)
                        have += len(piece)
                        left -= len(piece)
                        retry = Retry(transport.retry_for)
                    if left <= 0:
                        break
                    retry.wait(ConnectionLost(f"artifact {name!r} broke off after {have} bytes"))
                except BROKEN as e:
                    lost = ConnectionLost(f"artifact {name!r}: {e or type(e).__name__}")
                    lost.__cause__ = e
                    retry.wait(lost)
                finally:
                    connection.close()
        if not re.fullmatch(r"[0-9a-f]{64}", expected) or sha.hexdigest() != expected:
            raise ChecksumMismatch(name, expected, sha.hexdigest())
        os.replace(half, target)
    except BaseException:
        os.unlink(half)
        raise
    return target
