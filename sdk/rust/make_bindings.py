#!/usr/bin/env python3
"""Writes sigrun_sys.rs, the C headers as Rust declarations, with the sizes that the C compiler gives each struct as
compile-time assertions. Run it after slots were appended; a test fails when the file in the tree is out of date.

usage: make_bindings.py SDK_INCLUDE_DIR C_COMPILER > sigrun_sys.rs"""
import pathlib
import re
import subprocess
import sys
import tempfile

HEADERS = ["base", "host", "plugin", "protocol", "balancer", "probe", "executor", "store", "broker", "net"]
PLAIN = {"uint8_t": "u8", "uint16_t": "u16", "uint32_t": "u32", "uint64_t": "u64", "int32_t": "i32", "int64_t": "i64",
         "double": "f64", "char": "c_char", "void": "c_void"}
# https://doc.rust-lang.org/reference/keywords.html: strict and reserved ones that C allows as names
KEYWORDS = {"abstract", "as", "async", "await", "become", "box", "crate", "dyn", "final", "fn", "impl", "in", "let", "loop",
            "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "super", "trait", "try", "type",
            "unsafe", "unsized", "use", "virtual", "where", "yield"}


def rust_name(name):
    return "self_" if name == "self" else f"r#{name}" if name in KEYWORDS else name


def rust_type(text):
    """A C type without arrays and functions: "const uint64_t* const*"."""
    base, stars = re.fullmatch(r"((?:const )?\w+)\s*([*\s\w]*)", text.strip()).groups()
    constant = base.startswith("const ")
    name = base.removeprefix("const ")
    out = PLAIN.get(name, name)
    for star in re.findall(r"\*\s*(const)?", stars):
        out = ("*const " if constant else "*mut ") + out
        constant = star == "const"
    return out


def function_type(result, parameters):
    names = []
    for part in parameters.strip()[1:-1].split(",") if "(*" not in parameters else split_parameters(parameters.strip()[1:-1]):
        part = part.strip()
        if part == "void":
            continue
        inner = re.fullmatch(r"(.+?)\(\*\w*\)\s*(\(.*\))", part)
        if inner:
            names.append(function_type(inner[1], inner[2]))
            continue
        plain = re.fullmatch(r"(.*[*\s])(\w+)", part)
        names.append(rust_type(plain[1] if plain else part))
    arrow = "" if result.strip() == "void" else f" -> {rust_type(result)}"
    return f"Option<unsafe extern \"C\" fn({', '.join(names)}){arrow}>"


def split_parameters(text):
    out, depth, start = [], 0, 0
    for i, c in enumerate(text + ","):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            out.append(text[start:i])
            start = i + 1
    return out


def members(body):
    for part in body.split(";"):
        part = " ".join(part.split())
        if not part:
            continue
        function = re.fullmatch(r"(.+?)\(\*(\w+)\)\s*(\(.*\))", part)
        if function:
            yield function[2], function_type(function[1], function[3])
            continue
        kind, name, arrays = re.fullmatch(r"(.+?)(\w+)((?:\[\w+\])*)", part).groups()
        out = rust_type(kind)
        for size in re.findall(r"\[(\w+)\]", arrays):
            out = f"[{out}; {size} as usize]" if size.startswith("SIGRUN") else f"[{out}; {size}]"
        yield name, out


def sizes(include, compiler, names):
    code = "".join(f"#include <sigrun/{h}.h>\n" for h in HEADERS) + "#include <stdio.h>\nint main(void) {\n"
    code += "".join(f'printf("%zu\\n", sizeof({n}));\n' for n in names) + "return 0; }\n"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "sizes.c")
        source.write_text(code)
        subprocess.run([compiler, "-std=c11", "-I", include, source, "-o", f"{folder}/sizes"], check=True)
        return dict(zip(names, subprocess.run([f"{folder}/sizes"], check=True, capture_output=True, text=True).stdout.split()))


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    include, compiler = sys.argv[1:]
    texts = {h: re.sub(r"/\*.*?\*/", " ", pathlib.Path(include, "sigrun", h + ".h").read_text(), flags=re.S) for h in HEADERS}
    structs = [(name, body) for h in HEADERS for name, body in re.findall(r"struct (\w+) \{(.*?)\}", texts[h], re.S)]
    known = {name for name, _ in structs}
    opaque = {n for h in HEADERS for n in re.findall(r"typedef struct (\w+) \1;", texts[h])} - known
    size = sizes(include, compiler, [name for name, _ in structs])
    out = ["//! The C headers of the Sigrun SDK as Rust declarations. Written by sdk/rust/make_bindings.py; do not edit.",
           "//! Every comment, thread tag and rule is in the headers.", "#![allow(non_camel_case_types, dead_code)]", "",
           "use std::os::raw::{c_char, c_void};", "", "pub type sigrun_result = i32;", "pub type sigrun_op = u64;"]
    for h in HEADERS:
        for result, name, parameters in re.findall(r"typedef (\w+) \(\*(\w+)\)(\([^;]*\));", texts[h]):
            out.append(f"pub type {name} = {function_type(result, parameters)};")
    out.append("")
    for h in HEADERS:
        for name, value in re.findall(r"#define (SIGRUN_\w+) (\d+)u?\b", texts[h]):
            out.append(f"pub const {name}: u32 = {value};")
        for name, value in re.findall(r"#define (SIGRUN_(?:SVC|KIND|ENTRY|NOTE|SDK)_\w+) (\"[^\"]+\")", texts[h]):
            out.append(f"pub const {name}: &str = {value};")
        for body in re.findall(r"enum \{(.*?)\}", texts[h], re.S):
            kind, following = ("i32" if "-" in body else "u32"), 0
            for item in filter(None, (i.strip() for i in body.split(","))):
                name, _, value = (p.strip() for p in item.partition("="))
                following = int(value) if value else following
                out.append(f"pub const {name}: {kind} = {following};")
                following += 1
    out.append("")
    for name in sorted(opaque):
        out += ["#[repr(C)]", f"pub struct {name} {{", "    _opaque: [u8; 0],", "}"]
    for name, body in structs:
        out += ["", "#[repr(C)]", "#[derive(Clone, Copy)]", f"pub struct {name} {{"]
        out += [f"    pub {rust_name(member)}: {kind}," for member, kind in members(body)]
        out += ["}", f"const _: () = assert!(std::mem::size_of::<{name}>() == {size[name]});",
                "// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.",
                f"unsafe impl Sync for {name} {{}}"]
    print("\n".join(out))


main()
