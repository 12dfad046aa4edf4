"""Where a job comes from, and the zone it runs in."""
import re
import time
import unittest

from puppet import PuppetTest


class Zones(PuppetTest):
    def placed(self, d, job):
        """Runner and reason of its attempt."""
        attempt = d.job(job)["attempts"][-1]
        why = re.search(r"\((.*?)\)", attempt["reason"])
        return attempt["runner"]["name"], why and why[1]

    def test_mission_A5_a_job_runs_near_where_it_comes_from_and_elsewhere_while_that_is_full(self):
        d = self.daemon(config=self.config(
            "[server]\nzone = home\n[balancer]\ndefault_algorithm = geographic\n"
            "[zone home]\ncoordinates = 50.11, 8.68\n[zone away]\ncoordinates = 40.71, -74.01\negress_cost = 1s\n"))
        home = self.puppet(d, name="home", labels={"zone": "home"})
        away = self.puppet(d, name="away", labels={"zone": "away"})
        first = d.submit(command=["true"])
        offer = home.expect("offer")
        home.accept(offer)
        self.assertEqual(self.placed(d, first), ("home", "zone"))
        # Nobody knows how long home is busy: it is not waited for.
        second = d.submit(command=["true"])
        spilled = away.expect("offer")
        away.accept(spilled)
        self.assertEqual(self.placed(d, second), ("away", "another zone, for the nearest is full"))
        away.end(spilled)
        d.finished(second)
        home.end(offer)
        d.finished(first)
        # Home again; and from there it is the other way round.
        for zone, where, name in (("", home, "home"), ("home", home, "home"), ("away", away, "away")):
            job = d.submit(command=["true"], **({"zone": zone} if zone else {}))
            offer = where.expect("offer")
            where.accept(offer)
            where.end(offer)
            d.finished(job)
            self.assertEqual(self.placed(d, job), (name, "zone"))

    def test_a_job_that_waits_for_a_place_nearby_holds_back_no_other(self):
        d = self.daemon(config=self.config(
            "[server]\nzone = home\n[balancer]\ndefault_algorithm = geographic\n"
            "[zone home]\ncoordinates = 50.11, 8.68\n[zone away]\ncoordinates = 40.71, -74.01\negress_cost = 60s\n"))
        home = self.puppet(d, name="home", labels={"zone": "home"})
        away = self.puppet(d, name="away", labels={"zone": "away"})

        def run(puppet, offer):
            puppet.accept(offer)
            puppet.end(offer)

        # How long a place at home is held becomes known.
        first = d.submit(command=["true"])
        run(home, home.expect("offer"))
        d.finished(first)
        for _ in range(5):
            at_home = d.submit(command=["true"])
            home_offer = home.expect("offer")
            home.accept(home_offer)
            there = d.submit(command=["true"], requires='label.zone == "away"')
            away_offer = away.expect("offer")
            away.accept(away_offer)
            since = time.monotonic()
            waits = d.submit(command=["true"])
            behind = d.submit(command=["true"], balancer="round_robin")
            away.end(away_offer)
            if time.monotonic() - since > 0.8:  # it would not wait much longer, and takes what it gets
                home.end(home_offer)
                run(home, home.expect("offer"))
                run(away, away.expect("offer"))
                for job in (at_home, there, waits, behind):
                    d.finished(job)
                continue
            away_offer = away.expect("offer")
            self.assertEqual(d.job(behind)["state"], "offered")
            self.assertIn("nearer", d.job(waits)["reason"])
            run(away, away_offer)
            # Nobody waits so for more than a second: then it goes where a place is free.
            run(away, away.expect("offer"))
            self.assertGreaterEqual(time.monotonic() - since, 0.9)
            home.end(home_offer)
            for job in (at_home, there, waits, behind):
                d.finished(job)
            self.assertEqual(self.placed(d, waits), ("away", "another zone, for the nearest is full"))
            return
        self.fail("this machine is too slow for a choice that lasts a second")

    def test_a_wrong_zone_is_refused_by_name(self):
        d = self.daemon()
        status, answer = d.request("POST", "/v1/jobs", {"command": ["true"], "zone": "z" * 65})[:2]
        self.assertEqual(status, 400)
        self.assertIn("at most 64 bytes", str(answer))
        for text, part in (("[zone x]\ncoordinates = 91, 0\n", "zone x.coordinates"),
                           ("[zone x]\ncoordinates = 10\n", "zone x.coordinates"),
                           ("[zone x]\ncoordinates = ten, 0\n", "a latitude from -90 to 90"),
                           ("[zone x]\nheight = 3\n", "height"),
                           (f"[server]\nzone = {'z' * 65}\n", "at most 64 bytes")):
            with self.subTest(text):
                answer = self.sigrun(d, "config", "check", self.config(text))
                self.assertNotEqual(answer.returncode, 0)
                self.assertIn(part, answer.stdout + answer.stderr)


if __name__ == "__main__":
    unittest.main()
