"""What travels of a runner's facts: all of them once, then what has changed."""
import json
import shutil
import time
import unittest

from harness import BUILD, FleetTest, free_port, wait_until

SELDOM = ("--set", "runner.facts_interval=1h")
AT_ONCE = ("--set", "runner.facts_patience=30s")  # everything is known from the start


class FactsWire(FleetTest):
    def fact(self, d, key, name="r1"):
        return next((f for f in d.runner(name)["facts"] if f["key"] == key), {})

    def told(self, d):
        """How often runners told all, changes, nothing new, or what did not fit."""
        out = {"all": 0, "changes": 0, "nothing": 0, "gap": 0}
        for line in d.get("/metrics").splitlines():
            if line.startswith("sigrun_facts_told_total{"):
                out[line.split('"')[1]] = int(float(line.rsplit(" ", 1)[1]))
        return out

    def few_plugins(self):
        """Without probes that take their time: how long those need is not what is measured."""
        folder = self.dir / "plugins"
        for part in ("protocols", "executors"):
            shutil.copytree(BUILD / "plugins" / part, folder / part)
        (folder / "probes").mkdir()
        for name in ("local", "memory"):
            shutil.copy(BUILD / "plugins" / "probes" / f"{name}.so", folder / "probes")
        return folder

    def declaring(self, d, protocol, plugins):
        """A runner whose operator declares a fact."""
        folder = self.dir / f"facts.{protocol}"
        folder.mkdir()
        (folder / "rack.ini").write_text("[custom]\nrack = r1\n")
        self.start_runner(protocol, "--url", f"valkyrie://127.0.0.1:{d.port}", "--protocol", protocol, "--plugin-dir", plugins,
                          "--set", f"instance local.folder={folder}", "--set", "runner.facts_interval=1s")
        d.runner_status(protocol, "online")
        self.assertEqual(d.facts(protocol, "custom.rack", "memory.total_bytes")["custom.rack"]["value"], "r1")
        return folder / "rack.ini"

    def test_mission_E4_a_changed_fact_is_seen_within_3_s_over_each_protocol_and_is_told_alone(self):
        d = self.daemon()
        plugins = self.few_plugins()
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{d.port}/v1/events?types=CapabilitiesUpdated&after=0")
        for protocol in ("valkyrie", "grpc", "websocket", "http"):
            with self.subTest(protocol):
                file = self.declaring(d, protocol, plugins)
                hash_before = self.fact(d, "runner.name", protocol)["observed_at"]
                before = self.told(d)
                file.write_text("[custom]\nrack = r2\n")
                start = time.monotonic()
                wait_until("the change is known", lambda: self.fact(d, "custom.rack", protocol).get("value") == "r2")
                self.assertLess(time.monotonic() - start, 3)
                after = self.told(d)
                self.assertEqual((after["all"], after["gap"]), (before["all"], 0))
                self.assertGreater(after["changes"], before["changes"])
                self.assertEqual(self.fact(d, "runner.name", protocol)["observed_at"], hash_before, "the others stay as they were")
                self.assertEqual(d.run(command=["true"], requires=f'runner.name == "{protocol}" && custom.rack == "r2"')["state"],
                                 "succeeded")
        events = [json.loads(line[5:]) for line in watch.lines if line.startswith("data:")]
        for protocol in ("valkyrie", "grpc", "websocket", "http"):
            uid = d.runner(protocol)["id"]
            mine = [e for e in events if e["runner"] == uid and "custom.rack" in e["changed"]]
            self.assertEqual(len(mine), 2, "once when it came, once when it changed")
            self.assertEqual(mine[1]["changed"], ["custom.rack"])
            self.assertFalse([e for e in events if "memory.available_bytes" in e["changed"]], "that is no news")

    def test_mission_R3_numbers_that_move_all_the_time_are_told_without_an_event(self):
        d = self.daemon()
        self.runner_for(d, extra=("--set", "runner.facts_interval=1s"))
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{d.port}/v1/events?types=CapabilitiesUpdated")
        first = d.facts("r1", "memory.available_bytes")["memory.available_bytes"]["observed_at"]
        wait_until("it is looked at again", lambda: self.fact(d, "memory.available_bytes")["observed_at"] > first)
        self.assertEqual(self.told(d)["gap"], 0)
        self.assertFalse([line for line in watch.lines if "memory.available_bytes" in line])

    def test_a_runner_that_comes_back_does_not_tell_again_what_is_known(self):
        d = self.daemon()
        self.runner_for(d, extra=(*SELDOM, *AT_ONCE))
        self.assertEqual(self.told(d), {"all": 1, "changes": 0, "nothing": 0, "gap": 0})
        for to in ("grpc", "http", "websocket", "valkyrie"):
            status, body = d.request("POST", f"/v1/runners/r1/migrate?to={to}")
            self.assertEqual(status, 200, body)
            told = self.told(d)
            self.assertEqual((told["all"], told["gap"]), (1, 0), told)
        self.assertTrue(any(f["key"] == "memory.total_bytes" for f in d.runner("r1")["facts"]))

    def test_a_controller_that_has_forgotten_everything_is_told_everything(self):
        d = self.daemon()
        self.runner_for(d, extra=SELDOM)
        before = set(d.facts("r1"))
        port = d.port
        self.assertEqual(d.stop(), 0)
        d = self.daemon("daemon", port=port)
        wait_until("its facts are here again", lambda: {f["key"] for f in d.runner("r1")["facts"]} == before)
        d.runner_status("r1", "online")
        self.assertEqual(self.told(d)["all"], 1)
        self.assertEqual(d.run(command=["true"], requires="memory.total_bytes >= 1MiB")["state"], "succeeded")

    def test_a_runner_that_is_dialled_tells_once_for_all_its_protocols(self):
        d = self.daemon()
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", *SELDOM, wait="listening")
        self.assertEqual(d.request("POST", "/v1/runners", {"name": "r1", "endpoint": f"127.0.0.1:{port}"})[0], 201)
        up = lambda: [p["name"] for p in d.runner("r1")["protocols"] if p["state"] == "up"]
        wait_until("it is linked over all", lambda: len(up()) == 4)
        told = self.told(d)
        self.assertEqual(told["gap"], 0)
        self.assertGreater(told["changes"] + told["nothing"], 0, told)
        self.assertEqual(told["all"], 1, told)


if __name__ == "__main__":
    unittest.main()
