#!/usr/bin/env python3
"""g++ 12 destroys closures and aggregate temporaries inside a co_await expression twice, so they are named on the line
above. Finds co_await expressions that contain a lambda or a braced temporary.

usage: co_await_rule.py SOURCE_DIR"""
import pathlib
import re
import sys

COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)


def offences(text):
    """Line numbers of co_await expressions with '{' or a lambda's '[' before their end."""
    clean = COMMENT_OR_TEXT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    for match in re.finditer(r"\bco_await\b", clean):
        depth = 0
        for i in range(match.end(), len(clean)):
            c = clean[i]
            if c in "([":
                # A subscript follows a name or a closing bracket, a lambda does not.
                before = clean[:i].rstrip()[-1:]
                if c == "[" and not (before.isalnum() or before in "_)]"):
                    yield clean.count("\n", 0, match.start()) + 1
                    break
                depth += 1
            elif c in ")]":
                depth -= 1
                if depth < 0:
                    # A condition's parenthesis closes: `if (co_await x) {` is no temporary.
                    break
            elif c == "{":
                yield clean.count("\n", 0, match.start()) + 1
                break
            elif c == ";" or (c == "," and depth == 0):
                break


def main():
    root = pathlib.Path(sys.argv[1])
    files = [f for top in ("kernel", "plugins", "sdk", "tests", "bench") for f in (root / top).rglob("*")
             if f.suffix in (".hpp", ".cpp", ".ipp")]
    if len(files) < 20:
        raise SystemExit(f"only {len(files)} source files below {root}")
    found = [f"{f.relative_to(root)}:{n}: name the lambda or aggregate on the line above the co_await"
             for f in files for n in offences(f.read_text(errors="replace"))]
    print("\n".join(found + [f"{len(files)} files, {len(found)} violations"]))
    sys.exit(1 if found else 0)


def self_test():
    for bad in ["co_await take([p]{ f(); });", "co_await f(options{1, 2});", "auto x = co_await g(\n  {.v = 1});"]:
        assert list(offences(bad)), bad
    for good in ["co_await take(f);", "if (co_await ready()) {\n}", "co_await v[3](x); auto l = [] {};",
                 "// co_await f({1})", 'co_await f("{");', "for (auto x : co_await all()) {"]:
        assert not list(offences(good)), good


self_test()
main()
