"""A store that the disk has spoilt: a damaged database is refused and left as it is; a log that lost its end gives back
what was whole in it."""
import unittest

from harness import BIN, FleetTest, free_port

PAGE = 4096
JOBS = 12
DOCUMENT = {"command": ["true"], "requires": 'label.never == "x"', "env": {"PADDING": "x" * 3000}}


def cut_behind_the_header(path):
    with path.open("r+b") as f:
        f.truncate(PAGE * 2 + PAGE // 2)


def overwrite_header(path):
    with path.open("r+b") as f:
        f.write(b"\xff" * 64)


def overwrite_pages(path):
    with path.open("r+b") as f:
        for page in range(6, path.stat().st_size // PAGE):
            f.seek(page * PAGE)
            f.write(b"\xff" * 64)


class DamagedStore(FleetTest):
    def setUp(self):
        super().setUp()
        self.store = self.dir / "daemon" / "sigrun.db"
        self.log = self.dir / "daemon" / "sigrun.db-wal"

    def refused(self):
        """What a daemon says that does not start."""
        p = self.program(BIN / "sigrund", "--state-dir", self.dir / "daemon", "--set",
                         f"server.listen=127.0.0.1:{free_port()}")
        self.assertNotIn(p.process.wait(60), (0, None))
        self.assertGreater(p.process.returncode, 0, "it was ended by a signal")
        p._reader.join(10)
        text = "\n".join(p.lines)
        self.assertNotIn("listening on", text)
        return text

    def refused_and_kept(self, damage, *reasons):
        files = {p: p.read_bytes() for p in (self.store, self.log) if p.exists()}
        damage(self.store)
        damaged = self.store.read_bytes()
        self.assertNotEqual(damaged, files[self.store])
        text = self.refused()
        for part in (str(self.store), *reasons):
            self.assertIn(part, text)
        self.assertEqual(self.store.read_bytes(), damaged, "the refused file was written to")
        for path, body in files.items():
            if path != self.store:
                self.assertTrue(path.exists(), f"{path.name} is gone, and with it what was only there")
                self.assertEqual(path.read_bytes(), body, f"{path.name} was written to")
        self.store.write_bytes(files[self.store])

    def test_a_damaged_database_is_refused_with_the_reason_and_left_as_it_is(self):
        d = self.daemon()
        ids = [d.submit(**DOCUMENT) for _ in range(JOBS)]
        self.assertEqual(d.stop(), 0)
        self.assertFalse(self.log.exists(), "an orderly end leaves one file")
        self.refused_and_kept(overwrite_header, "not a database", "restore a copy")
        self.refused_and_kept(overwrite_pages, "damaged", "restore a copy", ".recover")
        self.refused_and_kept(cut_behind_the_header, "malformed", "restore a copy", ".recover")
        d = self.daemon()
        self.assertEqual({j["id"] for j in d.jobs()}, set(ids))

    def test_the_log_beside_a_damaged_database_is_not_given_up_either(self):
        d = self.daemon()
        early = [d.submit(**DOCUMENT) for _ in range(JOBS)]
        self.assertEqual(d.stop(), 0)
        d = self.daemon()
        late = [d.submit(**DOCUMENT) for _ in range(JOBS)]
        d.kill()
        self.assertGreater(self.log.stat().st_size, JOBS * PAGE)
        self.refused_and_kept(overwrite_pages, "damaged", "restore a copy")
        d = self.daemon()
        self.assertEqual({j["id"] for j in d.jobs()}, {*early, *late})

    def spoilt_log(self, spoil):
        """Jobs one by one, kill -9, a log spoilt in the middle of the record of one of them: those before it are there."""
        d = self.daemon()
        ids, ends = [], []
        for _ in range(JOBS):
            ids.append(d.submit(**DOCUMENT))
            ends.append(self.log.stat().st_size)
        d.kill()
        self.assertEqual(ends, sorted(set(ends)), "each job is in the log when it is acknowledged")
        self.assertEqual(self.log.stat().st_size, ends[-1])
        kept = JOBS // 2
        spoil(self.log, ends[kept - 1] + 100)
        d = self.daemon()
        self.assertEqual({j["id"] for j in d.jobs()}, set(ids[:kept]))
        # The store goes on from there: what is accepted now survives as ever.
        ids[kept:] = [d.submit(**DOCUMENT) for _ in range(3)]
        d.kill()
        d = self.daemon()
        self.assertEqual({j["id"] for j in d.jobs()}, set(ids))
        self.assertEqual({j["state"] for j in d.jobs()}, {"queued"})

    def test_a_log_that_was_cut_gives_back_every_job_before_the_cut(self):
        def cut(path, at):
            with path.open("r+b") as f:
                f.truncate(at)
        self.spoilt_log(cut)

    def test_a_log_with_a_spoilt_page_gives_back_every_job_before_it(self):
        def overwrite(path, at):
            with path.open("r+b") as f:
                f.seek(at)
                f.write(b"\xff" * 64)
        self.spoilt_log(overwrite)


if __name__ == "__main__":
    unittest.main()
