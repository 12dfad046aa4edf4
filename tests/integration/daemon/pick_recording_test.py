"""What a daemon asks its balancer is recorded, and the same plugin elsewhere answers the same."""
import http.client
import json
import threading
import unittest

from harness import FleetTest


class PickRecording(FleetTest):
    def test_picks_of_a_live_daemon_replay_bit_by_bit(self):
        d = self.daemon()
        self.runner_for(d, "r1", slots=4)
        self.runner_for(d, "r2", slots=2)
        for balancer in ("round_robin", "least_connections"):
            with self.subTest(balancer=balancer):
                file = self.dir / f"{balancer}.picks"
                done = []
                recording = threading.Thread(target=lambda: done.append(self.sigrun(
                    d, "balancer", "record", balancer, "--picks", 10, "--within", "30s", "--out", file, "--output", "json")))
                recording.start()
                while not done:
                    d.run(kind="call", command=["echo"], payload="x", durability="memory", balancer=balancer)
                recording.join()
                self.assertEqual(done[0].returncode, 0, done[0].stderr)
                self.assertEqual(json.loads(done[0].stdout)["picks"], 10)
                again = self.sigrun(d, "balancer", "replay", file, check=0)
                self.assertIn(f"10 picks of {balancer}: all the same again", again.stdout)

    def test_the_same_over_http_alone(self):
        d = self.daemon()
        self.runner_for(d, "r1", slots=4)
        status, problem = d.request("POST", "/v1/balancers/no_such/record")
        self.assertEqual((status, problem["field"]), (400, "balancer"), problem)
        self.assertEqual(d.request("POST", "/v1/balancers/round_robin/record?picks=3"), (200, {"recording": True}))
        while not (state := d.get("/v1/balancers/recording"))["full"]:
            d.run(kind="call", command=["echo"], payload="x", durability="memory", balancer="round_robin")
        self.assertEqual(state["picks"], 3)
        connection = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
        connection.request("DELETE", "/v1/balancers/recording")
        response = connection.getresponse()
        self.assertEqual((response.status, response.getheader("Content-Type")), (200, "application/octet-stream"))
        file = self.dir / "three.picks"
        file.write_bytes(response.read())
        connection.close()
        self.assertIn("3 picks of round_robin: all the same again", self.sigrun(d, "balancer", "replay", file, check=0).stdout)
        self.assertFalse(d.get("/v1/balancers/recording")["under_way"])

    def test_what_cannot_be_recorded_or_replayed_is_said(self):
        d = self.daemon()
        file = self.dir / "none.picks"
        refused = self.sigrun(d, "balancer", "record", "no_such", "--out", file)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("round_robin", refused.stderr)
        chooser = self.sigrun(d, "balancer", "record", "--out", file)  # the default, which picks nothing itself
        self.assertNotEqual(chooser.returncode, 0)
        self.assertRegex(chooser.stderr, "round_robin.*found adaptive")
        nothing = self.sigrun(d, "balancer", "record", "round_robin", "--within", "100ms", "--out", file, check=6)
        self.assertIn("0 picks", nothing.stdout)
        file.write_bytes(b"something else")
        garbage = self.sigrun(d, "balancer", "replay", file)
        self.assertNotEqual(garbage.returncode, 0)
        self.assertIn("sigrun picks 1", garbage.stderr)
        second = self.sigrun(d, "balancer", "record", "round_robin", "--within", "50ms", "--out", file, check=6)
        self.assertIn("0 picks", second.stdout)


if __name__ == "__main__":
    unittest.main()
