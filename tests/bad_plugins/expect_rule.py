#!/usr/bin/env python3
"""Runs sigrun-plugin-check on a plugin with a seeded defect and expects that it names the rule.

usage: expect_rule.py TOOL PLUGIN GROUP RULE [more arguments of the tool]"""
import json
import subprocess
import sys

tool, plugin, group, rule, *more = sys.argv[1:]
done = subprocess.run([tool, plugin, "--json", "--group", group, *more], capture_output=True, text=True, timeout=100)
if done.returncode != 1:
    sys.exit(f"exit code {done.returncode}, expected 1\n{done.stdout}{done.stderr}")
results = json.loads(done.stdout)["results"]
broken = {r["rule"]: r for r in results if r["result"] == "fail"}
if rule not in broken:
    sys.exit(f"{rule} is not among the broken rules: " + json.dumps(list(broken.values()), indent=1) + f"\nall: {results}")
found = broken[rule]
if not found["expected"] or not found["found"]:
    sys.exit(f"no expected and found in {found}")
print(f"{rule}: expected {found['expected']}, found {found['found']}")
for other in sorted(broken.keys() - {rule}):
    print(f"also {other}: {broken[other]['found']}")
