"""What a job tells those who come after it: KEY=VALUE lines in the file named by SIGRUN_OUTPUT."""
import json
import unittest

from harness import FleetTest


class JobOutputs(FleetTest):
    def fleet(self):
        d = self.daemon()
        self.runner_for(d)
        return d

    def test_outputs_are_in_the_answers_and_outlive_the_daemon(self):
        d = self.fleet()
        script = "echo version=1.2.3 >> $SIGRUN_OUTPUT; printf 'notes<<END\\none\\ntwo \"x\"\\nEND\\n' >> $SIGRUN_OUTPUT"
        expected = {"version": "1.2.3", "notes": "one\ntwo \"x\""}
        job = d.run(command=["sh", "-c", script])
        self.assertEqual((job["state"], job["outputs"]), ("succeeded", expected), job)
        self.assertNotIn("output_warnings", job)
        self.assertEqual(d.run(command=["true"])["outputs"], {})
        shown = self.sigrun(d, "job", "show", job["id"], check=0).stdout
        self.assertRegex(shown, r"output version\s+1\.2\.3")
        told = self.sigrun(d, "--output", "json", "run", "-q", "--", "sh", "-c", "echo hello; " + script, check=0).stdout
        *pieces, last = [json.loads(line) for line in told.splitlines()]
        self.assertEqual([p["data"] for p in pieces], ["hello\n"])
        self.assertEqual((last["job"]["exit_code"], last["job"]["outputs"]), (0, expected))
        self.assertEqual(d.stop(), 0)
        again = self.daemon()
        self.assertEqual(again.job(job["id"])["outputs"], expected)

    def test_wrong_lines_are_told_and_leave_the_result_alone(self):
        d = self.fleet()
        done = self.sigrun(d, "run", "--", "sh", "-c", "printf 'good=1\\nwrong\\n' > $SIGRUN_OUTPUT", check=0)
        self.assertIn('sigrun: SIGRUN_OUTPUT: line 2: expected KEY=VALUE or KEY<<WORD, found "wrong"', done.stderr)
        job = d.get("/v1/jobs?limit=1")["items"][0]["id"]
        self.assertEqual(d.job(job)["outputs"], {"good": "1"})
        self.assertIn("line 2", self.sigrun(d, "job", "show", job, check=0).stdout)

    def test_too_large_a_file_is_a_failure_that_says_so(self):
        d = self.fleet()
        job = d.run(command=["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x > $SIGRUN_OUTPUT"])
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"], job["exit_code"]),
                         ("failed", "user", "outputs", 0), job)
        self.assertIn("at most 65536 bytes, found 100000", job["failure"]["message"])
        most = d.run(command=["sh", "-c", "(printf k=; head -c 65533 /dev/zero | tr '\\0' '\\1'; echo) > $SIGRUN_OUTPUT"])
        self.assertEqual((most["state"], len(most["outputs"]["k"])), ("succeeded", 65533), most["failure"])


if __name__ == "__main__":
    unittest.main()
