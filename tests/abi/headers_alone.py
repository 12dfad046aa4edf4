#!/usr/bin/env python3
"""Every header compiles alone: those of the C ABI as C11, C++17 and C++20, the others as C++20. What was fine in
an earlier run and whose includes did not change since is not compiled again.

usage: headers_alone.py SOURCE_DIR WORK_DIR CC CXX [FLAG...]"""
import concurrent.futures
import functools
import os
import pathlib
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


@functools.lru_cache(maxsize=None)
def changed_at(path):
    """Infinity for a file that is gone."""
    return os.path.getmtime(path) if os.path.exists(path) else float("inf")


def unchanged(stamp, depfile, flags):
    """The stamp is newer than everything the compiler read, and the flags are the same."""
    if not (stamp.exists() and depfile.exists()) or stamp.read_text() != flags:
        return False
    written = stamp.stat().st_mtime
    words = depfile.read_text().replace("\\\n", " ").split()
    return all(changed_at(w) <= written for w in words[1:])


def compile_alone(work, command, suffix, standard, name, flags):
    source = work / (name.replace("/", "_") + "." + standard + suffix)
    stamp, depfile = pathlib.Path(f"{source}.stamp"), pathlib.Path(f"{source}.d")
    line = [command, f"-std={standard}", *WARNINGS, *flags, "-fsyntax-only", "-MD", "-MF", str(depfile), str(source)]
    if unchanged(stamp, depfile, " ".join(line)):
        return None
    source.write_text(f'#include "{name}"\n')
    done = subprocess.run(line, text=True, capture_output=True)
    if done.returncode != 0:
        stamp.unlink(missing_ok=True)
        return f"{name} as {standard}:\n{done.stderr[:2000]}"
    stamp.write_text(" ".join(line))
    return None


def main():
    root, work, cc, cxx, *flags = sys.argv[1:]
    work = pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    include = pathlib.Path(root, "sdk/include")
    flags = ["-I", root, "-I", str(include), *flags]
    jobs = []
    for header in sorted(include.rglob("*.h")):
        name = header.relative_to(include).as_posix()
        jobs += [(work, cc, ".c", "c11", name, flags), (work, cxx, ".cpp", "c++17", name, flags),
                 (work, cxx, ".cpp", "c++20", name, flags)]
    for header in sorted(include.rglob("*.hpp")):
        jobs.append((work, cxx, ".cpp", "c++20", header.relative_to(include).as_posix(), flags))
    for header in sorted(pathlib.Path(root, "kernel").rglob("*.hpp")):
        jobs.append((work, cxx, ".cpp", "c++20", header.relative_to(root).as_posix(), flags))
    if len(jobs) < 40:
        raise SystemExit(f"only {len(jobs)} headers found below {root}")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [text for text in pool.map(lambda job: compile_alone(*job), jobs) if text]
    print("\n".join(failed + [f"{len(jobs)} compilations, {len(failed)} failed"]))
    sys.exit(1 if failed else 0)


main()
