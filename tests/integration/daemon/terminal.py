"""A program in a pseudo-terminal, and what its screen shows (Debian's python3-pyte)."""
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import threading

from harness import DEADLINE, wait_until

try:
    import pyte
except ImportError:  # of an interpreter that is not Debian's own
    sys.path.append("/usr/lib/python3/dist-packages")
    import pyte


class Terminal:
    """`columns` and `rows` of a window in which the program runs."""

    def __init__(self, argv, columns=80, rows=24, env=None):
        self.raw = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                self._size(0, columns, rows)
                os.execve(str(argv[0]), [str(a) for a in argv], dict(os.environ, **{"TERM": "linux", **(env or {})}))
            finally:
                os._exit(127)
        self._size(self._fd, columns, rows)
        self.modes = termios.tcgetattr(self._fd)
        self.exit_code = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @staticmethod
    def _size(fd, columns, rows):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self):
        while True:
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)

    def lines(self):
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    def text(self):
        return "\n".join(self.lines())

    def shows(self, part, deadline=DEADLINE):
        try:
            return wait_until(f"the screen shows {part!r}", lambda: part in self.text() and self.text(), deadline)
        except AssertionError as e:
            raise AssertionError(f"{e}; it shows:\n{self.text()}") from None

    def shows_no(self, part, deadline=DEADLINE):
        try:
            wait_until(f"the screen shows {part!r} no more", lambda: part not in self.text(), deadline)
        except AssertionError as e:
            raise AssertionError(f"{e}; it shows:\n{self.text()}") from None

    def press(self, keys):
        os.write(self._fd, keys.encode())

    def resize(self, columns, rows):
        with self._lock:
            self._screen.resize(rows, columns)
        self._size(self._fd, columns, rows)

    def modes_now(self):
        return termios.tcgetattr(self._fd)

    def ended(self, deadline=DEADLINE):
        """The exit code."""
        def look():
            if self.exit_code is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.exit_code = os.waitstatus_to_exitcode(status)
            return (self.exit_code,) if self.exit_code is not None else None
        return wait_until("the program ends", look, deadline)[0]

    def close(self):
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()
        os.close(self._fd)
