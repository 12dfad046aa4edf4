"""What sanitizers (etc/test.sh asan, tsan) find in the programs of a test. Each process writes its reports to a file of its own
in one folder: so a report is seen whoever started the process, wherever its output goes and however it ended."""
import os
import pathlib
import shutil
import tempfile

VARIABLES = ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")


class SanitizerReports:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sigrun-reports-"))
        self._before = {name: os.environ.get(name) for name in VARIABLES}
        for name, value in self._before.items():
            os.environ[name] = ":".join(filter(None, [value, f"log_path={self.folder}/report"]))

    def close(self):
        """Every report as text; the environment is as before."""
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        reports = [f.read_text(errors="replace") for f in sorted(self.folder.iterdir())]
        shutil.rmtree(self.folder, ignore_errors=True)
        return reports


def is_crash(report):
    """A signal like SIGSEGV, not a defect that the sanitizer found."""
    return "DEADLYSIGNAL" in report
