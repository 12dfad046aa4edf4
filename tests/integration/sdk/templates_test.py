"""Projects made by `sigrun plugin new`: they build, pass their own tests, load, and do their work."""
import json
import os
import unittest

from author import AuthorTest, BIN

EVERY = bool(os.environ.get("SIGRUN_SDK_EVERY"))


class Templates(AuthorTest):
    def combinations(self, kind, ordinary):
        for lang in ("c", "cpp", "rust") if EVERY else (ordinary,):
            name = f"my_{kind}_{lang}"
            self.new(kind, name, lang)
            built = self.build(self.dir / name)
            self.keeps_the_rules(built)
            self.put(built)
            yield name, "com.example." + name.replace("_", "-")

    def test_a_probe_tells_its_fact(self):
        names = list(self.combinations("probe", "rust"))
        daemon = self.daemon_with_plugins()
        for name, plugin_id in names:
            self.is_listed(daemon, plugin_id, "probe")
            facts = json.loads(self.sigrun(daemon, "--plugin-dir", self.plugins, "probe", "--only", name, "--json", check=0).stdout)
            self.assertEqual([f["key"] for f in facts["facts"]], [name + ".uptime_s"])
            self.assertEqual(facts["facts"][0]["status"], "ok")
            self.assertGreater(facts["facts"][0]["value"], 0)

    def test_a_balancer_picks(self):
        names = list(self.combinations("balancer", "c"))
        daemon = self.daemon_with_plugins()
        self.runner_for(daemon)
        for name, plugin_id in names:
            self.is_listed(daemon, plugin_id, "balancer")
            job = daemon.run(command=["true"], balancer=name)
            self.assertEqual((job["state"], job["balancer"]), ("succeeded", name))

    def test_an_executor_runs_a_job(self):
        names = list(self.combinations("executor", "cpp"))
        daemon = self.daemon_with_plugins()
        self.runner_with_plugins(daemon)
        for name, _ in names:
            job = daemon.run(kind=name, command=["upper"], payload="hello")
            self.assertEqual((job["state"], job["exit_code"]), ("succeeded", 0), job)
            self.assertIn("HELLO", daemon.log(job["id"]))
            job = daemon.run(kind=name, command=["upper"], payload="x" * 70000, retry={"user": 0})
            self.assertEqual((job["state"], job["failure"]["code"]), ("failed", "too_large"), job)

    def test_a_protocol_answers_on_the_shared_port(self):
        names = list(self.combinations("protocol", "cpp"))
        daemon = self.daemon_with_plugins()
        for name, plugin_id in names:
            self.is_listed(daemon, plugin_id, "protocol")
            self.assertEqual(json.loads(self.ask(daemon, f"{name} version.get {{}}\n"))["name"], "sigrund")
            self.assertIn("not_found", self.ask(daemon, f"{name} jobs.get {{\"id\":\"none\"}}\n") +
                          self.ask(daemon, f"{name} runners.get {{\"id\":\"none\"}}\n"))
            self.assertIn("sigrun_runners", self.ask(daemon, f"{name} metrics.get {{}}\n"))

    def test_what_is_typed_wrong_is_said(self):
        for words, part in ((("probes", "x", "c"), '"probes", perhaps "probe"'), (("probe", "x", "go"), "--lang: expected one of c, cpp, rust"),
                            (("probe", "Bad-Name", "c"), "name: expected"), (("probe", "1x", "c"), "name: expected"),
                            (("probe", "test", "c"), "no build tool"), (("probe", "x", "c", "--id", "Not An Id"), "--id: expected"),
                            (("probe", "x", "c", "--dir", str(self.prefix)), "does not exist yet")):
            done = self.new(*words, check=None)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn(part, done.stderr, words)
        self.assertFalse((self.dir / "x").exists())
        done = self.command(BIN / "sigrun", "plugin", "new", "probe", "x", "--lang", "c", "--template-dir", "/nowhere", check=None)
        self.assertIn("templates of the SDK are not installed", done.stderr)

    def test_the_build_tree_has_the_templates_and_json_lists_the_files(self):
        done = self.command(BIN / "sigrun", "-o", "json", "plugin", "new", "probe", "other", "--lang", "c++",
                            "--id", "org.me.other", "--dir", "deep/folder")
        made = json.loads(done.stdout)
        self.assertEqual(made["id"], "org.me.other")
        self.assertIn("other.cpp", made["files"])
        text = (self.dir / "deep/folder/other.cpp").read_text()
        self.assertIn("org.me.other", text)
        for file in made["files"]:
            self.assertNotRegex((self.dir / "deep/folder" / file).read_text(), r"@[a-z_]+@")


if __name__ == "__main__":
    unittest.main()
