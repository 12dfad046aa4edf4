"""Man pages and completions: everything of the command lines is in them, the shells take them, and they complete.

  manual_test.py BIN GENERATOR     folder of the programs, etc/generate_manual.py"""
import gzip
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BIN = GENERATOR = OUT = None


def described(name):
    import generate_manual
    return generate_manual.command_line_of(BIN / name)


def walk(command, path):
    yield path, command
    for sub in command["commands"]:
        yield from walk(sub, f"{path} {sub['name']}")


def all_commands():
    for name in ("sigrun", "sigrund", "sigrun-runner"):
        yield from ((name, path, command) for path, command in walk(described(name), name))


def page(name):
    return gzip.decompress(next(OUT.glob(f"*/man1/{name}.1.gz")).read_bytes()).decode()


def plain(roff):
    """What a reader sees of it, nearly."""
    return re.sub(r"\\f[BIR]", "", roff).replace("\\-", "-").replace("\\(aq", "'").replace("\\(ha", "^").replace("\\(ti", "~").replace(
        "\\(ga", "`").replace("\\&", "").replace("\\e", "\\")


def bash_offers(program, *words):
    script = f'. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() {{ :; }}; _{program.replace("-", "_")}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", str(next(OUT.glob(f"*/bash/{program}"))), program, *words], capture_output=True,
                          text=True, check=True)
    return done.stdout.split()


class Manual(unittest.TestCase):
    def test_help_and_description_name_the_same_commands(self):
        """The description is CLI11's own; this shows that it is not of another program, and complete."""
        for name, path, command in all_commands():
            done = subprocess.run([str(BIN / name), *path.split()[1:], "--help"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, path)
            for sub in command["commands"]:
                self.assertRegex(done.stdout, rf"(?m)^  {re.escape(sub['name'])}\b")
            shown = {n for names in re.findall(r"(?m)^  (-\S+)", done.stdout) for n in names.split(",")}
            self.assertEqual(shown, {n for o in command["options"] for n in o["names"]}, path)

    def test_every_command_and_option_is_in_a_man_page(self):
        for name, path, command in all_commands():
            first = path.split()[1:2]
            title = {"sigrun runner": "sigrun-runner-commands"}.get(" ".join([name, *first]), "-".join([name, *first]))
            text = plain(page(title))
            self.assertIn(f"{path} [options]", text)
            for option in command["options"] + command["positionals"]:
                for written in option["names"] or [option["name"]]:
                    self.assertRegex(text, rf"(?m)(^|[ ,]){re.escape(written)}\b", f"{path} in {title}")
                for line in option["description"].split("\n"):
                    self.assertIn(line, text, f"{path} {option['names']}")

    def test_man_pages_are_well_formed(self):
        checker = shutil.which("groff") or self.skipTest("no groff here")
        for file in OUT.glob("*/man1/*.gz"):
            done = subprocess.run([checker, "-man", "-Tutf8", "-ww", "-z"], input=gzip.decompress(file.read_bytes()), capture_output=True)
            self.assertEqual((done.returncode, done.stderr.decode()), (0, ""), file.name)

    def test_no_page_depends_on_who_built_it(self):
        for file in OUT.rglob("*"):
            if file.is_file():
                text = (gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()).decode()
                self.assertNotIn(str(BIN.parent), text, file.name)

    def test_bash_completes_every_command_and_option(self):
        for file in OUT.glob("*/bash/*"):
            subprocess.run(["bash", "-n", str(file)], check=True)
        for name, path, command in all_commands():
            words = path.split()[1:]
            names = {n for option in command["options"] for n in option["names"]}
            self.assertLessEqual(names, set(bash_offers(name, *words, "-")), path)
            if command["commands"]:
                self.assertEqual(set(bash_offers(name, *words, "")), {s["name"] for s in command["commands"]}, path)

    def test_bash_completes_values_and_what_was_begun(self):
        self.assertEqual(bash_offers("sigrun", "runn"), ["runner"])
        self.assertEqual(bash_offers("sigrun", "job", "c"), ["cancel"])
        self.assertEqual(bash_offers("sigrun", "-o", ""), ["table", "json"])
        self.assertEqual(bash_offers("sigrun", "--output", "=", "js"), ["json"])
        # A value that is a command's name is a value; options of above may stand behind the command.
        self.assertEqual(bash_offers("sigrun", "--token", "job", "runner", "drai"), ["drain"])
        self.assertEqual(bash_offers("sigrun", "runner", "--url", "http", ":", "//x", "ls", "--output", "t"), ["table"])
        self.assertIn("submitter", bash_offers("sigrun", "token", "create", "x", "--role", ""))
        # Behind -- stands a command of the job.
        self.assertIn("bash", bash_offers("sigrun", "run", "--", "bas"))
        self.assertEqual(bash_offers("sigrun", "run", "-q", "--qui"), ["--quiet"])

    def test_zsh_completes(self):
        zsh = shutil.which("zsh") or self.skipTest("no zsh here (etc/install-deps.sh --packages)")
        for file in OUT.glob("*/zsh/*"):
            subprocess.run([zsh, "-n", str(file)], check=True)
        # A real zsh at a terminal of its own, with the completion found by compinit; what it offers is asked for by TAB.
        script = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
ask() {
    zpty -w -n shell "$1"
    local all= part
    repeat 400; do
        zpty -r -t shell part && all+=$part || sleep 0.05
        [[ $all == *$2* ]] && break
    done
    print -r -- "$all"
}
zpty -w shell "PS1=; unsetopt zle_bracketed_paste; fpath=($1 \$fpath); autoload -U compinit; compinit -D -u; compdef; print rea''dy"
ask '' ready >/dev/null
ask $'sigrun job can\t' 'cancel' | tail -n 1
zpty -w -n shell $'\025'
ask $'sigrun token create --role subm\t' 'submitter' | tail -n 1
zpty -w -n shell $'\025'
ask $'sigrun runner --out\t' '--output' | tail -n 1
zpty -d shell
"""
        done = subprocess.run([zsh, "-fc", script, "zsh", str(OUT / "daemon" / "zsh")], capture_output=True, text=True, timeout=120,
                              env={"PATH": "/usr/bin:/bin", "TERM": "dumb", "LANG": "C.UTF-8"})
        for wanted in ("sigrun job cancel", "--role submitter", "sigrun runner --output"):
            self.assertIn(wanted, done.stdout, done.stderr)


if __name__ == "__main__":
    BIN, GENERATOR = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    sys.path.insert(0, str(GENERATOR.parent))
    with tempfile.TemporaryDirectory() as folder:
        OUT = pathlib.Path(folder)
        subprocess.run([sys.executable, "-B", str(GENERATOR), str(BIN), str(OUT)], check=True)
        unittest.main(argv=sys.argv[:1] + sys.argv[3:])
