"""How fast a tenant may submit: what security_test.py shows over HTTP is the same over the other protocols, and for submissions."""
import unittest

import grpc_peers

grpc_peers.with_grpc(__file__)

import grpc  # noqa: E402

from grpc_peers import Stubs, problem_of  # noqa: E402
from puppet import PuppetTest  # noqa: E402

SLOW = "[tenant slow]\nsubmit_rate = 0.01\nsubmit_burst = 2\n"


class SubmitRate(PuppetTest):
    def post(self, d, tenant="slow", path="/v1/jobs", **body):
        body = body or {"command": ["true"], "tenant": tenant}
        status, answer = d.request("POST", path, body)
        return status, answer

    def test_the_answer_over_http_says_when_to_come_again(self):
        d = self.daemon(config=self.config(SLOW))
        self.assertEqual([self.post(d)[0] for _ in range(3)], [201, 201, 429])
        self.assertTrue(90 <= int(d.last_headers["Retry-After"]) <= 100, d.last_headers)

    def test_more_jobs_than_a_burst_are_taken_when_nothing_is_owed(self):
        d = self.daemon(config=self.config("[tenant a]\nsubmit_rate = 0.001\nsubmit_burst = 4\n"))
        jobs = lambda n: [{"name": f"j{i}", "command": ["true"], "tenant": "a"} for i in range(n)]
        submit = lambda n: self.post(d, path="/v1/submissions", jobs=jobs(n))
        self.assertEqual(submit(20)[0], 201)
        status, body = submit(1)
        self.assertEqual((status, body["code"], body["field"]), (429, "busy", "tenant"), body)
        self.assertEqual(len(d.jobs()), 20)

    def test_the_same_over_grpc(self):
        d = self.daemon(config=self.config(SLOW))
        pb = Stubs(self.dir / "stubs")
        with grpc.insecure_channel(f"127.0.0.1:{d.port}") as channel:
            jobs = pb.jobs_grpc.JobsStub(channel)
            submit = lambda: jobs.Submit(pb.jobs.SubmitRequest(spec=pb.jobs.JobSpec(command=["true"], tenant="slow")))
            submit()
            submit()
            with self.assertRaises(grpc.RpcError) as refused:
                submit()
        self.assertEqual(refused.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        problem = problem_of(refused.exception)
        self.assertEqual((problem["code"], problem["field"]), ("busy", "tenant"), problem)
        self.assertTrue(90_000 <= problem["retry_after_ms"] <= 100_000, problem)

    def test_the_command_line_says_it_and_a_rate_can_be_changed(self):
        config = self.config(SLOW)
        d = self.daemon(config=config)
        for _ in range(2):
            self.assertEqual(self.post(d)[0], 201)
        for url in (f"{scheme}://127.0.0.1:{d.port}" for scheme in ("valkyrie", "ws", "http")):
            done = self.sigrun(d, "--url", url, "submit", "--tenant", "slow", "--", "true")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("too many submits", done.stderr)
            self.assertIn("try again in", done.stderr)
        config.write_text("[tenant slow]\nsubmit_rate = 1000000\nsubmit_burst = 1000\n")
        d.request("POST", "/v1/config/reload")
        self.assertEqual([self.post(d)[0] for _ in range(20)], [201] * 20)


if __name__ == "__main__":
    unittest.main()
