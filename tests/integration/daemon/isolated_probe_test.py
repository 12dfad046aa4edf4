"""Probes in processes of their own, as real programs start them: the topology probe does not say that it may run in the host's."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

from harness import BIN, BUILD, FleetTest, wait_until

TOPOLOGY = BUILD / "plugins" / "probes" / "topology.so"


def stat(pid):
    """The fields of /proc/PID/stat behind the name; none if it is gone, or only waits to be looked at."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
        return None if fields[0] == b"Z" else fields
    except OSError:
        return None


def probe_processes(parent):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        fields = stat(entry.name) if entry.name.isdigit() else None
        try:
            if fields and int(fields[1]) == parent and b"--probe-host" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


@unittest.skipUnless(TOPOLOGY.exists(), "without hwloc there is no topology probe")
class IsolatedProbe(FleetTest):
    def the_processes_of(self, program):
        return wait_until("the probes have their processes", lambda: probe_processes(program.pid))

    def test_mission_D20_the_probes_of_a_runner_have_processes_that_end_with_it(self):
        d = self.daemon()
        r = self.runner_for(d)
        found = self.the_processes_of(r)
        for pid in found:
            wait_until("it is nice once its probe is ready", lambda: int(stat(pid)[16]) == 10)
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            self.assertRegex(limits, r"Max open files +256 +256")
            self.assertRegex(limits, r"Max core file size +0 +0")
        os.kill(r.pid, signal.SIGKILL)
        wait_until("the processes are gone with the runner", lambda: not any(stat(pid) for pid in found))

    def test_mission_D20_a_killed_probe_process_is_replaced_even_when_the_program_is_not_there_any_more(self):
        d = self.daemon()
        program = self.dir / "sigrun-runner"
        shutil.copy(BIN / "sigrun-runner", program)
        r = self.program(program, "--name", "r1", "--state-dir", self.dir / "r1", "--plugin-dir", BUILD / "plugins", "--url",
                         f"valkyrie://127.0.0.1:{d.port}", "--set", "runner.facts_interval=1s")
        d.runner_status("r1", "online")
        first = self.the_processes_of(r)
        program.unlink()
        program.write_text("#!/bin/false\n")
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        wait_until("others are started", lambda: set(probe_processes(r.pid)) - set(first), deadline=90)
        r.wait_line(": its process ended by a signal: Killed")
        d.runner_status("r1", "online")

    def test_the_daemon_finds_out_about_its_own_host_that_way_and_leaves_nothing(self):
        d = self.daemon()
        facts = {f["key"]: f for f in d.get("/v1/probe?only=numa")["facts"]}
        self.assertEqual(facts["numa.count"]["status"], "ok", facts["numa.count"])
        found = self.the_processes_of(d)
        self.assertEqual(len(found), 1)
        d.stop()
        self.assertIsNone(stat(found[0]))

    def test_what_the_cache_of_facts_counts_is_in_the_metrics_too(self):
        d = self.daemon()
        for _ in range(3):
            d.get("/v1/probe?only=numa")
        for _ in range(2):  # a look at them changes nothing
            series = dict(line.rsplit(" ", 1) for line in d.get("/metrics").splitlines() if line.startswith("sigrun_fact_cache_"))
            counted = d.get("/v1/stats")
            self.assertGreater(counted["probes"]["hits"], 0)
            self.assertGreater(counted["probes"]["misses"], 0)
            for cache, numbers in (("probes", counted["probes"]), ("endpoints", counted["detection"])):
                told = {how: float(series[f'sigrun_fact_cache_answers_total{{cache="{cache}",how="{how}"}}'])
                        for how in ("hit", "miss", "shared", "stale", "negative")}
                self.assertEqual(told, {"hit": numbers["hits"], "miss": numbers["misses"], "shared": numbers["shared"],
                                        "stale": numbers["stale"], "negative": numbers["negative"]})
                self.assertEqual(float(series[f'sigrun_fact_cache_renewals_total{{cache="{cache}"}}']), numbers["renewals"])
                self.assertEqual(float(series[f'sigrun_fact_cache_entries{{cache="{cache}",state="valid"}}']), numbers["valid"])

    def test_the_command_finds_it_out_from_any_folder(self):
        done = subprocess.run([str(BIN / "sigrun"), "probe", "--json", "--only", "numa,cpu"], cwd="/", capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        facts = {f["key"]: f for f in json.loads(done.stdout)["facts"]}
        self.assertEqual(facts["numa.count"]["status"], "ok", facts["numa.count"])
        self.assertEqual(facts["cpu.cores"]["status"], "ok")


if __name__ == "__main__":
    unittest.main()
