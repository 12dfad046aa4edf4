"""Jobs that take their runners down are dead, and can be sent again."""
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest

SETTINGS = ["interface.retry_delay=1ms", "jobs.lease=1s"]


class Poison(PuppetTest):
    def run_and_vanish(self, d, puppets, job_id):
        """The runner that gets it is lost while it runs."""
        taken = {}

        def look():
            for p in puppets:
                try:
                    taken[p.name] = (p, p.expect("offer", job_id, deadline=0.05))
                    return taken[p.name]
                except AssertionError:
                    pass
            return None
        p, offer = wait_until("somebody is offered it", look)
        p.accept(offer)
        p.send({"kind": "state", "attempt": offer["attempt"], "json": {"state": "running"}})
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        p.hang_up()
        puppets.remove(p)
        return p.name

    def test_a_job_that_three_runners_were_lost_with_is_dead(self):
        port = free_port()
        d = self.daemon(port=port, settings=SETTINGS)
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{port}/v1/events?types=JobDead&after=0")
        puppets = [self.puppet(d, name=f"p{i}") for i in range(4)]
        job_id = d.submit(command=["true"], retry={"infrastructure": 10}, labels={"a": "b"})
        lost = [self.run_and_vanish(d, puppets, job_id) for _ in range(3)]
        job = d.finished(job_id, 30)
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"]), ("dead", "infra_runner", "poison"), job)
        for name in lost:
            self.assertIn(name, job["failure"]["message"])
        self.assertEqual([a["state"] for a in job["attempts"]], ["lost"] * 3)
        self.assertIn(lost[0], watch.wait_line('"type":"JobDead"'))
        self.assertIn("sigrun_jobs_dead_total 1", d.request("GET", "/metrics")[1])
        self.assertIn("dead", self.sigrun(d, "job", "ls", "--state", "dead", check=0).stdout)
        # Also after a restart, and it can be sent again.
        d.kill()
        d = self.daemon(port=port, settings=SETTINGS)
        self.assertEqual(d.job(job_id)["state"], "dead")
        out = self.sigrun(d, "job", "retry", job_id, check=0).stdout
        self.assertIn(job_id, out)
        again = d.job(out.split()[0])
        self.assertEqual((again["retry_of"], again["labels"], again["attempts"]), (job_id, {"a": "b"}, []))
        puppets[0].connect()
        offer = puppets[0].expect("offer", again["id"])
        puppets[0].accept(offer)
        puppets[0].end(offer)
        self.assertEqual(d.finished(again["id"])["state"], "succeeded")
        self.assertEqual(d.job(job_id)["state"], "dead")

    def test_losses_count_over_a_restart_and_each_runner_once(self):
        port = free_port()
        settings = SETTINGS + ["jobs.poison_after=2", "jobs.restart_grace=1s"]
        d = self.daemon(port=port, settings=settings)
        one = self.puppet(d, name="one")
        job_id = d.submit(command=["true"], retry={"infrastructure": 10})
        for _ in range(2):
            self.run_and_vanish(d, [one], job_id)
            wait_until("it waits again", lambda: d.job(job_id)["state"] == "queued")
            one.connect()
        # The same runner twice is no proof.
        self.assertEqual(len(d.job(job_id)["attempts"]), 2)
        one.hang_up()
        d.kill()
        d = self.daemon(port=port, settings=settings)
        two = self.puppet(d, name="two")
        self.run_and_vanish(d, [two], job_id)
        self.assertEqual(d.finished(job_id, 30)["state"], "dead")

    def test_what_a_runner_says_of_itself_is_no_proof(self):
        d = self.daemon(settings=["interface.retry_delay=1ms", "jobs.poison_after=2"])
        puppets = [self.puppet(d, name=f"p{i}") for i in range(3)]
        job_id = d.submit(command=["true"], retry={"infrastructure": 2})
        for _ in range(3):
            def look():
                for p in puppets:
                    try:
                        return p, p.expect("offer", job_id, deadline=0.05)
                    except AssertionError:
                        pass
                return None
            p, offer = wait_until("somebody is offered it", look)
            p.accept(offer)
            p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "json": {
                "state": "failed", "failure": {"class": "infra_runner", "code": "broken", "message": "the machine is broken"}}})
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["code"]), ("failed", "broken"), job)

    def test_a_failed_job_can_be_done_again_with_its_payload_and_a_running_one_cannot(self):
        d = self.daemon()
        self.runner_for(d)
        job = d.run(kind="call", command=["nope"], payload="abc")
        self.assertEqual(job["state"], "failed", job)
        status, again = d.request("POST", f"/v1/jobs/{job['id']}/retry")
        self.assertEqual(status, 201, again)
        self.assertNotEqual(again["id"], job["id"])
        self.assertEqual(again["retry_of"], job["id"])
        self.assertEqual(d.finished(again["id"])["failure"], job["failure"])
        echoed = d.run(kind="call", command=["echo"], payload="abc")
        self.assertEqual(d.finished(d.request("POST", f"/v1/jobs/{echoed['id']}/retry")[1]["id"])["result"], "abc")
        running = d.submit(command=["sleep", "600"])
        status, refused = d.request("POST", f"/v1/jobs/{running}/retry")
        self.assertEqual(status, 409, refused)
        self.assertEqual(self.sigrun(d, "job", "retry", running).returncode, 5)
        d.request("POST", f"/v1/jobs/{running}/cancel?grace=1s")


if __name__ == "__main__":
    unittest.main()
