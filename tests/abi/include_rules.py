#!/usr/bin/env python3
"""Checks who includes whom: plugins -> sdk <- kernel, kernel modules only downwards, and the libraries that may appear in
one place only. Prints each violation as file:line and fails if there is one.

usage: include_rules.py SOURCE_DIR"""
import pathlib
import re
import sys

# What each module may include besides itself: the modules of the links in kernel/CMakeLists.txt, transitively.
# app > serve, agent > auth, job > link, select > runner, capability > store, plugin > net > guard > config, metrics, log > base
LAYERS = [["app"], ["serve", "agent"], ["auth", "job"], ["link", "select"], ["runner", "capability"], ["store", "plugin"], ["net"], ["guard"],
          ["config", "metrics", "log"], ["base"]]
# Neighbours of one layer that one side builds on.
SAME_LAYER = {("link", "select"), ("runner", "capability"), ("store", "plugin")}
CONFINED = [(re.compile(r"boost/dll"), "kernel/plugin/"),
            # The benchmark measures it; it protects nothing with it.
            (re.compile(r"openssl/"), ("kernel/guard/", "kernel/net/", "plugins/probes/benchmark/")),
            (re.compile(r"Poco/Util/"), "kernel/config/"),
            (re.compile(r"Poco/.*(Logger|Channel|Formatter|Message)\.h"), "kernel/log/")]
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def layer_of(module):
    return next((i for i, names in enumerate(LAYERS) if module in names), None)


def complaint(where, included):
    """Why the file `where` (relative path) must not include `included`, or None."""
    parts = where.split("/")
    for pattern, home in CONFINED:
        if pattern.search(included) and parts[0] in ("kernel", "plugins", "sdk") and not where.startswith(home):
            return f"{included} belongs to {home if isinstance(home, str) else ' and '.join(home)} only"
    if parts[0] == "plugins" and included.startswith("kernel/"):
        return "a plugin never includes the kernel"
    if parts[0] in ("kernel", "sdk") and included.startswith("plugins/"):
        return f"{parts[0]} never includes a plugin"
    # The conformance tool is a program beside the sdk: it looks at plugins with the loader's own eyes, and no further down.
    if where.startswith("sdk/check/") and re.match(r"kernel/(plugin|guard|config|log|base)/", included):
        return None
    if parts[0] == "sdk" and included.startswith("kernel/"):
        return "the sdk never includes the kernel"
    if parts[0] != "kernel" or not included.startswith("kernel/"):
        return None
    mine, other = parts[1], included.split("/")[1]
    if mine == other or (mine, other) in SAME_LAYER:
        return None
    if layer_of(mine) is None or layer_of(other) is None:
        return f"module {mine if layer_of(mine) is None else other} is in no layer"
    if layer_of(other) <= layer_of(mine):
        return f"kernel/{mine} must not include kernel/{other}"
    return None


def main():
    root = pathlib.Path(sys.argv[1])
    files = [f for top in ("kernel", "plugins", "sdk") for f in (root / top).rglob("*")
             if f.suffix in (".h", ".c", ".hpp", ".cpp", ".ipp")]
    if len(files) < 20:
        raise SystemExit(f"only {len(files)} source files below {root}")
    found = 0
    for file in files:
        where = file.relative_to(root).as_posix()
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            reason = match and complaint(where, match[1])
            if reason:
                print(f"{where}:{number}: {reason}")
                found += 1
    print(f"{len(files)} files, {found} violations")
    sys.exit(1 if found else 0)


def self_test():
    """The rules themselves: each must be able to fail."""
    wrong = [("kernel/base/id.hpp", "kernel/log/log.hpp"), ("kernel/log/log.cpp", "kernel/metrics/metrics.hpp"),
             ("plugins/probes/cpu/plugin.cpp", "kernel/base/id.hpp"), ("sdk/include/sigrun/base.h", "kernel/base/id.hpp"),
             ("kernel/job/job.cpp", "plugins/probes/cpu/cpu.hpp"), ("kernel/job/job.cpp", "boost/dll/shared_library.hpp"),
             ("kernel/serve/x.cpp", "Poco/Util/Option.h"), ("plugins/probes/cpu/plugin.cpp", "Poco/Logger.h"),
             ("sdk/check/x.cpp", "kernel/job/job.hpp"), ("kernel/select/x.cpp", "kernel/job/job.hpp"), ("kernel/x/x.cpp", "kernel/base/id.hpp")]
    right = [("kernel/job/job.cpp", "kernel/base/id.hpp"), ("kernel/link/link.cpp", "kernel/select/selector.hpp"),
             ("kernel/plugin/x.cpp", "boost/dll/shared_library.hpp"), ("kernel/log/log.cpp", "Poco/Logger.h"),
             ("plugins/probes/cpu/plugin.cpp", "sigrun/cpp/plugin.hpp"), ("tests/unit/x.cpp", "kernel/base/id.hpp"),
             ("sdk/check/static_group.cpp", "kernel/plugin/elf_gate.hpp")]
    assert all(complaint(*w) for w in wrong), [w for w in wrong if not complaint(*w)]
    assert not any(complaint(*r) for r in right), [r for r in right if complaint(*r)]


self_test()
main()
