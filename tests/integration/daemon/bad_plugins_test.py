"""The daemon in the company of every seeded plugin: it starts, says why it does without each, and a reload to one changes nothing."""
import os
import shutil
import unittest

from harness import BIN, BUILD, FleetTest

SEEDED = BUILD / "tests" / "bad_plugins"
# What happens to the process that maps them; the daemon sees it happen to another one.
DEADLY = {"constructor_crashes": "crashed", "constructor_exits": "ended its trial by itself", "constructor_forks": "a process",
          "constructor_spawns": "a thread", "crashes_when_asked_twice": "crashed"}
HANGING = {"constructor_hangs": "did not get through its trial"}
# Refused by what their files or descriptors are.
REFUSED = {"extra_export": "exported symbols", "wrong_major": "ABI major", "no_note": "note", "executable_stack": "stack",
           "missing_symbol": "nobody_has_this_function", "note_disagrees": "as in the note", "short_descriptor": "struct_size",
           "unstable_descriptor": "the same descriptor", "refuses_its_defaults": "number"}


def id_of(name):
    return "bad." + name.ljust(40, "-")


class BadPlugins(FleetTest):
    def setUp(self):
        super().setUp()
        self.plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", self.plugins)

    def test_the_daemon_starts_with_all_of_them_and_says_why_it_does_without(self):
        folder = self.plugins / "seeded"
        folder.mkdir()
        expected = REFUSED | DEADLY
        for name in expected:
            shutil.copy(SEEDED / f"{name}.so", folder)
        d = self.daemon(plugin_dir=self.plugins)
        self.runner_for(d)
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        listed = {p["file"].rsplit("/", 1)[-1][:-3]: p for p in d.get("/v1/plugins")["items"]}
        for name, reason in expected.items():
            self.assertNotEqual(listed[name]["state"], "active", name)
            self.assertIn(reason, listed[name]["reason"], name)

    def test_a_reload_to_any_of_them_leaves_the_daemon_at_work(self):
        # A probe that keeps the rules is what each of them wants to replace.
        path = self.plugins / "probes" / "seeded.so"
        shutil.copy(SEEDED / "good.so", path)
        d = self.daemon(plugin_dir=self.plugins)
        self.runner_for(d)
        for name, reason in (DEADLY | HANGING | REFUSED).items():
            new = path.with_name(".new")
            # The id is the good one's, so that it is this plugin's file that went bad.
            new.write_bytes((SEEDED / f"{name}.so").read_bytes().replace(id_of(name).encode(), id_of("good").encode()))
            os.rename(new, path)
            status, problem = d.request("POST", f"/v1/plugins/{id_of('good')}/reload", timeout=60)
            self.assertGreaterEqual(status, 400, (name, problem))
            now = d.get(f"/v1/plugins/{id_of('good')}")
            self.assertEqual((now["state"], now["version"]), ("active", "1.0.0"), (name, now))
            self.assertIn(reason, f"{now['reason']} {problem}", name)
            self.assertEqual(d.run(command=["true"])["state"], "succeeded", name)

    def test_the_command_line_runs_the_tool(self):
        done = self.program(BIN / "sigrun", "plugin", "check", SEEDED / "good.so", "--group", "static", "--json")
        done.wait_line('"passed":true')
        self.assertEqual(done.process.wait(30), 0)
        done = self.program(BIN / "sigrun", "plugin", "check", SEEDED / "completes_twice.so", "--group", "threads")
        done.wait_line("threads/completed-once")
        self.assertEqual(done.process.wait(30), 1)


if __name__ == "__main__":
    unittest.main()
