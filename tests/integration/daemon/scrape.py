"""Prometheus text, read for tests."""
import re

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"')


class Scrape:
    """The samples of one scrape, by name and labels."""

    def __init__(self, text):
        self.text, self.samples, self.types = text, {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.types, f"{name} is told twice"
                self.types[name] = kind
            elif not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                key = name, tuple(sorted(LABEL.findall(labels or "")))
                assert key not in self.samples, key
                self.samples[key] = float(value)

    def get(self, name, **labels):
        return self.samples[name, tuple(sorted(labels.items()))]

    def of(self, name):
        return {labels: value for (n, labels), value in self.samples.items() if n == name}
