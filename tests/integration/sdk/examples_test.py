"""The SDK's examples, built with the installed SDK alone, at work in real programs."""
import shutil
import socket
import threading
import unittest

from author import AuthorTest, wait_until


class Client:
    """A connection that speaks the line protocol."""

    def __init__(self, daemon):
        self.socket = socket.create_connection(("127.0.0.1", daemon.port), timeout=60)
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.send("line/1")

    def send(self, line):
        self.socket.sendall((line + "\n").encode())

    def ask(self, line):
        self.send(line)
        return self.read()

    def read(self):
        return self.lines.readline().rstrip("\n")

    def until(self, *beginnings):
        """The lines up to one that begins so."""
        out = []
        while True:
            line = self.read()
            out.append(line)
            if line == "" or line.startswith(beginnings):
                return out

    def close(self):
        self.lines.close()
        self.socket.close()


class Examples(AuthorTest):
    def example(self, name, *settings, changes=None):
        """Builds an example, with changes {file: [(old, new)]} if there are any, and puts it into the daemon's folder."""
        project = self.prefix / "share/sigrun/examples" / name
        if changes:
            project = shutil.copytree(project, self.dir / name)
            for file, pairs in changes.items():
                text = (project / file).read_text()
                for old, new in pairs:
                    self.assertIn(old, text)
                    text = text.replace(old, new)
                (project / file).write_text(text)
        built = self.build(project, *settings)
        self.put(built)
        return built

    def test_they_pass_their_tests_and_keep_every_rule(self):
        self.keeps_the_rules(self.example("line_protocol"))
        self.keeps_the_rules(self.example("rust_uptime"))
        # All of its tests: among them the one that sigrun_add_plugin adds where the tool is installed.
        built = self.example("first_fit")
        self.assertIn("plugin_check.first_fit", self.command("ctest", "--test-dir", built, "-N").stdout)
        self.passes_its_tests(built)

    def test_a_job_per_line(self):
        self.example("line_protocol")
        daemon = self.daemon_with_plugins()
        self.is_listed(daemon, "example.line", "protocol")
        self.runner_for(daemon)
        client = Client(daemon)
        self.assertEqual(client.ask("PING"), "pong")
        answer = [client.ask("RUN sh -c \"echo to out; echo to err >&2; exit 3\"")] + client.until("exit", "error", "failed")
        self.assertRegex(answer[0], "^job [0-9a-f-]{36}$")
        self.assertEqual(sorted(answer[1:-1]), ["err to err", "out to out"])
        self.assertEqual(answer[-1], "exit 3")
        job = daemon.job(answer[0].split()[1])
        self.assertEqual((job["state"], job["exit_code"]), ("failed", 3))
        # A second command on the same connection, and one that is refused.
        self.assertEqual([client.ask("RUN printf no-line-end")] and client.until("exit")[-2:], ["out no-line-end", "exit 0"])
        self.assertEqual(client.ask("RUN"), "error RUN needs a command")
        self.assertEqual(client.ask("RUN \"open"), "error a quote is not closed")
        self.assertEqual(client.ask("NONSENSE"), "error unknown command; HELP lists them")
        self.assertEqual(client.ask("QUIT"), "")
        client.close()
        # The other protocols share the port as before.
        self.assertEqual(daemon.get("/v1/version")["name"], "sigrund")

    def test_large_output_to_a_slow_reader_is_whole(self):
        self.example("line_protocol")
        daemon = self.daemon_with_plugins()
        self.runner_for(daemon)
        client = Client(daemon)
        client.send("RUN sh -c \"seq 1 200000\"")
        job = client.read().split()[1]
        daemon.finished(job, 120)  # nothing was read meanwhile: the answer waits outside of the plugin
        numbers = []
        while (line := client.read()).startswith("out "):
            numbers.append(int(line[4:]))
        self.assertEqual(line, "exit 0")
        self.assertEqual(numbers, list(range(1, 200001)))
        client.close()

    def test_a_client_that_leaves_takes_nothing_with_it(self):
        self.example("line_protocol")
        daemon = self.daemon_with_plugins()
        self.runner_for(daemon)
        gone = Client(daemon)
        job = gone.ask("RUN sh -c \"while [ ! -e %s/go ]; do echo waiting; sleep 0.05; done\"" % self.dir).split()[1]
        gone.read()
        gone.close()
        (self.dir / "go").touch()
        self.assertEqual(daemon.finished(job)["state"], "succeeded")
        other = Client(daemon)
        self.assertEqual(other.ask("PING"), "pong")
        other.close()
        self.assertEqual(daemon.stop(), 0)

    def test_a_balancer_in_c_and_a_probe_in_rust(self):
        self.example("first_fit")
        self.example("rust_uptime")
        daemon = self.daemon_with_plugins()
        self.is_listed(daemon, "example.first-fit", "balancer")
        self.is_listed(daemon, "example.rust-uptime", "probe")
        self.runner_with_plugins(daemon)
        job = daemon.run(command=["true"], balancer="first_fit", requires="rust_uptime.uptime_s > 0")
        self.assertEqual((job["state"], job["balancer"]), ("succeeded", "first_fit"))
        facts = {f["key"]: f for f in daemon.runner("r1")["facts"]}
        self.assertEqual(facts["rust_uptime.uptime_s"]["status"], "ok")

    def test_an_extension_adds_a_command_and_outlives_replacements(self):
        line = self.example("line_protocol")
        include = f"-DLINE_INCLUDE_DIR={line.parent}/project/include"
        self.example("line_greeting", include)
        daemon = self.daemon_with_plugins(settings=["plugins.watch=no", "plugins.probation=0s"])
        self.is_listed(daemon, "example.line-greeting", "extension")
        client = Client(daemon)
        self.assertEqual(client.ask("GREET world"), "hello world")
        self.assertIn("GREET", client.ask("HELP"))

        # A new version of the extension: the command never fails while it is replaced.
        stop, answers = threading.Event(), set()

        def ask_all_the_time():
            other = Client(daemon)
            while not stop.is_set():
                answers.add(other.ask("GREET you"))
            other.close()
        asking = threading.Thread(target=ask_all_the_time)
        asking.start()
        try:
            self.example("line_greeting", include, changes={
                "plugin.cpp": [('.def = "hello"', '.def = "good day"'), ('"1.0.0"', '"1.1.0"')]})
            daemon.request("POST", "/v1/plugins/example.line-greeting/reload")
            wait_until("the new extension answers", lambda: client.ask("GREET world") == "good day world")
        finally:
            stop.set()
            asking.join(60)
        self.assertEqual(answers - {"hello you"}, {"good day you"} & answers)
        plugin = daemon.get("/v1/plugins/example.line-greeting")
        self.assertEqual((plugin["version"], plugin["state"]), ("1.1.0", "active"))
        wait_until("the old extension goes",
                   lambda: not daemon.get("/v1/plugins/example.line-greeting")["retiring"])

        # A new version of the provider: the extension moves over. An old connection stays with the old one.
        self.example("line_protocol", changes={"server.cpp": [('"1.0.0"', '"1.2.0"')]})
        status, answer = daemon.request("POST", "/v1/plugins/example.line/reload")
        if status == 501 or (isinstance(answer, dict) and answer.get("code") == "unsupported"):
            self.skipTest("protocols cannot be replaced in this daemon")

        def greeted_by_the_new_one():
            fresh = Client(daemon)
            said = fresh.ask("GREET again")
            fresh.close()
            return daemon.get("/v1/plugins/example.line")["version"] == "1.2.0" and said == "good day again"
        wait_until("the extension works with the new protocol", greeted_by_the_new_one)
        client.close()
        wait_until("the old protocol goes", lambda: not daemon.get("/v1/plugins/example.line")["retiring"])


if __name__ == "__main__":
    unittest.main()
