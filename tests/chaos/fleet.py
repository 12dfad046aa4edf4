"""A daemon and its runners as real programs on loopback, each kept by a service, with a way between them that can be broken."""
import os
import pathlib
import shutil
import signal

import io_page
from broken_network import Way
from harness import BIN, BUILD, Daemon, Program, end_orphans, free_port
from service import Service
from small_disk import SmallDisks

SHIPPED = ("valkyrie", "grpc", "websocket", "http")
KINDS = ("protocols", "executors", "stores", "balancers")  # no probes: what the machine is has nothing to do with faults
SCHEMES = {"websocket": "ws"}  # where that is not the protocol's name


class Fleet:
    def __init__(self, plan, folder):
        self.plan, self.folder = plan, pathlib.Path(folder)
        self.ledger = self.folder / "ledger"
        self.ledger.mkdir()
        self.port = free_port()
        self.ways, self.services, self.io, self.disks = {}, {}, {}, {}
        self.without_room = set()  # pids

    def start(self):
        if not io_page.LIBRARY.exists():
            raise FileNotFoundError(f"{io_page.LIBRARY} is not there: build the target chaos_io")
        self._take_plugins()
        small_disks = SmallDisks()
        self.why_no_disks = small_disks.why_not
        self._keep("daemon", self._start_daemon)
        self.daemon.wait_line("listening on 127.0.0.1:", 60)
        for runner in self.plan.runners:
            if disk := small_disks.at(self.folder / runner.name):
                self.disks[runner.name] = disk
            self._add(runner)

    @property
    def daemon(self):
        return self.services["daemon"].now

    @property
    def runners(self):
        return [r.name for r in self.plan.runners]

    def _take_plugins(self):
        for kind in KINDS:
            (self.folder / "plugins" / kind).mkdir(parents=True)
            for file in (BUILD / "plugins" / kind).glob("*.so"):
                place = self.folder / "plugins" / kind / file.name
                try:
                    os.link(file, place)
                except OSError:  # another file system
                    shutil.copy(file, place)

    def _keep(self, name, start):
        page = self.io[name] = io_page.IoPage(self.folder / f"{name}.io")
        self.services[name] = Service(
            name, start, lambda pid: page.has_killed(pid) or pid in self.without_room or self._cannot_start(name, pid))

    def _cannot_start(self, name, pid):
        """A program that finds no room for what it needs to begin says so and ends; one that runs must go on without."""
        life = self.services[name].now
        return name in self.disks and pid == life.pid and life.said("(expected room and permission to write)")

    def _start_daemon(self):
        daemon = Daemon(self.folder / "daemon", port=self.port, settings=self.plan.settings,
                        plugin_dir=self.folder / "plugins", env=self.io["daemon"].environment)
        daemon.port = self.port  # it is asked before it has said that it listens
        return daemon

    def _add(self, runner):
        way = self.ways[runner.name] = Way(self.port)
        argv = [BIN / "sigrun-runner", "--name", runner.name, "--state-dir", self.folder / runner.name, "--slots", runner.slots,
                "--plugin-dir", self.folder / "plugins"]
        for setting in ("runner.benchmark=no", "runner.rung_retry=1s", "runner.drain_timeout=1s", "runner.kill_grace=500ms",
                        "runner.protocols=" + ",".join(runner.protocols)):
            argv += ["--set", setting]
        if runner.listens:
            way.target = free_port()
            argv += ["--listen", f"127.0.0.1:{way.target}"]
        else:
            argv += ["--url", f"{SCHEMES.get(runner.protocols[0], runner.protocols[0])}://127.0.0.1:{way.port}"]
        self._keep(runner.name, lambda: Program(argv, env=self.io[runner.name].environment))
        if runner.listens:
            self.services[runner.name].now.wait_line("listening", 60)
            status, body = self.daemon.request("POST", "/v1/runners", {"name": runner.name, "endpoint": f"127.0.0.1:{way.port}"})
            assert status == 201, body

    def shims(self):
        """(pid, job id) of each shim that has a job of this fleet, by pid; those that wait for one are not among them."""
        ours = f"{self.folder}/".encode()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                argv = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
                if argv[:1] == [b"sigrun-shim"] and b"/" in argv[1] and self._is_ours(entry, ours):
                    found.append((int(entry.name), argv[1].decode().split("/")[0]))
            except (OSError, IndexError):
                pass  # gone meanwhile
        return sorted(found)

    @staticmethod
    def _is_ours(entry, ours):
        """Whether the process has a file of this fleet open: its spool."""
        return any(os.readlink(fd).encode().startswith(ours) for fd in (entry / "fd").iterdir())

    def shims_of(self, name):
        prefix = f"{self.folder / name}/".encode()
        found = []
        for pid, _ in self.shims():
            try:
                found += [pid] * self._is_ours(pathlib.Path(f"/proc/{pid}"), prefix)
            except OSError:
                pass
        return found

    def ready(self):
        """What is not well yet; empty when the daemon and all runners are ready for work."""
        missing = [f"{s.name} does not run" for s in self.services.values() if not s.running()]
        try:
            status, body = self.daemon.request("GET", "/readyz", timeout=5)
            if status != 200:
                missing.append(f"daemon: {body}")
            for name in self.runners:
                status, body = self.daemon.request("GET", f"/v1/runners/{name}", timeout=5)
                state = body["status"] if status == 200 else status
                if state not in ("online", "busy"):
                    missing.append(f"{name} is {state}" + (f": {body['status_reason']}" if status == 200 else ""))
        except OSError as e:
            missing.append(f"daemon: {e}")
        return missing

    def heal(self):
        """Every fault that lasts is over."""
        for way in self.ways.values():
            for protocol in SHIPPED:
                way.set(protocol, "open")
        for page in self.io.values():
            page.calm()
        for disk in self.disks.values():
            disk.clear()
        for service in self.services.values():
            service.hurry()
            service.signal(signal.SIGCONT)
        for pid, _ in self.shims():
            self.send(pid, signal.SIGCONT)

    @staticmethod
    def send(pid, what):
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            pass

    def stop(self):
        """Stops all programs, runners first; what they did not do well at it."""
        problems = []
        for name in [*self.runners, "daemon"]:
            if name in self.services and (code := self.services[name].stop()) != 0:
                problems.append(f"{name} did not stop when it was told to" if code is None else f"{name} stopped with {code}")
        for way in self.ways.values():
            way.close()
        for service in self.services.values():
            for life in service.lives:
                life._reader.join(5)
                life.process.stdout.close()
        return problems

    def keep_output(self):
        """What the programs printed, one file for each, beside their state."""
        for service in self.services.values():
            parts = []
            for number, life in enumerate(service.lives, 1):
                parts += [f"--- life {number}, pid {life.pid}, exit {life.process.poll()}: {' '.join(life.argv)}", *life.lines]
            (self.folder / f"{service.name}.log").write_text("\n".join(parts) + "\n")

    def sweep(self):
        """Ends shims that still wait for their runner."""
        end_orphans(self.folder)
