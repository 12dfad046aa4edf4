"""A runner that comes over another connection while its former one still works: nothing on the way is lost."""
import time
import unittest

from harness import FleetTest, wait_until
from puppet import Puppet

ACK_STATE = 5


class Mover(Puppet):
    """Keeps its former sessions open, and says so."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.former, self.seen = [], {}

    def _request(self, method, path, body=None, timeout=30):
        if path.endswith("method=runners.register") and self.former and self.says:
            body = {**body, "moving": True}
        return super()._request(method, path, body, timeout)

    def move(self, inventory=(), say=True):
        self.says = say
        self.former.append((self.token, self.sent))
        return self.connect(inventory)

    def say_over_former(self, *frames):
        token, sent = self.former[-1]
        numbered = [{**f, "seq": sent + i + 1} for i, f in enumerate(frames)]
        self.former[-1] = (token, sent + len(frames))
        return self._request("POST", f"/v1/sessions/{token}/frames", numbered)[0]

    def poll_former(self):
        """What has come over the former session so far; None when it is over."""
        token, seen = self.former[-1][0], self.seen.setdefault(self.former[-1][0], [])
        status, frames, _ = self._request("GET", f"/v1/sessions/{token}/frames?wait=100ms&ack={seen[-1]['seq'] if seen else 0}")
        seen += frames if status == 200 else []
        return None if status in (404, 410) or any(f["kind"] == "bye" and f.get("flags") for f in seen) else seen

    def answer_hello(self, inventory=()):
        """Over the newest session; waits until it was asked."""
        def asked():
            for f in self.others:
                if f["kind"] == "hello" and not f.get("json"):
                    self.others.remove(f)
                    return True
            return False
        wait_until("an empty HELLO comes", asked)
        self.send({"kind": "hello", "json": {"facts": [], "inventory": list(inventory)}})


class Moving(FleetTest):
    def mover(self, d):
        p = Mover(d)
        p.connect()
        self.addCleanup(p.vanish)
        d.runner_status("puppet", "online", "busy")
        return p

    def test_an_offer_on_the_former_connection_is_answered_there_and_the_job_has_one_attempt(self):
        d = self.daemon()
        p = self.mover(d)
        job_id = d.submit(command=["true"])
        offer = p.expect("offer", job_id)
        p.move()  # the inventory knows nothing of it yet
        end = {"kind": "state", "flags": 1, "attempt": offer["attempt"], "json": {"state": "succeeded", "exit_code": 0}}
        self.assertEqual(p.say_over_former({"kind": "ack", "stream": 2, "attempt": offer["attempt"]}, end), 200)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)

    def test_the_former_connection_is_closed_when_the_runner_has_shown_that_it_is_empty(self):
        d = self.daemon()
        p = self.mover(d)
        job_id = d.submit(command=["true"])
        offer = p.expect("offer", job_id)
        p.accept(offer)
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        self.assertEqual(p.move([p.listed(offer)]), {(job_id, 1): "keep"})
        for _ in range(2):
            p.answer_hello([p.listed(offer)])
        # Asked over the former session as the last thing; then that one is over.
        wait_until("the former session is asked", lambda: any(f["kind"] == "hello" and not f.get("json") for f in p.poll_former()))
        self.assertEqual(p.say_over_former({"kind": "hello", "json": {"facts": [], "inventory": []}}), 200)
        began = time.monotonic()
        wait_until("the former session is over", lambda: p.poll_former() is None)
        self.assertLess(time.monotonic() - began, 8, "it was ended by its limit")
        p.end(offer)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")

    def test_connections_left_one_after_another_are_all_closed_soon(self):
        d = self.daemon()
        p = self.mover(d)
        p.move()
        p.move()  # before anything was shown over the second one, which will not answer any more
        first, second = [token for token, _ in p.former]
        began = time.monotonic()
        over = set()

        def all_over():
            for token in {first, second} - over:
                p.former.sort(key=lambda f: f[0] == token)  # the one to be looked at is the last
                frames = p.poll_former()
                if frames is None:
                    over.add(token)
                elif any(f["kind"] == "hello" and not f.get("json") for f in frames[p.answered.get(token, 0):]) and p.rounds >= 2:
                    p.answered[token] = len(frames)
                    p.say_over_former({"kind": "hello", "json": {"facts": [], "inventory": []}})
            for f in [f for f in p.others if f["kind"] == "hello" and not f.get("json")]:
                p.others.remove(f)
                p.rounds += 1
                p.send({"kind": "hello", "json": {"facts": [], "inventory": []}})
            return len(over) == 2

        p.answered, p.rounds = {}, 0
        wait_until("both are over", all_over)
        self.assertLess(time.monotonic() - began, 8, "they were ended by their limit")
        self.assertLessEqual(p.rounds, 8, "one question is for all that leave")

    def test_a_runner_that_shows_nothing_has_its_former_connection_closed_after_a_while_and_keeps_its_job(self):
        d = self.daemon()
        p = self.mover(d)
        job_id = d.submit(command=["true"])
        offer = p.expect("offer", job_id)
        p.accept(offer)
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        p.move([p.listed(offer)])
        wait_until("the former session is over", lambda: p.poll_former() is None)
        p.end(offer)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)

    def test_a_connection_that_comes_without_a_word_of_moving_replaces_the_former_at_once(self):
        d = self.daemon()
        p = self.mover(d)
        p.move(say=False)
        wait_until("the former session is over", lambda: p.poll_former() is None, 5)
        self.assertEqual(d.runner("puppet")["status"], "online")


if __name__ == "__main__":
    unittest.main()
