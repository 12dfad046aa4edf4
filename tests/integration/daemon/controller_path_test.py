"""What a runner finds out about the way to its controller, and jobs that ask for it."""
import json
import unittest

from broken_network import Way
from harness import FleetTest, wait_until
from secure_fleet import SecureFleet, make_certificates, pem

OFTEN = ("--set", "runner.facts_interval=1s")
MEASURE = "/v1/call/path.measure?params=%7B%22bytes%22:{}%7D"
RATES = ("net.controller_up_bps", "net.controller_down_bps")


class ControllerPath(SecureFleet, FleetTest):
    def facts(self, d, name="r1"):
        return {f["key"]: f for f in d.runner(name)["facts"]}

    def wait_facts(self, d, *keys):
        wait_until(f"{keys} are known", lambda: set(keys) <= set(self.facts(d)), 30)
        return self.facts(d)

    def test_mission_D16_round_trip_bandwidth_and_clock_are_measured_over_each_protocol(self):
        d = self.daemon()
        for protocol in ("valkyrie", "http", "websocket", "grpc"):
            scheme = {"websocket": "ws"}.get(protocol, protocol)
            self.runner_for(d, protocol, protocol=scheme, extra=OFTEN)
            facts = None
            def known():
                nonlocal facts
                facts = self.facts(d, protocol)
                return all(key in facts for key in RATES)
            wait_until(f"the way over {protocol} is known", known, 60)
            rtt = facts["net.controller_rtt_us"]
            self.assertEqual((rtt["status"], rtt["method"]), ("ok", "measured"), rtt)
            self.assertGreater(rtt["value"], 0)
            self.assertIn(protocol, rtt["source"])
            self.assertGreaterEqual(facts["net.controller_rtt_p99_us"]["value"], rtt["value"])
            self.assertLess(abs(facts["net.clock_skew_ms"]["value"]), 1000, "one machine has one clock")
            self.assertEqual((facts["net.nat"]["value"], facts["net.nat"]["detail"]), ("none", "the controller sees 127.0.0.1"))
            for key in RATES:
                self.assertGreater(facts[key]["value"], 1_000_000, facts[key])  # loopback is no modem

    def test_mission_D16_a_controller_far_away_is_seen_to_be_and_jobs_may_ask_for_a_near_one(self):
        d = self.daemon()
        way = Way(d.port)
        self.addCleanup(way.close)
        way.delays["valkyrie"] = 0.03
        self.start_runner("far", "--url", f"valkyrie://127.0.0.1:{way.port}", "--protocol", "valkyrie", *OFTEN)
        d.runner_status("far", "online")
        wait_until("the way is known", lambda: "net.controller_rtt_us" in self.facts(d, "far"), 30)
        self.assertGreaterEqual(self.facts(d, "far")["net.controller_rtt_us"]["value"], 60_000)
        asks = "net.controller_rtt_us < 20ms"
        waits = d.submit(command=["true"], requires=asks)
        self.assertEqual(d.job(waits)["state"], "queued")
        self.runner_for(d, "near", extra=OFTEN)
        wait_until("the near one runs it", lambda: d.job(waits)["state"] == "succeeded", 30)
        self.assertEqual(d.job(waits)["runner"]["name"], "near")

    def test_a_runner_that_joined_may_measure_and_a_stranger_may_not(self):
        make_certificates()
        d = self.secure_daemon()
        join = self.token(d, "--join", "build-1")
        url = f"valkyrie+tls://localhost:{d.port}"
        self.start_runner("build-1", "--url", url, "--ca", pem("ca"), "--join", join, *OFTEN, wait="connected")

        def rates():
            shown = self.cli(d.socket, "runner", "show", "build-1", "-o", "json", ca=None)
            return {key: f for key, f in ((f["key"], f) for f in json.loads(shown.stdout)["facts"]) if key in RATES}
        wait_until("bandwidth is known", lambda: len(rates()) == 2, 30)
        for fact in rates().values():
            self.assertEqual(fact["status"], "ok", fact)
        refused = self.curl(d, "/v1/call/path.measure", "-X", "POST", "-d", "")
        self.assertIn("unauthenticated", refused.stdout)

    def test_transfers_are_rationed_and_a_refusal_says_when(self):
        d = self.daemon()
        answers = [d.request("POST", MEASURE.format(262144)) for _ in range(8)]
        busy = [body for code, body in answers if code == 429 or code == 503]
        self.assertTrue(busy, answers[-1][0])
        self.assertTrue(all(b["code"] == "busy" and b["retry_after_ms"] > 0 for b in busy), busy)
        code, body = d.request("POST", MEASURE.format(9999999999))
        self.assertEqual((code, body["field"]), (400, "bytes"), body)


if __name__ == "__main__":
    unittest.main()
