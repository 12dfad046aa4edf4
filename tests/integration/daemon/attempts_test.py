"""What becomes of an attempt when a runner, a connection, the disk or an operator interferes at the worst moment."""
import contextlib
import resource
import signal
import socket
import sqlite3
import threading
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest

ACK_OFFER, ACK_STATE = 2, 5


class Attempts(PuppetTest):
    def offered(self, p, job_id):
        return p.expect("offer", job_id)

    def running(self, d, p, **document):
        """A job that the puppet has accepted: its id and the offer."""
        job_id = d.submit(command=["true"], **document)
        offer = self.offered(p, job_id)
        p.accept(offer)
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        return job_id, offer

    def in_flight(self, d, name="puppet"):
        return d.runner(name)["in_flight"]

    def test_a_runner_that_was_restarted_gets_jobs_again(self):
        d = self.daemon()
        p = self.runner_for(d)
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        p.process.send_signal(signal.SIGTERM)
        p.process.wait(30)
        wait_until("it is offline, not draining", lambda: d.runner("r1")["status"] == "offline")
        self.runner_for(d)
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")

    def test_an_end_that_could_not_be_stored_is_stored_later_and_the_job_not_run_again(self):
        d = self.daemon(settings=["instance sqlite.busy_timeout=100ms", "jobs.lease=1s"])
        p = self.puppet(d)
        job_id, offer = self.running(d, p)
        with self.disk_that_refuses(d):
            p.end(offer)
            wait_until("the refusal shows", lambda: "could not be stored" in d.job(job_id)["reason"])
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)
        p.expect("ack", job_id, ACK_STATE)
        self.assertEqual(self.in_flight(d), 0)

    @contextlib.contextmanager
    def disk_that_refuses(self, d):
        """Nothing can be stored meanwhile. Needs a short instance sqlite.busy_timeout."""
        lock = sqlite3.connect(d.state_dir / "sigrun.db", isolation_level=None)

        def locked():
            try:
                lock.execute("BEGIN IMMEDIATE")
                return True
            except sqlite3.OperationalError:
                return False
        try:
            wait_until("the lock", locked)
            yield
        finally:
            lock.rollback()
            lock.close()

    def test_a_cancelled_job_ends_although_the_disk_refused_it_first(self):
        d = self.daemon(settings=["instance sqlite.busy_timeout=100ms"])
        job_id = d.submit(command=["true"])
        answer = []
        t = threading.Thread(target=lambda: answer.append(d.request("POST", f"/v1/jobs/{job_id}/cancel")))
        with self.disk_that_refuses(d):
            t.start()
            wait_until("the refusal shows", lambda: "could not be stored" in d.job(job_id)["reason"])
        t.join(30)
        self.assertEqual(answer[0][1]["state"], "cancelled")

    def test_a_runner_that_ends_late_has_its_place_back_also_while_the_end_is_on_its_way_to_the_disk(self):
        d = self.daemon(settings=["instance sqlite.busy_timeout=100ms", "jobs.lease=1s"])
        p = self.puppet(d)
        job_id, offer = self.running(d, p)
        with self.disk_that_refuses(d):
            canceller = threading.Thread(target=lambda: d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=100ms"))
            canceller.start()
            # It does not answer, so that the job ends without it.
            wait_until("the refusal shows", lambda: "could not be stored" in d.job(job_id)["reason"])
            self.assertEqual(self.in_flight(d), 1)
            p.end(offer, exit_code=1)
            wait_until("its place is free", lambda: self.in_flight(d) == 0, 10)
        canceller.join(30)
        self.assertEqual(d.finished(job_id)["state"], "cancelled")
        p.expect("ack", job_id, ACK_STATE)

    def test_a_runner_that_was_killed_and_is_back_at_once_has_lost_its_jobs(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id, _ = self.running(d, p)
        p.vanish()  # its session still looks alive
        again = self.puppet(d, key=p.key)
        offer = self.offered(again, job_id)
        again.accept(offer)
        again.end(offer)
        job = d.finished(job_id)
        self.assertEqual([a["state"] for a in job["attempts"]], ["lost", "succeeded"], job)
        self.assertEqual(self.in_flight(d), 0)

    def test_jobs_for_another_protocol_do_not_hold_up_those_behind_them(self):
        d = self.daemon()
        p = self.puppet(d)
        first = d.submit(command=["true"])
        offer = self.offered(p, first)
        for _ in range(20):
            d.submit(command=["true"], protocol="valkyrie")
        behind = d.submit(command=["true"])
        p.accept(offer)
        p.end(offer)
        self.offered(p, behind)

    def test_a_failure_that_is_reported_twice_costs_one_try(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id = d.submit(command=["true"], retry={"user": 1})
        offer = self.offered(p, job_id)
        p.accept(offer)
        p.end(offer, exit_code=1)
        p.expect("ack", job_id, ACK_STATE)
        p.hang_up()
        # As if the acknowledgement had been lost with the connection.
        verdicts = p.connect([p.listed(offer, "finished")])
        self.assertEqual(verdicts, {(job_id, 1): "forget"})
        second = self.offered(p, job_id)
        self.assertEqual(second["attempt"]["number"], 2)
        p.accept(second)
        p.end(second, exit_code=1)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("failed", 2), job)
        self.assertEqual(self.in_flight(d), 0)

    def test_an_offer_that_was_taken_back_is_called_off_wherever_it_arrives(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id = d.submit(command=["true"])
        offer = self.offered(p, job_id)
        p.expect("cancel", job_id)  # nobody answered for 5 s
        p.accept(offer)  # too late
        p.expect("cancel", job_id)
        second = self.offered(p, job_id)
        self.assertNotEqual(second["attempt"]["token"], offer["attempt"]["token"])

    def test_a_job_that_must_not_run_twice_waits_for_the_answer_to_its_offer(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id = d.submit(command=["true"], idempotent=False)
        offer = self.offered(p, job_id)
        wait_until("it says why", lambda: "must not run twice" in d.job(job_id)["reason"])
        p.accept(offer)
        p.end(offer)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)

    def test_a_job_that_must_not_run_twice_fails_when_its_runner_lost_it(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id, _ = self.running(d, p, idempotent=False)
        p.hang_up()
        p.connect()
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["code"], len(job["attempts"])), ("failed", "outcome_unknown", 1), job)

    def test_a_cancel_while_the_runner_is_away_frees_its_place_when_it_is_back(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id, offer = self.running(d, p)
        p.hang_up()
        job = d.request("POST", f"/v1/jobs/{job_id}/cancel")[1]
        self.assertEqual((d.finished(job_id)["state"], d.job(job_id)["runner_state"]), ("cancelled", "unknown"), job)
        self.assertEqual(p.connect([p.listed(offer)]), {(job_id, 1): "kill"})
        self.assertEqual(self.in_flight(d), 1)  # it is being ended
        p.end(offer, 9)
        wait_until("the place is free", lambda: self.in_flight(d) == 0)

    def test_a_cancel_is_said_again_on_the_next_connection(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id, offer = self.running(d, p)
        d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=3s")
        p.hang_up()
        p.frames.queue.clear()
        self.assertEqual(p.connect([p.listed(offer)]), {(job_id, 1): "keep"})
        p.expect("cancel", job_id)
        p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "json": {"state": "cancelled"}})
        self.assertEqual(d.finished(job_id)["state"], "cancelled")
        self.assertEqual(self.in_flight(d), 0)

    def test_a_second_cancel_reaches_the_runner_too(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id, _ = self.running(d, p)
        d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=60s")
        self.assertEqual(p.expect("cancel", job_id)["time_ns"], 60_000_000_000)
        d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=100ms")
        self.assertEqual(p.expect("cancel", job_id)["time_ns"], 100_000_000)

    def test_a_runner_that_was_removed_by_force_and_comes_back_finishes_its_job(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id, offer = self.running(d, p)
        self.assertEqual(d.request("DELETE", "/v1/runners/puppet?force=true")[0], 200)
        p.vanish()
        self.assertEqual(p.connect([p.listed(offer)]), {(job_id, 1): "keep"})
        p.end(offer)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)
        self.assertEqual(self.in_flight(d), 0)

    def test_a_refusing_runner_does_not_grow_the_job_and_the_job_says_why_it_waits(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id = d.submit(command=["true"])
        offer = self.offered(p, job_id)
        p.send({"kind": "ack", "flags": 2, "stream": 2, "attempt": offer["attempt"],
                "json": {"code": "busy", "message": "the disk is full"}})
        wait_until("the refusal shows", lambda: any("disk is full" in (a["failure"] or {}).get("message", "")
                                                    for a in d.job(job_id)["attempts"]))
        again = self.offered(p, job_id)  # the only runner is asked again
        p.accept(again)
        p.end(again)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")

    def test_output_that_cannot_be_stored_stops_the_job_which_says_so_and_goes_on_when_there_is_room(self):
        d = self.daemon()
        self.runner_for(d)
        # No file of the daemon may grow beyond this: to its writes it is a full disk.
        before = resource.prlimit(d.pid, resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        job_id = d.submit(command=["sh", "-c", "head -c 1000000 /dev/zero; echo end"], durability="memory")
        job = wait_until("it says why it stands still", lambda: (lambda j: j if "cannot be stored" in j["reason"] else None)(d.job(job_id)))
        self.assertEqual(job["state"], "running")
        self.assertIn("cannot be stored", d.get(f"/v1/jobs/{job_id}/explain")["reason"])
        self.assertEqual(len([line for line in d.lines if "cannot be stored" in line]), 1, d.lines)
        resource.prlimit(d.pid, resource.RLIMIT_FSIZE, before)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["log_bytes"]), ("succeeded", 1_000_004), job)
        self.assertTrue(d.log(job_id).endswith("end\n"))

    def test_a_job_whose_only_runner_drains_names_it(self):
        d = self.daemon()
        self.puppet(d, name="north", labels={"zone": "north"})
        self.puppet(d, name="south", labels={"zone": "south"})
        d.request("POST", "/v1/runners/north/drain?reason=new+disk")
        job_id = d.submit(command=["true"], requires='label.zone == "north"')
        self.assertIn("none of them is online: north is draining (new disk)", d.job(job_id)["reason"])
        typo = d.submit(command=["true"], requires="label.zone == north")
        self.assertIn("nobody can tell whether label.zone == north", d.job(typo)["reason"])

    def test_a_waiting_job_tells_the_reason_of_now(self):
        d = self.daemon()
        job_id = d.submit(command=["true"], requires='label.zone == "x"')
        self.assertIn("no runner is registered", d.job(job_id)["reason"])
        self.puppet(d)
        self.assertIn("none of 1 runner satisfies", d.job(job_id)["reason"])
        odd = d.submit(kind="launch", command=["x"])
        self.assertIn("none of 1 runner satisfies", d.job(odd)["reason"])
        terms = d.get(f"/v1/jobs/{odd}/explain")["terms"]
        self.assertEqual([t["text"] for t in terms], ['any(k in runner.kinds, k == "launch")'])
        self.assertEqual([t["column"] for t in d.get(f"/v1/jobs/{job_id}/explain")["terms"]], [1])

    def test_a_restored_job_that_no_plugin_can_place_any_more_is_explained(self):
        d = self.daemon()
        job_id = d.submit(command=["true"], balancer="least_connections")
        d.stop()
        d = self.daemon(settings=["plugin least_connections.enabled=no"])
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["class"]), ("failed", "infra_controller"), job)
        self.assertEqual(d.request("GET", f"/v1/jobs/{job_id}/explain")[0], 200)

    def test_a_job_goes_on_over_the_other_protocol_when_its_own_breaks(self):
        d = self.daemon()
        port = free_port()
        self.start_runner("hybrid", "--listen", f"127.0.0.1:{port}", wait="listening")
        gate = Gate(port)
        self.addCleanup(gate.close)
        d.request("POST", "/v1/runners", {"name": "hybrid", "endpoint": f"127.0.0.1:{gate.port}"})
        wait_until("all protocols are up", lambda: sum(p["state"] == "up" for p in d.runner("hybrid")["protocols"]) == 4)
        flag = self.dir / "go"
        job_id = d.submit(command=["sh", "-c", f"echo before; until [ -e {flag} ]; do sleep 0.05; done; echo after"])
        wait_until("it has written", lambda: d.log(job_id) == "before\n")
        self.assertEqual(d.job(job_id)["protocol"], "valkyrie")
        gate.cut(b"\x9d")
        wait_until("another one has the job", lambda: d.job(job_id)["protocol"] in ("grpc", "websocket", "http"))
        flag.touch()
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)
        self.assertEqual(d.log(job_id), "before\nafter\n")


class Gate:
    """Passes TCP connections on to a port; can cut, and from then on refuse, those that begin with some byte."""

    def __init__(self, target):
        self.target, self.refused, self.open = target, None, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        first = client.recv(1, socket.MSG_PEEK)
        if not first or first == self.refused:
            return client.close()
        server = socket.create_connection(("127.0.0.1", self.target))
        self.open.append((first, client, server))
        for a, b in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self, first):
        self.refused = first
        for begun, client, server in self.open:
            if begun == first:
                for s in (client, server):
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass

    def close(self):
        self.listener.close()


if __name__ == "__main__":
    unittest.main()
