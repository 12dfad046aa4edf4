"""Who picks for jobs that name no balancer, and what is said of it."""
import shutil
import unittest

from harness import BIN, BUILD, FleetTest, wait_until


class DefaultBalancer(FleetTest):
    def explained(self, d, job):
        return d.get(f"/v1/jobs/{job['id']}/explain")

    def test_mission_C16_adaptive_chooses_who_picks_and_explain_says_whom(self):
        d = self.daemon()
        self.runner_for(d)  # four places
        job = d.run(command=["true"], durability="memory")
        self.assertEqual(self.explained(d, job)["attempts"][0]["balancer"], "performance")
        e = wait_until("adaptive has looked at this requirement", lambda: [
            e for e in [self.explained(d, job)] if e["policy"]["policy"]])[0]
        self.assertEqual((e["policy"]["chosen_by"], e["policy"]["policy"], e["policy"]["why"], e["policy"]["tried"]),
                         ("adaptive", "performance", "prior", None))
        shown = self.sigrun(d, "job", "explain", job["id"], check=0).stdout
        self.assertIn("performance chose r1", shown)
        self.assertIn("adaptive lets performance pick for this requirement, by what is known of the fleet", shown)
        # Who names a balancer that picks itself gets that one, and nobody has chosen it for him.
        job = d.run(command=["true"], durability="memory", balancer="round_robin")
        e = self.explained(d, job)
        self.assertEqual((e["attempts"][0]["balancer"], e["policy"]), ("round_robin", None))

    def test_mission_C16_without_the_plugin_round_robin_picks_unless_adaptive_was_asked_for(self):
        plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", plugins)
        (plugins / "balancers" / "adaptive.so").unlink()
        d = self.daemon(plugin_dir=plugins)
        self.runner_for(d)
        job = d.run(command=["true"], durability="memory")
        e = self.explained(d, job)
        self.assertEqual((e["attempts"][0]["balancer"], e["policy"]), ("round_robin", None))
        for name in ("adaptive", "no_such"):
            config = self.dir / f"{name}.ini"
            config.write_text(f"[balancer]\ndefault_algorithm = {name}\n")
            for program in (("sigrund", "--state-dir", self.dir / "d", "--plugin-dir", plugins, "--config", config),
                            ("sigrun", "--plugin-dir", plugins, "config", "check", config)):
                with self.subTest(name=name, program=program[0]):
                    p = self.program(BIN / program[0], *program[1:])
                    self.assertNotEqual(p.process.wait(30), 0)
                    p._reader.join(5)
                    said = "\n".join(p.lines)
                    for part in ("balancer.default_algorithm", "round_robin", f'"{name}"', f"{name}.ini:2"):
                        self.assertIn(part, said)


if __name__ == "__main__":
    unittest.main()
