"""What can happen to a fleet. A fault is a generator: up to its yield it strikes, after it all is well again; between the two lie
its `lasts` seconds. A kill lasts until the program is started again, by its service."""
import contextlib
import dataclasses
import pathlib
import resource
import signal
import sqlite3
import threading
import time
import typing

import io_page
from fleet import SHIPPED

FAULTS = {}


@dataclasses.dataclass(frozen=True)
class Kind:
    strikes: str           # daemon or runner
    longest: float         # s
    act: typing.Callable   # (fleet, fault) -> generator


def fault(name, strikes, longest):
    def register(act):
        FAULTS[name] = Kind(strikes, longest, act)
        return act
    return register


def end(fleet, name, how, away):
    fleet.services[name].end(how, away)


@fault("daemon.kill", "daemon", 5)
def kill_daemon(fleet, fault):
    """kill -9, and it is away for a while."""
    end(fleet, "daemon", signal.SIGKILL, fault.lasts)
    yield


@fault("daemon.stop", "daemon", 3)
def stop_daemon(fleet, fault):
    """It gets no time: SIGSTOP, SIGCONT."""
    program = fleet.services["daemon"].signal(signal.SIGSTOP)
    yield
    if program:
        program.process.send_signal(signal.SIGCONT)


@fault("daemon.restart", "daemon", 2)
def restart_daemon(fleet, fault):
    """Stopped in order, as for an upgrade."""
    end(fleet, "daemon", signal.SIGTERM, fault.lasts)
    yield


@fault("agent.kill", "runner", 5)
def kill_agent(fleet, fault):
    end(fleet, fault.target, signal.SIGKILL, fault.lasts)
    yield


@fault("agent.stop", "runner", 4)
def stop_agent(fleet, fault):
    program = fleet.services[fault.target].signal(signal.SIGSTOP)
    yield
    if program:
        program.process.send_signal(signal.SIGCONT)


@fault("agent.hand_over", "runner", 2)
def hand_over(fleet, fault):
    """SIGUSR2: its jobs go on, and belong to the next one."""
    end(fleet, fault.target, signal.SIGUSR2, fault.lasts)
    yield


@fault("agent.drain", "runner", 2)
def drain(fleet, fault):
    """SIGTERM: what does not end within its drain_timeout is ended, and told to be preempted."""
    end(fleet, fault.target, signal.SIGTERM, fault.lasts)
    yield


@fault("shim.kill", "runner", 0.5)
def kill_shim(fleet, fault):
    if found := fleet.shims_of(fault.target):
        fleet.send(found[int(fault.pick * len(found)) % len(found)], signal.SIGKILL)
    yield


@fault("shim.stop", "runner", 3)
def stop_shim(fleet, fault):
    if found := fleet.shims_of(fault.target):
        pid = found[int(fault.pick * len(found)) % len(found)]
        fleet.send(pid, signal.SIGSTOP)
        yield
        if pid in fleet.shims_of(fault.target):
            fleet.send(pid, signal.SIGCONT)
    else:
        yield


@fault("host.kill", "runner", 5)
def kill_host(fleet, fault):
    """Agent and shims at once, as when a machine loses power, but for the jobs' own processes."""
    found = fleet.shims_of(fault.target)
    end(fleet, fault.target, signal.SIGKILL, fault.lasts)
    for pid in found:
        fleet.send(pid, signal.SIGKILL)
    yield


@fault("all.kill", "daemon", 4)
def kill_all(fleet, fault):
    """The daemon and every agent."""
    for name in fleet.services:
        end(fleet, name, signal.SIGKILL, fault.lasts)
    yield


def set_way(fleet, name, mode):
    for protocol in SHIPPED:
        fleet.ways[name].set(protocol, mode)


@fault("link.cut", "runner", 0.5)
def cut_link(fleet, fault):
    """Every connection is reset; new ones may come."""
    for protocol in SHIPPED:
        fleet.ways[fault.target].reset(protocol)
    yield


@fault("link.refuse", "runner", 5)
def refuse_link(fleet, fault):
    set_way(fleet, fault.target, "refuse")
    yield
    set_way(fleet, fault.target, "open")


@fault("link.stall", "runner", 12)
def stall_link(fleet, fault):
    """A partition: nothing passes, and nobody is told."""
    set_way(fleet, fault.target, "stall")
    yield
    set_way(fleet, fault.target, "open")


@fault("link.one_rung", "runner", 5)
def break_first_rung(fleet, fault):
    """The runner's best protocol alone."""
    protocol = next(r for r in fleet.plan.runners if r.name == fault.target).protocols[0]
    fleet.ways[fault.target].set(protocol, "refuse")
    yield
    fleet.ways[fault.target].set(protocol, "open")


