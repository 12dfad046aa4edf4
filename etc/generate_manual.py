#!/usr/bin/env python3
"""Writes the man pages and the completions of the programs, from what the programs themselves say of their command lines.

  etc/generate_manual.py BIN OUT     BIN: folder of the programs; writes OUT/<component>/man1/*.1.gz, OUT/<component>/bash/* and
                                     OUT/<component>/zsh/_*, where component is the package's: daemon or runner
"""
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys

import completions

COMPONENTS = {"sigrun": "daemon", "sigrund": "daemon", "sigrun-runner": "runner"}
# sigrun-runner(1) is the program.
PAGES = {"sigrun-runner": "sigrun-runner-commands"}
SHIM = """.TH SIGRUN\\-SHIM 1 "" "{version}" "Sigrun"
.SH NAME
sigrun\\-shim \\- holds one job of a Sigrun runner
.SH DESCRIPTION
Started by
.BR sigrun\\-runner (1)
once for each attempt of a job; not by people. It starts the job's command, holds it to its limits, keeps its output and its exit
code until the runner has them, and goes on while the runner is restarted or replaced.
.SH SEE ALSO
.BR sigrun\\-runner (1)
"""


def command_line_of(program):
    done = subprocess.run([str(program), "--describe-command-line"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"generate_manual.py: {program} does not describe its command line: {done.stderr}")
    described = json.loads(done.stdout)
    described["name"] = program.name  # the daemon and the runner have none of their own
    return described


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq").replace("^", "\\(ha").replace(
        "~", "\\(ti")
    return "\n".join(("\\&" + line) if line.startswith(".") else line for line in text.split("\n"))


def option_text(option, own):
    """One paragraph: how it is written, what it is for."""
    head = ", ".join(f"\\fB{roff(name)}\\fR" for name in option["names"]) or f"\\fI{roff(option['name'])}\\fR"
    if option["names"] and not option["flag"]:
        head += f" \\fI{roff(option['type'] or 'TEXT')}\\fR"
    text = roff(option["description"]) or "."
    notes = []
    if option["choices"]:
        notes.append("one of " + ", ".join(f"\\fB{roff(c)}\\fR" for c in option["choices"]))
    # A page must not depend on who built it.
    if option["default"] and not own(option["default"]):
        notes.append(f"default: {roff(option['default'])}")
    if option["required"]:
        notes.append("required")
    return f".TP\n{head}\n{text}" + (f" ({'; '.join(notes)})" if notes else "") + "\n"


def page_of(sub):
    return PAGES.get(f"sigrun-{sub['name']}", f"sigrun-{sub['name']}")


def synopsis(command, path):
    words = [f"\\fB{roff(path)}\\fR"]
    if command["options"]:
        words.append("[\\fIoptions\\fR]")
    for p in command["positionals"]:
        word = f"\\fI{roff(p['name'])}\\fR" + ("..." if p["many"] else "")
        words.append(word if p["required"] else f"[{word}]")
    if command["commands"]:
        words.append("\\fIcommand\\fR")
    return " ".join(words) + "\n"


def sections(command, path, own, heading):
    """The text of one command: its synopsis, arguments, options, footer."""
    text = f"{heading}\n" + synopsis(command, path) + ".PP\n" + roff(command["description"]) + "\n"
    for options in (command["positionals"], command["options"]):
        for option in options:
            text += option_text(option, own)
    if command["footer"]:
        text += ".PP\n.nf\n" + roff(command["footer"]) + "\n.fi\n"
    return text


def below(command, path):
    for sub in command["commands"]:
        yield sub, f"{path} {sub['name']}"
        yield from below(sub, f"{path} {sub['name']}")


def page(name, command, path, version, own, also):
    """A whole page: the command, and every command below it."""
    first = command["description"].split("\n")[0].rstrip(".")
    text = f'.TH {roff(name).upper()} 1 "" "{roff(version)}" "Sigrun"\n.SH NAME\n{roff(name)} \\- {roff(first)}\n'
    text += sections(command, path, own, ".SH SYNOPSIS")
    if command["commands"] and path != "sigrun":
        for sub, sub_path in below(command, path):
            text += sections(sub, sub_path, own, f'.SH "{roff(sub_path.upper())}"')
    if path == "sigrun":
        text += ".SH COMMANDS\n"
        for sub in command["commands"]:
            text += f".TP\n\\fB{roff(sub['name'])}\\fR\n{roff(sub['description'])}; see\n.BR {roff(page_of(sub))} (1)\n"
    return text + ".SH SEE ALSO\n" + ",\n".join(f".BR {roff(other)} (1)" for other in also if other != name) + "\n"


def pages(command, version):
    """Name of each page -> its text."""
    name = command["name"]

    def own(default):
        return default.startswith("/")  # depends on who runs the program, and from where
    if not command["commands"]:
        return {name: page(name, command, name, version, own, COMPONENTS)}
    made = {name: page(name, command, name, version, own, COMPONENTS)}
    for sub in command["commands"]:
        title = page_of(sub)
        made[title] = page(title, sub, f"{name} {sub['name']}", version, own, [name])
    return made


def write_pages(folder, made):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        # mtime 0: the same input is the same file.
        (folder / f"{name}.1.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    programs, out = map(pathlib.Path, arguments)
    for component in set(COMPONENTS.values()):
        shutil.rmtree(out / component, ignore_errors=True)
    for name, component in COMPONENTS.items():
        command = command_line_of(programs / name)
        version = subprocess.run([str(programs / name), "--version"], capture_output=True, text=True, check=True).stdout.strip()
        version = re.sub(r"^\S+", "Sigrun", version)
        write_pages(out / component / "man1", pages(command, version))
        if name == "sigrun-runner":
            write_pages(out / component / "man1", {"sigrun-shim": SHIM.format(version=version)})
        for shell, file, text in (("bash", name, completions.bash(command)), ("zsh", f"_{name}", completions.zsh(command))):
            folder = out / component / shell
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
