#!/usr/bin/env python3
"""The conformance tool's own promises: exit codes, output formats, waivers, verdict, files that are no plugins.

usage: tool_test.py TOOL FOLDER_WITH_SEEDED_PLUGINS"""
import hashlib
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

TOOL, SEEDED = sys.argv[1], pathlib.Path(sys.argv[2])


def check(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120)


class Tool(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sigrun-check-test-"))
        self.good = self.dir / "good.so"
        shutil.copy(SEEDED / "good.so", self.good)

    def tearDown(self):
        shutil.rmtree(self.dir)

    def broken(self, path, *arguments):
        done = check(path, "--json", *arguments)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return {r["rule"]: r for r in json.loads(done.stdout)["results"] if r["result"] == "fail"}

    def test_what_cannot_be_checked_is_exit_code_2_with_a_reason(self):
        for arguments, reason in (([self.dir / "nothing.so"], "cannot read"), ([], "expected a plugin file"),
                                  ([self.good, "--group", "statics"], "no group statics"),
                                  ([self.good, "--timeout", "soon"], "expected a duration"),
                                  ([self.good, "--json", "--junit"], "excludes"), ([self.good, "--what"], "--what"),
                                  (["--explain", "no/rule"], "no rule"),
                                  ([self.good, "--config", self.dir / "nothing.ini"], "nothing.ini"),
                                  ([self.good, "--waive-file", self.dir / "nothing.ini"], "nothing.ini")):
            done = check(*arguments)
            self.assertEqual((done.returncode, reason in done.stderr), (2, True), (arguments, done.stderr))

    def test_every_rule_is_listed_and_explained(self):
        rules = [line.split()[0] for line in check("--list").stdout.splitlines() if line.startswith("  ")]
        self.assertGreater(len(rules), 80)
        self.assertEqual(len(rules), len(set(rules)))
        for rule in rules[:3] + rules[-3:]:
            text = check("--explain", rule).stdout
            self.assertTrue(rule in text and "Why:" in text and "Fix:" in text, text)

    def test_a_file_that_is_no_plugin_of_this_machine(self):
        whole = self.good.read_bytes()
        foreign = self.dir / "foreign.so"
        foreign.write_bytes(whole[:18] + struct.pack("<H", 243) + whole[20:])  # e_machine: RISC-V
        self.assertIn("static/elf", self.broken(foreign))
        for size in (0, 3, 64, 512, 4096, len(whole) // 2, len(whole) - 1):
            cut = self.dir / "cut.so"
            cut.write_bytes(whole[:size])
            broken = self.broken(cut)
            self.assertTrue(any(rule.startswith("static/") for rule in broken), (size, broken))
        (self.dir / "text.so").write_text("#!/bin/sh\n")
        self.assertIn("static/elf", self.broken(self.dir / "text.so"))

    def test_after_a_broken_gate_nothing_else_runs(self):
        done = check(SEEDED / "constructor_crashes.so", "--json")
        results = {r["rule"]: r for r in json.loads(done.stdout)["results"]}
        self.assertEqual(results["entry/constructor"]["found"], "a crash, SIGABRT")
        self.assertIn("group entry failed", results["life/cycle"]["note"])

    def test_the_table_names_rule_expected_and_found(self):
        done = check(SEEDED / "descriptor_left.so", "--group", "life")
        self.assertEqual(done.returncode, 1)
        line = next(line for line in done.stdout.splitlines() if line.startswith("life/fds-left"))
        self.assertRegex(line, r"FAIL +expected no descriptor after destroy and unload, found \d+ \(/dev/null\)")
        self.assertIn("--explain", done.stdout)

    def test_junit_has_a_case_per_rule(self):
        done = check(SEEDED / "descriptor_left.so", "--group", "life", "--junit")
        suite = xml.etree.ElementTree.fromstring(done.stdout)
        self.assertEqual(int(suite.get("tests")), len(suite.findall("testcase")))
        failed = [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None]
        self.assertEqual(failed, ["life/fds-left"])

    def test_a_waiver_needs_a_rule_and_a_reason_and_is_shown(self):
        plugin = self.dir / "left.so"
        shutil.copy(SEEDED / "descriptor_left.so", plugin)
        self.assertEqual(check(plugin, "--group", "life").returncode, 1)
        waivers = self.dir / "sigrun-plugin-check.ini"
        waivers.write_text("; ours\n[waive]\nlife/fds-left = the kernel keeps it; see #12\n")
        done = check(plugin, "--group", "life")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, "life/fds-left +waived.*the kernel keeps it")
        for text in ("[waive]\nlife/no-such-rule = x\n", "[waive]\nlife/fds-left =\n", "life/fds-left = x\n", "[other]\n"):
            waivers.write_text(text)
            self.assertEqual(check(plugin, "--group", "life").returncode, 2, text)

    def test_the_verdict_names_the_bytes_and_only_the_groups_that_ran(self):
        verdict = self.dir / "verdict.json"
        self.assertEqual(check(self.good, "--group", "static", "--group", "unload-clean", "--verdict", verdict).returncode, 0)
        said = json.loads(verdict.read_text())
        self.assertEqual(said["sha256"], hashlib.sha256(self.good.read_bytes()).hexdigest())
        self.assertEqual(said["groups"], {"static": "pass", "unload-clean": "pass"})
        check(SEEDED / "at_exit.so", "--group", "unload-clean", "--verdict", verdict)
        self.assertEqual(json.loads(verdict.read_text())["groups"], {"unload-clean": "fail"})

    def test_config_gives_values_to_components(self):
        ini = self.dir / "my.ini"
        ini.write_text("[instance mine]\ncomponent = good:bad\nnumber = 64\n")
        self.assertEqual(check(self.good, "--group", "config", "--config", ini).returncode, 0)
        self.assertIn("config/defaults", self.broken(SEEDED / "crashes_at_its_limit.so", "--group", "config", "--config", ini))

    def test_in_process_finds_the_same_without_children(self):
        self.assertEqual(check(self.good, "--in-process", "--group", "life", "--cycles", "2").returncode, 0)
        self.assertIn("threads/completed-once", self.broken(SEEDED / "completes_twice.so", "--in-process", "--group", "threads"))

    def test_a_fuzzed_protocol_reports_its_runs_and_a_seed(self):
        done = check(SEEDED / "good_protocol.so", "--group", "kind", "--fuzz", "500ms", "--seed", "7", "--json")
        fuzzed = next(r for r in json.loads(done.stdout)["results"] if r["rule"] == "kind/fuzz")
        self.assertEqual(fuzzed["result"], "pass", fuzzed)
        self.assertGreater(int(fuzzed["note"].split()[0]), 0)

    def test_a_corpus_makes_an_own_protocol_talk(self):
        mine = self.dir / "mine"
        mine.write_bytes(b"echo of mine\n")
        done = check(SEEDED / "good_protocol.so", "--group", "kind", "--corpus", mine, "--json")
        ends = next(r for r in json.loads(done.stdout)["results"] if r["rule"] == "kind/connection-ends")
        self.assertIn(str(mine), ends["note"])

    def test_nothing_is_left_in_the_temporary_folder(self):
        done = subprocess.run([TOOL, self.good, "--group", "life"], env={"TMPDIR": str(self.dir)}, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertEqual([p.name for p in self.dir.iterdir()], ["good.so"])


unittest.main(argv=sys.argv[:1])
