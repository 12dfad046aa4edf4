"""Security, virtual machines, packages and programs against other programs."""
import ctypes
import os
import re
import shutil
import subprocess

from truth import direct, equal, fnv, lscpu, said, text, tool


@tool("sec.uid_root", "sec.caps", "sec.no_new_privs", "sec.userns_works", "sec.userns_allowed", "sec.seccomp_actions")
def process(f):
    equal(f["sec.uid_root"], said("id", "-u") == "0", "sec.uid_root")
    mask = re.search(r"^CapEff:\s+(\S+)", text("/proc/self/status"), re.M)[1]
    decoded = said("capsh", f"--decode={mask}").split("=", 1)[1]
    equal(f["sec.caps"], sorted(decoded.split(",")) if decoded else [], "sec.caps")
    equal(f["sec.no_new_privs"], "no_new_privs: 1" in said("setpriv", "-d"), "sec.no_new_privs")
    works = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True).returncode == 0
    equal(f["sec.userns_works"], works, "sec.userns_works")
    equal(f["sec.userns_allowed"], int(said("sysctl", "-n", "user.max_user_namespaces")) > 0, "sec.userns_allowed")
    equal(f["sec.seccomp_actions"], sorted(said("sysctl", "-n", "kernel.seccomp.actions_avail").split()), "sec.seccomp_actions")


@tool("sec.vulnerable", "sec.mitigations", "sec.sgx", "sec.sgx_epc_bytes", "sec.tdx_guest")
def weaknesses(f):
    told = {k.removeprefix("Vulnerability ").lower().replace(" ", "_"): v for k, v in lscpu().items() if k.startswith("Vulnerab")}
    equal(f["sec.vulnerable"], sorted(k for k, v in told.items() if "ulnerable" in v), "sec.vulnerable")
    # lscpu writes "Mitigation; text" where the kernel writes "Mitigation: text".
    equal(sorted(m.split("=", 1)[0] for m in f["sec.mitigations"]), sorted(k for k, v in told.items() if v.startswith("Mitig")))
    flags = lscpu().get("Flags", "").split()
    equal(f["sec.tdx_guest"], "tdx_guest" in flags, "sec.tdx_guest")
    if "sgx" not in flags:
        equal(f["sec.sgx"], False, "sec.sgx")


@direct("asked of the kernel directly: their programs are not part of the distribution's base", "sec.landlock_abi", "sec.seccomp_mode",
        "sec.fips", "sec.selinux", "sec.apparmor", "sec.secure_boot", "sec.yama", "sec.lsm", "sec.lockdown", "sec.tpm",
        "sec.sev", "sec.sev_guest", "sec.tdx_host")
def kernel_security(f):
    libc = ctypes.CDLL(None, use_errno=True)
    if "sec.landlock_abi" in f:
        equal(f["sec.landlock_abi"], libc.syscall(444, None, 0, 1), "sec.landlock_abi")
    equal(f["sec.seccomp_mode"], libc.prctl(21), "sec.seccomp_mode")
    equal(f["sec.fips"], text("/proc/sys/crypto/fips_enabled", "0") == "1", "sec.fips")
    if "sec.selinux" in f:
        equal(f["sec.selinux"] != "disabled", "selinuxfs" in text("/proc/filesystems"), "sec.selinux")
    equal(f["sec.apparmor"], text("/sys/module/apparmor/parameters/enabled", "N") == "Y", "sec.apparmor")
    if not os.path.exists("/sys/firmware/efi"):
        equal(f.get("sec.secure_boot", False), False, "sec.secure_boot")
    if not os.path.exists("/sys/module/kvm_amd"):
        equal(f["sec.sev"], "none", "sec.sev")
    if not os.path.exists("/sys/module/kvm_intel"):
        equal(f["sec.tdx_host"], False, "sec.tdx_host")


@tool("virt.vm")
def virtual_machine(f):
    equal(f["virt.vm"], said("systemd-detect-virt", "--vm", status=None), "virt.vm")


@direct("systemd-detect-virt believes a left-over /.dockerenv, and knows no orchestrators", "virt.container", "virt.orchestrator",
        "virt.nested", "virt.evidence")
