#!/usr/bin/env python3
"""Writes what the option tables say into the files people read: etc/sigrun.ini, etc/runner.ini, and the tables between
<!-- options PLUGIN:COMPONENT --> and <!-- end of options --> in the READMEs of the plugins.

  etc/generate_docs.py BUILD            writes them, with the programs and plugins of a build folder
  etc/generate_docs.py BUILD --check    only compares; 1 = a file is not what it would be, 2 = it cannot be told"""
import difflib
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent


def output(build, *arguments):
    done = subprocess.run([str(build / "bin" / "sigrun"), "--plugin-dir", str(build / "plugins"), "config", *arguments],
                          capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    if done.returncode:
        sys.exit(f"generate_docs.py: sigrun config {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def tables(markdown):
    """"http:http" -> its table; of the sections that are instances."""
    found = {}
    for part in re.split(r"^### ", markdown, flags=re.MULTILINE)[1:]:
        heading, _, table = part.partition("\n")
        component = re.search(r"component = (\S+)", heading)
        if component:
            found[component.group(1)] = table.strip() + "\n"
    return found


def with_tables(text, path, found):
    def fill(match):
        if match.group(1) not in found:
            # Not an error: a plugin whose library is missing here is not built.
            print(f"generate_docs.py: {path}: no plugin offers {match.group(1)} in this build", file=sys.stderr)
            return match.group(0)
        return f"<!-- options {match.group(1)} -->\n{found[match.group(1)]}<!-- end of options -->"
    return re.sub(r"<!-- options (\S+) -->\n.*?<!-- end of options -->", fill, text, flags=re.DOTALL)


def main(arguments):
    if len(arguments) not in (1, 2) or arguments[1:] not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(arguments[0])
    wanted = {SOURCE / "etc" / "sigrun.ini": output(build, "example"),
              SOURCE / "etc" / "runner.ini": output(build, "example", "runner")}
    found = tables(output(build, "doc", "--markdown"))
    for readme in sorted(SOURCE.glob("plugins/*/*/README.md")):
        text = readme.read_text()
        if "<!-- options " in text:
            wanted[readme] = with_tables(text, readme.relative_to(SOURCE), found)
    wrong = 0
    for path, text in wanted.items():
        have = path.read_text() if path.exists() else ""
        if have == text:
            continue
        wrong += 1
        name = str(path.relative_to(SOURCE))
        if len(arguments) == 2:
            sys.stdout.writelines(difflib.unified_diff(have.splitlines(True), text.splitlines(True), name, name + " as generated"))
        else:
            path.write_text(text)
            print(name)
    if wrong and len(arguments) == 2:
        print(f"\n{wrong} files differ from the option tables: run etc/generate_docs.py {build}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
