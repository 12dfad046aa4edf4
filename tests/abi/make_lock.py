#!/usr/bin/env python3
"""Writes tests/abi/lock/<header>_lock.cpp: every struct's size, every member's offset and type, every constant of the ABI
as static_asserts. Run it only when slots were appended or a header is new; a changed existing line in its output means
that the ABI broke and the headers must be put right instead.

usage: make_lock.py SDK_INCLUDE_DIR OUTPUT_DIR COMPILER"""
import pathlib
import re
import subprocess
import sys
import tempfile

HEADERS = ["base", "host", "plugin", "protocol", "balancer", "probe", "executor", "store", "broker", "net"]


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def members_of(body):
    """Yields (name, C++ type) of each member."""
    for part in body.split(";"):
        part = " ".join(part.split())
        if not part:
            continue
        function = re.fullmatch(r"(.+?)\(\*(\w+)\)\s*(\(.*\))", part)
        if function:
            yield function[2], f"{function[1].strip()} (*){function[3]}"
            continue
        plain = re.fullmatch(r"(.+?)(\w+)((?:\[\w+\])*)", part)
        if "," in part or not plain:
            raise SystemExit(f"cannot read member: {part}")
        yield plain[2], plain[1].strip() + plain[3]


def read(header):
    text = without_comments(header.read_text())
    structs = [(name, list(members_of(body))) for name, body in re.findall(r"struct (\w+) \{(.*?)\}", text, re.S)]
    constants = []
    for body in re.findall(r"enum \{(.*?)\}", text, re.S):
        constants += [item.split("=")[0].strip() for item in body.split(",") if item.strip()]
    constants += re.findall(r"#define (SIGRUN_\w+) \d+u?\b", text)
    texts = re.findall(r"#define (SIGRUN_(?:SVC|KIND|ENTRY|NOTE)_\w+) (\"[^\"]+\")", text)
    return structs, constants, texts


def values(include, compiler, header, expressions):
    """What the compiler says each expression is."""
    if not expressions:
        return []
    code = f"#include <sigrun/{header}.h>\n#include <cstddef>\n#include <cstdio>\nint main() {{\n"
    code += "".join(f'std::printf("%lld\\n", (long long)({e}));\n' for e in expressions) + "}\n"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "values.cpp")
        source.write_text(code)
        subprocess.run([compiler, "-std=c++20", "-I", include, source, "-o", f"{folder}/values"], check=True)
        return subprocess.run([f"{folder}/values"], check=True, capture_output=True, text=True).stdout.split()


def lock(include, compiler, header):
    structs, constants, texts = read(pathlib.Path(include, "sigrun", header + ".h"))
    ask = []
    for name, members in structs:
        ask += [f"sizeof({name})"] + [f"offsetof({name}, {m})" for m, _ in members]
    ask += constants
    answers = iter(values(include, compiler, header, ask))
    out = ["// Frozen layout of <sigrun/%s.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke." % header,
           "// Append slots, never change one.", f"#include <sigrun/{header}.h>", "", "#include <cstddef>",
           "#include <string_view>", "#include <type_traits>", "",
           "#define SLOT(table, slot, offset, ...)                          \\",
           "    static_assert(offsetof(table, slot) == (offset), #slot);    \\",
           "    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)", ""]
    for name, members in structs:
        out.append(f"static_assert(sizeof({name}) == {next(answers)});")
        for member, kind in members:
            out.append(f"SLOT({name}, {member}, {next(answers)}, {kind});")
        out.append("")
    out += [f"static_assert({c} == {next(answers)});" for c in constants]
    out += [f"static_assert(std::string_view({name}) == {text});" for name, text in texts]
    return "\n".join(out).rstrip() + "\n"


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    include, folder, compiler = sys.argv[1:]
    for header in HEADERS:
        pathlib.Path(folder, header + "_lock.cpp").write_text(lock(include, compiler, header))


if __name__ == "__main__":
    main()