def container(f):
    # The numbers of the first name spaces are part of the kernel's interface.
    first = {"pid": 0xEFFFFFFC, "uts": 0xEFFFFFFE, "ipc": 0xEFFFFFFF}
    own = any(os.readlink(f"/proc/self/ns/{kind}") != f"{kind}:[{number}]" for kind, number in first.items())
    if f["virt.container"] != "wsl":
        equal(f["virt.container"] != "none", own, "virt.container")
    if "KUBERNETES_SERVICE_HOST" not in os.environ and "kubepods" not in text("/proc/self/cgroup"):
        equal(f["virt.orchestrator"], "none", "virt.orchestrator")
    if f["virt.vm"] != "none":
        equal(f["virt.nested"], os.path.exists("/dev/kvm") or bool({"vmx", "svm"} & set(lscpu().get("Flags", "").split())))


@direct("providers tell it to the machine only; its firmware says which provider", "cloud.*")
def cloud(f):
    vendor = text("/sys/class/dmi/id/sys_vendor") + text("/sys/class/dmi/id/bios_version") + text(
        "/sys/class/dmi/id/chassis_asset_tag")
    assert vendor, f"a cloud without firmware: {f.get('cloud.provider')}"


@tool("pkg.manager", "pkg.count", "pkg.hash")
def packages(f):
    equal(f["pkg.manager"], "dpkg", "pkg.manager")
    rows = [line.split("\t") for line in
            said("dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n").splitlines()]
    installed = sorted(row[1:] for row in rows if row[0] == "installed")
    equal(f["pkg.count"], len(installed), "pkg.count")
    equal(f["pkg.hash"], fnv(b"".join(t.encode() + b"\0" for row in installed for t in row)), "pkg.hash")


@tool("lang.path", "lang.version", "lang.name", "lang.found_by", "lang.verified", "tool.path", "tool.version", "tool.name",
      "tool.found_by", "tool.verified")
def programs(f):
    for record in f["lang"] + f["tool"]:
        path = record["path"]
        assert os.access(path, os.X_OK), path
        equal(record["verified"], record["found_by"] == "execution", path)
        equal("version" in record, record["found_by"] != "path", path)
        if record["found_by"] == "package":
            said_by_dpkg = owner_version(os.path.realpath(path))
            assert record["version"] in said_by_dpkg, (record, said_by_dpkg)
        elif record["found_by"] == "release-file":
            assert record["version"] in by_itself(path), record
    for key in ("lang", "tool"):
        names = [r["name"] for r in f[key]]
        equal(names, sorted(names), f"order of {key}")
        known = [(r["name"], r.get("version"), os.path.dirname(r["path"])) for r in f[key] if "version" in r]
        equal(len(known), len(set(known)), f"the same twice in {key}")
    # The shell's own search finds the first of each name.
    for name in ("git", "bash", "tar"):
        if shutil.which(name):
            equal([t["path"] for t in f["tool"] if t["name"] == name][0], shutil.which(name), name)


def owner_version(path):
    owner = said("dpkg-query", "-S", path, status=None) or said("dpkg-query", "-S", path.removeprefix("/usr"), status=None)
    name = owner.splitlines()[0].rsplit(": ", 1)[0]
    return said("dpkg-query", "-W", "-f", "${Version}", name)


def by_itself(path):
    for argument in ("-version", "--version"):
        done = subprocess.run([path, argument], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return done.stdout + done.stderr
    raise AssertionError(path)


@tool("runtime", "runtime.*")
def engines(f):
    listening = said("ss", "-xlH")
    for name, socket in (("docker", "docker.sock"), ("podman", "podman.sock"), ("containerd", "containerd.sock")):
        has = any(r["name"] == name and r["usable"] for r in f["runtime"])
        if has:
            assert socket in listening, (name, listening)
        if f"/run/{socket}" in listening:
            assert has, name


@direct("measured once, and no second measurement is equal", "perf.*", "tier.*", "proto.*", "runner.*", "custom.*", "net.controller_*",
        "net.nat", "net.path_mtu", "net.clock_skew_ms")
def measured(f):
    for key, value in f.items():
        if key.startswith("perf.") and isinstance(value, (int, float)) and not isinstance(value, bool):
            assert value >= 0, (key, value)
        if key == "tier.limiting_axis":
            assert value in ("cpu", "memory", "storage", "network", "gpu", "none"), value
