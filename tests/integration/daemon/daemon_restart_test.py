"""The daemon is restarted while a hundred jobs run over all four protocols: all end well, none runs twice, no byte of output is
missing."""
import collections
import unittest

from harness import FleetTest, free_port, wait_until

PROTOCOLS = ("valkyrie", "grpc", "websocket", "http")
EACH = 25


class DaemonRestart(FleetTest):
    def restarted_by(self, end):
        port = free_port()
        d = self.daemon(port=port)
        for protocol in PROTOCOLS:
            self.runner_for(d, protocol, protocol={"websocket": "ws"}.get(protocol, protocol), slots=EACH)
        gate, ledger = self.dir / "gate", self.dir / "ledger"
        # Each writes all the time, so that some of them do so at any moment of the restart.
        script = (f"echo $0 began >> {ledger}; i=0; until [ -e {gate} ]; do i=$((i+1)); echo line $i; sleep 1; done; "
                  f"echo end $i; echo $0 ended >> {ledger}")
        jobs = {}
        for protocol in PROTOCOLS:
            for n in range(EACH):
                name = f"{protocol}-{n}"
                jobs[name] = d.submit(command=["sh", "-c", script, name], protocol=protocol,
                                      durability="relaxed" if n % 5 == 4 else "fsync")
        wait_until("all run", lambda: d.get("/v1/stats")["jobs"].get("running") == len(jobs), 180)
        wait_until("all write", lambda: all(d.job(i)["log_bytes"] > 0 for i in jobs.values()), 120)
        end(d)
        d = self.daemon(port=port)
        for protocol in PROTOCOLS:
            d.runner_status(protocol, "online", "busy", deadline=120)
        before = {name: d.job(i)["log_bytes"] for name, i in jobs.items()}
        wait_until("all write again", lambda: all(d.job(i)["log_bytes"] > before[name] for name, i in jobs.items()), 120)
        self.assertEqual(d.get("/v1/stats")["jobs"], {"running": len(jobs)})
        gate.touch()
        wait_until("all have ended", lambda: d.get("/v1/stats")["jobs"].get("succeeded") == len(jobs), 180)
        for name, job_id in jobs.items():
            job = d.job(job_id)
            self.assertEqual([(a["state"], a["runner"]["name"]) for a in job["attempts"]], [("succeeded", name.split("-")[0])], job)
            log = d.log(job_id)
            lines = int(log.rsplit("end ", 1)[1])
            self.assertEqual(log, "".join(f"line {i + 1}\n" for i in range(lines)) + f"end {lines}\n", name)
            self.assertNotIn("log_missing_bytes", job)
        expected = {f"{name} {what}": 1 for name in jobs for what in ("began", "ended")}
        self.assertEqual(collections.Counter(ledger.read_text().splitlines()), expected)

    def test_kill_9_during_a_hundred_running_jobs_over_four_protocols(self):
        self.restarted_by(lambda d: d.kill())

    def test_an_upgrade_during_a_hundred_running_jobs_over_four_protocols(self):
        self.restarted_by(lambda d: self.assertEqual(d.stop(60), 0))


if __name__ == "__main__":
    unittest.main()
