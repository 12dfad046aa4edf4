"""Client of a Sigrun daemon: submits jobs, follows their output, fetches what they leave. Standard library only.

    from sigrun import Client
    with Client("http://127.0.0.1:7070") as daemon:
        job = daemon.run(["make", "test"], requires="cpu.effective_cores >= 4")
        print(job["state"], job["exit_code"])
"""
from .client import Client
from .errors import ChecksumMismatch, ConnectionLost, DaemonError, SigrunError, WaitTimeout
from .streams import LogPiece

__all__ = ["ChecksumMismatch", "Client", "ConnectionLost", "DaemonError", "LogPiece", "SigrunError", "WaitTimeout"]
