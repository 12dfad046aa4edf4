"""What an endpoint speaks is found out, quickly and without guessing, and what changes there is noticed."""
import json
import shutil
import threading
import time
import unittest

from broken_network import Way
from endpoints import Endpoint, drips, http_only, resets, says, self_signed
from harness import BUILD, FleetTest, free_port, wait_until

SHIPPED = ("valkyrie", "grpc", "websocket", "http")
TIERS = ("ultra", "high", "standard", "basic")


class Detection(FleetTest):
    def endpoint(self, *args, **kwargs):
        e = Endpoint(*args, **kwargs)
        self.addCleanup(e.close)
        return e

    def add(self, address, name="x", **more):
        code, body = self.d.request("POST", "/v1/runners", {"name": name, "endpoint": address, **more})
        self.assertEqual(code, 201, body)

    def detect(self, name="x"):
        """(protocols by name, seconds)"""
        began = time.monotonic()
        code, body = self.d.request("POST", f"/v1/runners/{name}/detect")
        self.assertEqual(code, 200, body)
        return {p["name"]: p for p in body["protocols"]}, time.monotonic() - began

    def seen(self, name="x"):
        return {p["name"]: p for p in self.d.runner(name)["protocols"]}

    def all_absent(self, found, but=()):
        self.assertEqual(sorted(found), sorted(SHIPPED))
        for name, p in found.items():
            if name in but:
                continue
            self.assertEqual(p["state"], "absent", p)
            self.assertTrue(p["reason"], p)
            self.assertIsNone(p["latency_us"], p)
            self.assertIsNone(p["tier"], p)

    # -- what is there -------------------------------------------------------------------------------------------------

    def test_mission_Q1_a_runner_is_described_with_version_features_limits_and_tier(self):
        self.d = self.daemon()
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", wait="listening")
        self.add(f"127.0.0.1:{port}")
        wait_until("all protocols are up", lambda: all(self.seen().get(p, {}).get("state") == "up" for p in SHIPPED))
        found, _ = self.detect()
        for name in SHIPPED:
            p = found[name]
            self.assertTrue(p["version"], p)
            self.assertGreater(p["latency_us"], 0, p)
            self.assertIn(p["tier"], TIERS, p)
            self.assertTrue(p["detected_at"] and p["verified_at"], p)
        self.assertIn("sessions", found["http"]["features"])
        self.assertIn("sessions", found["grpc"]["features"])
        self.assertGreater(found["websocket"]["max_message_bytes"], 0)
        shown = self.sigrun(self.d, "runner", "detect", "x", check=0).stdout
        self.assertIn("sessions", shown)
        self.assertIn("TIER", shown)

    def test_mission_D1_jobs_ask_for_protocols_as_for_any_other_fact(self):
        self.d = self.daemon()
        ports = {"all": free_port(), "some": free_port()}
        self.start_runner("all", "--listen", f"127.0.0.1:{ports['all']}", wait="listening")
        self.start_runner("some", "--listen", f"127.0.0.1:{ports['some']}", "--protocol", "http", "--protocol", "websocket", wait="listening")
        for name, port in ports.items():
            self.add(f"127.0.0.1:{port}", name)
        def fact(name):
            facts = {f["key"]: f for f in self.d.runner(name)["facts"]}
            return {p["name"]: p for p in facts["proto"]["value"]} if "proto" in facts else {}
        wait_until("all protocols are measured", lambda: all(fact("all").get(p, {}).get("tier") for p in SHIPPED), 20)
        wait_until("all were looked for", lambda: len(fact("some")) == 4, 20)
        self.assertEqual({p: fact("some")[p]["supported"] for p in SHIPPED}, dict(valkyrie=False, grpc=False, http=True, websocket=True))
        self.assertGreater(fact("all")["grpc"]["latency_us"], 0)
        job = self.d.run(command=["true"], requires='any(p in proto, p.name == "grpc" && p.supported && p.latency_us < 1000000)')
        self.assertEqual(job["runner"]["name"], "all")
        nobody = self.d.submit(command=["true"], requires='any(p in proto, p.name == "smoke" && p.supported)')
        self.assertEqual(self.d.job(nobody)["state"], "queued")

    def test_a_runner_serves_the_protocols_it_uses_and_no_others_whatever_their_order(self):
        self.d = self.daemon()
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", "--protocol", "http", "--protocol", "websocket", wait="listening")
        self.add(f"127.0.0.1:{port}")
        wait_until("both are up", lambda: all(self.seen().get(p, {}).get("state") == "up" for p in ("http", "websocket")))
        wait_until("all were looked for", lambda: len(self.seen()) == 4)
        for protocol in ("valkyrie", "grpc"):
            self.assertEqual(self.seen()[protocol]["state"], "absent")
        for protocol in ("http", "websocket"):
            self.assertEqual(self.d.run(command=["true"], protocol=protocol)["protocol"], protocol)

    def test_mission_D1_a_silent_endpoint_speaks_nothing_within_1_2_s_and_says_why(self):
        self.d = self.daemon()
        self.add(self.endpoint().address)
        wait_until("the first look is over", lambda: len(self.seen()) == 4)
        found, took = self.detect()
        self.all_absent(found)
        self.assertLess(took, 2)

    def test_mission_D1_a_closed_port_is_absent_with_the_reason(self):
        self.d = self.daemon()
        self.add(f"127.0.0.1:{free_port()}")
        found, took = self.detect()
        self.all_absent(found)
        self.assertIn("refused", found["valkyrie"]["reason"])
        self.assertLess(took, 2)

    def test_mission_Q1_what_answers_something_else_is_not_taken_for_a_protocol(self):
        self.d = self.daemon()
        for i, answer in enumerate((says(b"SSH-2.0-OpenSSH_9.2\r\n"), says(bytes(range(256))), resets, drips, says(b"\x15\x03\x01\x00\x02\x02\x78"))):
            self.add(self.endpoint(answer).address, f"x{i}")
            found, took = self.detect(f"x{i}")
            self.all_absent(found)
            self.assertLess(took, 2)

    def test_mission_D2_http_that_answers_404_or_500_is_reachable_and_runs_no_job(self):
        self.d = self.daemon()
        for status in (404, 500):
            name = f"x{status}"
            self.add(self.endpoint(http_only(status)).address, name)
            found, _ = self.detect(name)
            self.all_absent(found, but=("http",))
            self.assertIn(found["http"]["state"], ("down", "up"), found["http"])
            self.assertEqual(found["http"]["version"], "HTTP/1.1")
            self.assertIn(str(status), self.seen(name)["http"]["reason"])
            self.assertNotEqual(self.d.runner(name)["status"], "online")

    def test_mission_D4_an_answer_of_http_1_to_the_preface_of_http_2_is_no_grpc(self):
        self.d = self.daemon()
        self.add(self.endpoint(http_only(200)).address)
        found, _ = self.detect()
        self.assertEqual(found["grpc"]["state"], "absent")
        self.assertIn("HTTP/1", found["grpc"]["reason"])

    def test_mission_D3_a_server_without_websocket_at_the_path_says_so(self):
        self.d = self.daemon()
        self.add(self.endpoint(http_only(404)).address)
        found, _ = self.detect()
        self.assertIn("404", found["websocket"]["reason"])

    def test_mission_Q1_an_endpoint_that_speaks_only_tls_is_absent_without_it(self):
        self.d = self.daemon()
        tls = self.endpoint(http_only(200), tls=self_signed(self.dir))
        self.add(tls.address)
        found, took = self.detect()
        self.all_absent(found)
        self.assertLess(took, 2)
        self.assertEqual(tls.seen, [])

    # -- lanes ---------------------------------------------------------------------------------------------------------

    def test_mission_D20_lanes_start_apart_the_best_first(self):
        self.d = self.daemon()
        silent = self.endpoint()
        self.add(silent.address)
        wait_until("all lanes were there", lambda: len(silent.protocols()) >= 4)
        first = silent.seen[:4]
        self.assertEqual([p for _, p, _ in first], list(SHIPPED))
        # What is seen is when the bytes came; that may be a little late, and then the next seems nearer.
        self.assertGreater(first[3][0] - first[0][0], 0.06)
        self.assertGreater(silent.most, 1)

    def test_mission_D20_a_good_lane_does_not_wait_for_a_silent_one(self):
        self.d = self.daemon()
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", wait="listening")
        way = Way(port)
        self.addCleanup(way.close)
        for protocol in ("grpc", "websocket", "http"):
            way.set(protocol, "stall")
        self.add(f"127.0.0.1:{way.port}")
        found = wait_until("valkyrie is up", lambda: (lambda s: s if s.get("valkyrie", {}).get("state") == "up" else None)(self.seen()))
        self.assertEqual(set(found) - {"valkyrie"}, set())  # nothing is known of the others yet
        self.assertEqual(self.d.run(command=["true"])["state"], "succeeded")

    def test_mission_C21_a_protocol_that_was_silent_at_first_is_looked_for_again_soon(self):
        self.d = self.daemon(settings=["detector.retry_attempts=5"])
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", wait="listening")
        way = Way(port)
        self.addCleanup(way.close)
        way.set("grpc", "stall")
        self.add(f"127.0.0.1:{way.port}")
        wait_until("grpc was looked for", lambda: self.seen().get("grpc", {}).get("state") == "absent")
        way.set("grpc", "open")
        wait_until("grpc is up", lambda: self.seen()["grpc"]["state"] == "up", 15)

    def test_mission_C21_without_retries_a_silent_protocol_waits_its_minute(self):
        self.d = self.daemon(settings=["detector.retry_attempts=0"])
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", wait="listening")
        way = Way(port)
        self.addCleanup(way.close)
        way.set("grpc", "stall")
        self.add(f"127.0.0.1:{way.port}")
        wait_until("grpc was looked for", lambda: self.seen().get("grpc", {}).get("state") == "absent")
        way.set("grpc", "open")
        time.sleep(4)
        self.assertEqual(self.seen()["grpc"]["state"], "absent")

    def test_mission_C21_a_refused_connection_is_no_answer_while_the_runner_starts(self):
        plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", plugins)
        for name in ("late_unreached", "late_answered"):
            shutil.copy(BUILD / "tests/fixtures/plugins" / f"{name}.so", plugins / "protocols")
        self.d = self.daemon(plugin_dir=plugins)
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", wait="listening")
        self.add(f"127.0.0.1:{port}")
        wait_until("the first look is over", lambda: {"unreached", "answered"} <= set(self.seen()))
        wait_until("who was not reached is found", lambda: self.seen()["unreached"]["version"] == "1", 15)
        # Both were looked for in the same first look, and who gave an answer is believed for a minute.
        self.assertEqual(self.seen()["answered"]["state"], "absent")

    def test_mission_C3_one_after_another_finds_the_same(self):
        self.d = self.daemon(settings=["detector.parallel_detection=no"])
        silent = self.endpoint()
        self.add(silent.address)
        wait_until("all were looked for", lambda: len(self.seen()) == 4)
        self.all_absent(self.seen())
        first = silent.seen[:4]
        self.assertEqual([p for _, p, _ in first], list(SHIPPED))
        for (earlier, _, _), (later, _, _) in zip(first, first[1:]):
            self.assertGreater(later - earlier, 0.3)  # each had its 0.4 s

    def test_mission_C4_C5_a_protocol_that_is_switched_off_is_never_asked_for(self):
        self.d = self.daemon(settings=["detector.enable_http_detection=no", "detector.enable_valkyrie_detection=no"])
        silent = self.endpoint()
        self.add(silent.address)
        found, _ = self.detect()
        self.assertEqual(sorted(found), ["grpc", "websocket"])
        self.assertEqual(set(silent.protocols()), {"grpc", "websocket"})

    def test_mission_D18_many_who_ask_at_once_share_one_look(self):
        self.d = self.daemon()
        silent = self.endpoint()
        self.add(silent.address)
        wait_until("the first look is over", lambda: len(self.seen()) == 4)
        before = len(silent.protocols())
        askers = [threading.Thread(target=self.detect) for _ in range(20)]
        for a in askers:
            a.start()
        for a in askers:
            a.join()
        # The daemon itself looks again meanwhile, and an asker that came late begins a second look.
        self.assertLessEqual(len(silent.protocols()) - before, 4 * 4)

    # -- changes -------------------------------------------------------------------------------------------------------

    def test_mission_D19_a_protocol_that_goes_and_comes_is_found_out_and_told(self):
        self.d = self.daemon()
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{self.d.port}/v1/events?types=CapabilitiesUpdated")
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", wait="listening")
        way = Way(port)
        self.addCleanup(way.close)
        self.add(f"127.0.0.1:{way.port}")
        wait_until("all protocols are up", lambda: all(self.seen().get(p, {}).get("state") == "up" for p in SHIPPED))
        way.set("websocket", "refuse")
        event = json.loads(watch.wait_line("proto.websocket.supported")[len("data:"):])
        self.assertIn("proto.websocket.supported", json.dumps(event))
        self.assertEqual(self.seen()["websocket"]["state"], "absent")
        way.set("websocket", "open")
        self.detect()
        wait_until("it is back", lambda: self.seen()["websocket"]["state"] == "up")
        wait_until("that is told, too", lambda: sum("proto.websocket.supported" in line for line in watch.lines) == 2)


if __name__ == "__main__":
    unittest.main()
