"""What `sigrun runner` shows of a runner's facts, and how it is asked for them."""
import json
import subprocess
import unittest

from harness import BIN, FleetTest
from puppet import Puppet

FACTS = [{"key": "host.arch", "value": "x86_64"}, {"key": "kernel.release", "value": "6.1.0-18-amd64"},
         {"key": "cpu.features", "value": ["avx", "avx2", "aes"]}, {"key": "cpu.cores", "value": 8},
         {"key": "memory.total_bytes", "value": 16 << 30}, {"key": "memory.type", "status": "denied", "detail": "needs root"},
         {"key": "nic", "value": [{"name": "eth0", "speed_bps": 10_000_000_000}]}, {"key": "custom.rack", "value": "r7"},
         {"key": "os.id", "value": "debian"}, {"key": "sec.landlock_abi", "value": 4}]


class RunnerFacts(FleetTest):
    def fleet(self):
        d = self.daemon()
        for name, facts in (("full", FACTS), ("bare", [])):
            p = Puppet(d, name=name, facts=facts)
            p.connect()
            self.addCleanup(p.vanish)
            d.runner_status(name, "online")
        return d

    def test_a_runner_is_shown_like_this_machine(self):
        d = self.fleet()
        shown = self.sigrun(d, "runner", "show", "full", "--only", "memory,cpu", check=0).stdout
        for words in ("memory\n", "total_bytes", "denied (needs root)", "cpu\n", "features"):
            self.assertIn(words, shown)
        self.assertNotIn("eth0", shown)
        record = json.loads(self.sigrun(d, "runner", "show", "full", "--json", "--only", "memory.total", check=0).stdout)
        self.assertEqual([f["key"] for f in record["facts"]], ["memory.total_bytes"])
        self.assertEqual(record["name"], "full")
        done = self.sigrun(d, "runner", "show", "full", "--only", "nothing")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no fact of full begins with nothing", done.stderr)

    def test_runners_are_found_by_whatever_is_known_of_them(self):
        d = self.fleet()
        for where in ('any(n in nic, n.speed_bps >= 1000000000)', 'custom.rack == "r7"', '"avx2" in cpu.features',
                      "sec.landlock_abi >= 4", "memory.total_bytes >= 16GiB && cpu.cores in [4, 8]"):
            with self.subTest(where):
                shown = self.sigrun(d, "runner", "ls", "--where", where, check=0).stdout
                self.assertIn("full", shown)
                self.assertNotIn("bare", shown)
        none = self.sigrun(d, "runner", "ls", "--where", "cpu.coers >= 4", check=0).stdout
        self.assertIn("no runner meets cpu.coers >= 4", none)
        self.assertIn("did you mean cpu.cores?", none)
        none = self.sigrun(d, "runner", "ls", "--where", "cpu.cores >= 64", check=0).stdout
        self.assertIn("the closest is 8 on full", none)
        self.assertIn("bare: cpu.cores was never looked at", none)
        bad = self.sigrun(d, "runner", "ls", "--where", "cpu.cores >= && 1", check=5).stderr
        self.assertIn("column 14", bad)

    def test_facts_are_told_in_the_words_of_others(self):
        d = self.fleet()
        labels = self.sigrun(d, "runner", "show", "full", "--format", "nfd", check=0).stdout.split()
        for label in ("cpu-cpuid.AVX2=true", "cpu-cpuid.AESNI=true", "kernel-version.major=6", "system-os_release.ID=debian"):
            self.assertIn("feature.node.kubernetes.io/" + label, labels)
        properties = self.sigrun(d, "runner", "show", "full", "--format", "reapi", check=0).stdout.split()
        self.assertEqual(properties, ["ISA=x86-64", "ISA=x86-avx", "ISA=x86-avx2", "OSFamily=linux"])
        self.assertEqual(self.sigrun(d, "runner", "show", "bare", "--format", "reapi", check=0).stdout, "")
        answer = json.loads(self.sigrun(d, "runner", "show", "full", "--format", "nfd", "--json", check=0).stdout)
        self.assertEqual((answer["runner"], answer["format"]), ("full", "nfd"))
        self.assertIn("AVX2", answer["features"]["flags"]["cpu.cpuid"]["elements"])
        self.assertNotEqual(self.sigrun(d, "runner", "show", "full", "--format", "xml").returncode, 0)

    def test_this_machine_too(self):
        done = subprocess.run([BIN / "sigrun", "probe", "--only", "host,kernel.release,cpu.features", "--format", "reapi"], text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("OSFamily=linux", done.stdout.split())


if __name__ == "__main__":
    unittest.main()
