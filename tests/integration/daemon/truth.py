"""What other programs say about this machine, to hold a probe's facts against.

@tool("cpu.model", ...) names the keys that a function compares with what a program of the distribution prints; members of lists
are named "nic.mtu". @direct(reason, "cpu.weight", ...) names keys for which there is no such program, says why, and the function
finds them out in another way than the probe does. A function gets the facts by key and raises AssertionError.
"""
import fnmatch
import functools
import json
import shutil
import subprocess

TOOLS = {}    # key -> function
DIRECT = {}   # key or pattern -> (function, reason)


def tool(*keys):
    def register(function):
        TOOLS.update(dict.fromkeys(keys, function))
        return function
    return register


def direct(reason, *keys):
    def register(function):
        DIRECT.update(dict.fromkeys(keys, (function, reason)))
        return function
    return register


def check_of(key):
    """The function for a key, and whether it asks a program."""
    if key in TOOLS:
        return TOOLS[key], True
    for pattern, (function, _) in DIRECT.items():
        if fnmatch.fnmatchcase(key, pattern):
            return function, False
    return None, False


@functools.lru_cache(maxsize=None)
def said(*command, status=0):
    """What a program prints; the names of its lines stay English."""
    if not shutil.which(command[0]):
        raise AssertionError(f"{command[0]} is not installed (etc/install-deps.sh)")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"LC_ALL": "C", "PATH": PATH})
    if status is not None and done.returncode != status:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr}")
    return done.stdout.strip()


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def said_json(*command):
    return json.loads(said(*command))


@functools.lru_cache(maxsize=None)
def lscpu():
    return {e["field"].rstrip(":"): e["data"] for e in said_json("lscpu", "-J")["lscpu"]}


def text(path, otherwise=""):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            return f.read().strip()
    except OSError:
        return otherwise


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what} the probe says {found!r}, expected {expected!r}")


def near(found, expected, share, what=""):
    if abs(found - expected) > share * max(abs(expected), 1):
        raise AssertionError(f"{what} the probe says {found!r}, expected about {expected!r}")


def fnv(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f"{h:016x}"
