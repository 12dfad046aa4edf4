"""What both programs tell the service manager that started them, over a real socket."""
import os
import signal
import socket
import time
import unittest

from harness import FleetTest


class Manager:
    """The socket of a service manager; in the abstract space for a name with "@"."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)

    def environment(self, watchdog=None):
        env = {"NOTIFY_SOCKET": self.name}
        if watchdog:
            env["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        return env

    def wait(self, *parts, seconds=20):
        """Until each of these was told, in any order; the message that told the last of them."""
        end, missing = time.monotonic() + seconds, set(parts)
        while True:
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            text = self.socket.recv(4096).decode()
            missing -= {part for part in missing if part in text}
            if not missing:
                return text

    def silent_for(self, seconds, part):
        try:
            self.wait(part, seconds=seconds)
            return False
        except TimeoutError:
            return True


class ServiceManager(FleetTest):
    def manager(self, name):
        m = Manager(name)
        self.addCleanup(m.socket.close)
        return m

    def test_the_daemon_tells_when_it_is_ready_reloads_and_stops(self):
        m = self.manager(str(self.dir / "notify"))
        d = self.daemon(env=m.environment())
        self.assertIn(f"listening on 127.0.0.1:{d.port}", m.wait("READY=1"))
        d.process.send_signal(signal.SIGHUP)
        self.assertIn("MONOTONIC_USEC=", m.wait("RELOADING=1"))
        m.wait("READY=1")
        d.process.send_signal(signal.SIGTERM)
        m.wait("STOPPING=1")
        self.assertEqual(d.process.wait(20), 0)

    def test_the_runner_tells_the_same_over_an_abstract_socket_and_its_jobs_are_told_nothing(self):
        m = self.manager(f"@sigrun-test-{os.getpid()}-notify")
        d = self.daemon()
        r = self.start_runner("r1", "--url", f"valkyrie://127.0.0.1:{d.port}", env=m.environment(watchdog=20))
        m.wait("READY=1", "STATUS=runner r1 connected")
        job = d.run(command=["sh", "-c", "env"])
        output = d.log(job["id"])
        self.assertNotIn("NOTIFY_SOCKET", str(output))
        r.process.send_signal(signal.SIGHUP)
        m.wait("RELOADING=1")
        m.wait("READY=1")
        r.process.send_signal(signal.SIGTERM)
        self.assertIn("running jobs may finish", m.wait("STOPPING=1"))
        self.assertEqual(r.process.wait(20), 0)

    def test_pings_come_while_the_program_runs_and_not_while_it_stands_still(self):
        m = self.manager(str(self.dir / "notify"))
        d = self.daemon(env=m.environment(watchdog=1))
        for _ in range(3):
            m.wait("WATCHDOG=1")
        d.process.send_signal(signal.SIGSTOP)
        try:
            m.silent_for(0.5, "WATCHDOG=1")  # those that were on their way
            self.assertTrue(m.silent_for(1.5, "WATCHDOG=1"))
        finally:
            d.process.send_signal(signal.SIGCONT)
        m.wait("WATCHDOG=1")


if __name__ == "__main__":
    unittest.main()
