"""The disk of the state directory is full: nothing new is taken, what runs goes on, nothing that was acknowledged is lost, and all is
well by itself once there is room."""
import contextlib
import pathlib
import resource
import subprocess
import unittest

from harness import BUILD, FleetTest, free_port, wait_until


class FullDisk(FleetTest):
    @staticmethod
    def fill_by_limit(d):
        """No file of the daemon may grow any more. Returns what makes room again."""
        before = resource.prlimit(d.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        return lambda: resource.prlimit(d.pid, resource.RLIMIT_FSIZE, before)

    @staticmethod
    def fill_for_real(d):
        """Its own small file system has no free block left."""
        filler = pathlib.Path(f"/proc/{d.pid}/root{d.state_dir}/filler")
        with open(filler, "wb", buffering=0) as f:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while f.write(bytes(size)) == size:
                        pass
        return filler.unlink

    def on_a_small_disk(self):
        """The beginning of a command line that gives the daemon a state directory on a file system of its own."""
        where = self.dir / "daemon"
        where.mkdir()
        # Each plugin is copied there, first for a trial.
        plugins = sum(f.stat().st_size for f in (BUILD / "plugins").glob("*/*.so"))
        script = f'mount -t tmpfs -o size={2 * plugins + (32 << 20)} none "$0" && exec "$@"'
        prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(where)]
        if subprocess.run([*prefix, "true"], capture_output=True).returncode:
            self.skipTest("no file system can be mounted here, not even in a namespace of the user's own")
        return prefix

    def refused(self, d, **document):
        status, body = d.request("POST", "/v1/jobs", {"command": ["true"], **document})
        self.assertEqual((status, body["code"], body["field"]), (503, "unavailable", "durability"), body)
        self.assertIn("nothing can be stored now: ", body["title"])
        self.assertIn("Retry-After", d.last_headers)

    def story(self, d, fill, more_output=""):
        """Submits before, while and after; returns the ids of what was acknowledged, and the running job."""
        self.runner_for(d)
        gate, done = self.dir / "gate", self.dir / "done"
        running = d.submit(command=["sh", "-c", f"echo before; until [ -e {gate} ]; do sleep 0.05; done; {more_output} echo after; echo x >> {done}"])
        wait_until("it has written", lambda: d.log(running) == "before\n")
        waiting = [d.submit(command=["true"], requires='label.never == "x"', durability=kind) for kind in ("relaxed", "fsync") * 10]
        room = fill(d)
        # The first one finds out; from then on everybody is told at once.
        self.refused(d)
        self.refused(d, durability="relaxed")
        self.assertEqual(d.request("GET", "/readyz")[0], 503)
        job = d.run(command=["echo", "hello"], durability="memory")
        self.assertEqual((job["state"], d.log(job["id"])), ("succeeded", "hello\n"), job)
        gate.touch()
        wait_until("the job that ran has gone on", done.exists)
        return waiting, running, done, room

    def nothing_is_lost(self, d, waiting, running, done, log):
        job = d.finished(running)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)
        self.assertEqual(d.log(running), log)
        self.assertEqual(done.read_text(), "x\n")
        self.assertEqual({d.job(i)["state"] for i in waiting}, {"queued"})
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        self.assertEqual(d.request("GET", "/readyz")[0], 200)

    def heals(self, d, fill):
        waiting, running, done, room = self.story(d, fill)
        self.assertEqual(d.job(running)["state"], "running")
        room()
        self.nothing_is_lost(d, waiting, running, done, "before\nafter\n")

    def test_submits_are_refused_what_runs_goes_on_and_it_heals_by_itself(self):
        self.heals(self.daemon(), self.fill_by_limit)

    def test_the_same_on_a_file_system_without_a_free_block(self):
        self.heals(self.daemon(prefix=self.on_a_small_disk()), self.fill_for_real)

    def test_nothing_that_was_acknowledged_is_lost_when_the_daemon_is_killed_meanwhile(self):
        port = free_port()
        d = self.daemon(port=port)
        waiting, running, done, _ = self.story(d, self.fill_by_limit)
        d.kill()
        d = self.daemon(port=port)
        d.runner_status("r1", "online", "busy")
        self.nothing_is_lost(d, waiting, running, done, "before\nafter\n")


if __name__ == "__main__":
    unittest.main()