@fault("disk.full", "daemon", 4)
def fill_disk(fleet, fault):
    """No file of the daemon may grow. One that is just starting may end with that as its reason; the next one has room again."""
    program = fleet.daemon
    fleet.without_room.add(program.pid)
    with contextlib.suppress(ProcessLookupError):
        before = resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    yield
    with contextlib.suppress(ProcessLookupError, UnboundLocalError):
        if program.process.poll() is None:
            resource.prlimit(program.pid, resource.RLIMIT_FSIZE, before)


@fault("disk.stuck", "daemon", 3)
def stick_disk(fleet, fault):
    """Nothing is committed for a while: another process has the database's write lock."""
    lock = sqlite3.connect(fleet.daemon.state_dir / "sigrun.db", isolation_level=None, timeout=1)
    try:
        with contextlib.suppress(sqlite3.OperationalError):  # nobody gave it up within a second
            lock.execute("BEGIN IMMEDIATE")
        yield
        with contextlib.suppress(sqlite3.OperationalError):
            lock.execute("ROLLBACK")
    finally:
        lock.close()


def die_at_a_step(fleet, fault, name):
    """Dies between two steps of what it does next: at one of its next system calls of a kind."""
    steps = [(kind, nth, after) for kind in io_page.KINDS for nth in (1, 2, 3, 5, 8, 13) for after in (False, True)]
    fleet.io[name].die_at(fleet.services[name].now.pid, *steps[int(fault.pick * len(steps)) % len(steps)])
    yield
    fleet.io[name].disarm()


@fault("daemon.die", "daemon", 3)
def die_daemon(fleet, fault):
    return die_at_a_step(fleet, fault, "daemon")


@fault("agent.die", "runner", 3)
def die_agent(fleet, fault):
    return die_at_a_step(fleet, fault, fault.target)


def slow_disk(fleet, fault, name):
    """Each fsync takes up to 0.3 s longer."""
    fleet.io[name].slow_down(fleet.services[name].now.pid, 0.3 * fault.pick)
    yield
    fleet.io[name].slow_down(fleet.services[name].now.pid, 0)


@fault("agent.full_disk", "runner", 4)
def fill_agents_disk(fleet, fault):
    """No room for the agent, its shims and their jobs."""
    disk = fleet.disks.get(fault.target)
    if disk:
        disk.fill()
    yield
    if disk:
        disk.clear()


def jump(fleet, fault, name):
    """The clock on the wall is up to an hour ahead or behind, and then right again."""
    fleet.io[name].shift_clock(fleet.services[name].now.pid, int((2 * fault.pick - 1) * 3600))
    yield
    fleet.io[name].shift_clock(fleet.services[name].now.pid, 0)


@fault("daemon.clock", "daemon", 4)
def jump_daemon(fleet, fault):
    return jump(fleet, fault, "daemon")


@fault("agent.clock", "runner", 4)
def jump_agent(fleet, fault):
    return jump(fleet, fault, fault.target)


@fault("disk.slow", "daemon", 4)
def slow_daemon(fleet, fault):
    return slow_disk(fleet, fault, "daemon")


@fault("agent.slow_disk", "runner", 4)
def slow_agent(fleet, fault):
    return slow_disk(fleet, fault, fault.target)


class Striker:
    """Lets the faults of a plan happen, each in a thread of its own, and notes what it did when."""

    def __init__(self, fleet, plan, news):
        """`news.next_change(state, deadline)` waits for a job that becomes `state`."""
        self._fleet, self._news = fleet, news
        self._began, self._calm = time.monotonic(), threading.Event()
        self._lock, self.diary = threading.Lock(), []
        self._threads = [threading.Thread(target=self._strike, args=(f,), daemon=True) for f in plan.faults]
        for t in self._threads:
            t.start()

    def note(self, text):
        with self._lock:
            self.diary.append(f"{time.monotonic() - self._began:6.2f} s  {text}")

    def calm_down(self):
        """No fault strikes any more, and those that last are over."""
        self._calm.set()
        for t in self._threads:
            t.join(30)
        return [f"the fault in {t.name} did not end" for t in self._threads if t.is_alive()]

    def _strike(self, fault):
        if self._calm.wait(max(0.0, self._began + fault.at - time.monotonic())):
            return
        if fault.upon:
            self._news.next_change(fault.upon, 2)
        if self._calm.is_set():
            return
        act = FAULTS[fault.name].act(self._fleet, fault)
        self.note(f"{fault.name} {fault.target} begins")
        next(act)
        self._calm.wait(fault.lasts)
        next(act, None)
        self.note(f"{fault.name} {fault.target} ends")
