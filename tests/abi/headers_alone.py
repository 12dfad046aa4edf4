#!/usr/bin/env python3
"""Every header compiles alone: those of the C ABI as C11, C++17 and C++20, the others as C++20. With ccache, what did not
change since the last run costs next to nothing.

usage: headers_alone.py SOURCE_DIR WORK_DIR CC CXX [FLAG...]"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def compile_alone(work, command, suffix, standard, name, flags):
    source = work / (name.replace("/", "_") + "." + standard + suffix)
    text = f'#include "{name}"\n'
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    ccache = shutil.which("ccache")
    done = subprocess.run([*([ccache] if ccache else []), command, f"-std={standard}", *WARNINGS, *flags, "-O0", "-c",
                           str(source), "-o", str(source) + ".o"], text=True, capture_output=True)
    return None if done.returncode == 0 else f"{name} as {standard}:\n{done.stderr[:2000]}"


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
