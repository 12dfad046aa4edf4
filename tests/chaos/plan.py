"""What one seed means: a fleet, a load and the faults that strike it. Everything is drawn before anything starts, the load and the
faults from streams of their own, so that `--only` changes nothing else."""
import dataclasses
import random

import faults

PROTOCOLS = ("valkyrie", "grpc", "websocket", "http")
JOB_STATES = ("offered", "running", "succeeded", "queued")


@dataclasses.dataclass(frozen=True)
class Runner:
    name: str
    listens: bool        # the daemon dials it; else it dials
    protocols: tuple     # which it has, best first
    slots: int


@dataclasses.dataclass(frozen=True)
class Job:
    at: float            # s after the start of the load
    key: str             # its idempotency key
    lines: int           # per piece
    pieces: int
    pause: float         # s after each piece
    exit_code: int
    habit: str           # plain, leaves_child, deaf
    retry_user: int
    idempotent: bool
    durability: str
    cancel_after: float  # s after it was accepted; 0: never
    hedge: bool = False  # it may have a copy

    def __str__(self):
        parts = [f"{self.at:6.2f} s  {self.key}: {self.pieces} x {self.lines} lines, {self.pause} s apart"]
        parts += [f"exits {self.exit_code}"] * bool(self.exit_code) + [self.habit] * (self.habit != "plain")
        parts += [f"{self.retry_user} retries"] * bool(self.retry_user) + ["must not run twice"] * (not self.idempotent)
        parts += [self.durability] * (self.durability != "fsync") + ["hedged"] * self.hedge
        parts += [f"cancelled after {self.cancel_after:.2f} s"] * bool(self.cancel_after)
        return ", ".join(parts)


@dataclasses.dataclass(frozen=True)
class Fault:
    at: float            # s after the start of the load
    name: str            # a key of faults.FAULTS
    target: str          # daemon, or the name of a runner
    lasts: float         # s until it is over; for a kill: until the program is started again
    upon: str            # strikes at the next job that becomes so, within 2 s; empty: at once
    pick: float          # 0 .. 1: which one, where there are several

    def __str__(self):
        upon = f", upon the next job that is {self.upon}" if self.upon else ""
        return f"{self.at:6.2f} s  {self.name} {self.target} for {self.lasts:.2f} s{upon}"


@dataclasses.dataclass(frozen=True)
class Plan:
    seed: int
    seconds: float
    settings: tuple
    runners: tuple
    jobs: tuple
    faults: tuple

    def text(self):
        who = [f"  {r.name}: {'is dialled' if r.listens else 'dials'} over {', '.join(r.protocols)}, {r.slots} places"
               for r in self.runners]
        return "\n".join([f"seed {self.seed}, {self.seconds:g} s", f"  daemon: {' '.join(self.settings)}", *who,
                          *(f"  {j}" for j in self.jobs), *(f"  {f}" for f in self.faults)])


def draw_runners(rng):
    first = list(PROTOCOLS)
    rng.shuffle(first)
    out = []
    for i, listens in enumerate((False, False, True)):
        wanted = tuple(rng.sample(PROTOCOLS, rng.choice((1, 2, 4))))
        wanted = (first[i], *(p for p in wanted if p != first[i]))
        out.append(Runner(f"r{i + 1}", listens, wanted, rng.randint(1, 5)))
    return tuple(out[:rng.choice((2, 3, 3))]) if not rng.random() < 0.2 else (out[0], out[2])


def draw_job(rng, seed, number, seconds):
    slow = rng.random() < 0.5
    loud = rng.random() < 0.1
    code = rng.choice((0, 0, 0, 0, 3))
    idempotent = rng.random() < 0.75
    return Job(at=round(rng.uniform(0, seconds * 0.9), 2), key=f"chaos-{seed}-{number}",
               lines=rng.randint(20_000, 100_000) if loud else rng.randint(1, 200), pieces=rng.randint(2, 8) if slow else 1,
               pause=round(rng.uniform(0.05, 0.6), 2) if slow else 0, exit_code=code,
               habit=rng.choice(("plain", "plain", "plain", "plain", "leaves_child", "deaf")),
               retry_user=rng.choice((0, 0, 1)) if idempotent else 0,
               # What has not reached the disk when its daemon is killed may begin twice, so only jobs that may are relaxed.
               idempotent=idempotent, durability="relaxed" if idempotent and rng.random() < 0.2 else "fsync",
               cancel_after=round(rng.uniform(0, 3), 2) if rng.random() < 0.12 else 0,
               # Drawn apart, so that the rest of a plan is what it was before there were copies.
               hedge=idempotent and random.Random(f"hedge {seed} {number}").random() < 0.4)


def draw_fault(rng, seconds, runners, names):
    name = rng.choice(names)
    kind = faults.FAULTS[name]
    return Fault(at=round(rng.uniform(0.2, seconds * 0.9), 2), name=name,
                 target="daemon" if kind.strikes == "daemon" else rng.choice(runners).name,
                 lasts=round(rng.choice((rng.uniform(0, 0.5), rng.uniform(0.2, kind.longest))), 2),
                 upon=rng.choice(("", "", *JOB_STATES)), pick=round(rng.random(), 4))


def draw(seed, seconds, only=()):
    """The plan of a seed; of the same seed, seconds and choice of faults always the same."""
    rng = random.Random(f"fleet {seed}")
    runners = draw_runners(rng)
    settings = (f"jobs.lease={rng.choice((1, 2, 10))}s", f"jobs.restart_grace={rng.choice((3, 10, 20))}s",
                f"jobs.lost_after={rng.choice((2, 10))}s", "interface.retry_delay=50ms", "interface.fallback_timeout=2s",
                f"jobs.retry_budget={rng.choice((0.2, 10))}", f"jobs.early_reoffer={rng.choice(('yes', 'no'))}",
                "registry.beat_period=1s", f"jobs.hedge_budget={random.Random(f'hedges {seed}').choice((0.02, 1, 1))}",
                "jobs.hedge_quantile=0.5")
    rng = random.Random(f"load {seed}")
    jobs = sorted((draw_job(rng, seed, n, seconds) for n in range(rng.randint(10, int(10 + 4 * seconds)))), key=lambda j: j.at)
    rng = random.Random(f"faults {seed}")
    names = sorted(only or faults.FAULTS)
    struck = sorted((draw_fault(rng, seconds, runners, names) for _ in range(rng.randint(2, int(4 + seconds)))), key=lambda f: f.at)
    return Plan(seed, seconds, settings, runners, tuple(jobs), tuple(struck))
