"""Every value that `sigrun probe` reports of this machine, held against other programs that look at the same."""
import json
import subprocess
import unittest

import truth
import truth_devices  # noqa: F401: registers its checks
import truth_machine  # noqa: F401
import truth_software  # noqa: F401
from harness import BIN, FleetTest


def members(facts):
    """Schema keys that have a value: "cpu.model", "nic.mtu"."""
    keys = set()
    for key, value in facts.items():
        records = [r for r in value if isinstance(r, dict)] if isinstance(value, list) else []
        keys.update(f"{key}.{name}" for r in records for name in r)
        if not records:
            keys.add(key)
    return keys


class Truth(FleetTest):
    def probe(self, *arguments):
        done = subprocess.run([BIN / "sigrun", "probe", "--json", *arguments], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["facts"]

    def test_every_value_is_what_another_program_says(self):
        facts = {f["key"]: f["value"] for f in self.probe("--thorough") if f["status"] == "ok"}
        wrong, asked, otherwise, seen = [], 0, 0, set()
        keys = members(facts)
        for key in sorted(keys):
            check, by_program = truth.check_of(key)
            if not check:
                wrong.append(f"{key}: nothing compares it; value {str(facts.get(key))[:80]}")
                continue
            asked, otherwise = asked + by_program, otherwise + (not by_program)
            if check in seen:
                continue
            seen.add(check)
            try:
                check(facts)
            except AssertionError as e:
                wrong.append(f"{key} ({check.__name__}): {e}")
            except (KeyError, IndexError, StopIteration, TypeError, ValueError, OSError) as e:
                wrong.append(f"{key} ({check.__name__}): {type(e).__name__} {e}")
        print(f"{len(keys)} keys have a value: {asked} compared with another program, {otherwise} found out in a second way")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_what_is_not_known_says_why(self):
        for f in self.probe():
            if f["status"] != "ok":
                self.assertTrue(f.get("detail"), f)
                self.assertNotIn("value", f)
            self.assertNotEqual(f.get("method"), "assumed", f)

    def test_a_wrong_value_is_noticed(self):
        facts = {f["key"]: f["value"] for f in self.probe() if f["status"] == "ok"}
        facts["cpu.model"] = "Pentium 60"
        with self.assertRaises(AssertionError):
            truth.check_of("cpu.model")[0](facts)
        self.assertEqual(truth.check_of("cpu.no_such_key"), (None, False))


if __name__ == "__main__":
    unittest.main()
