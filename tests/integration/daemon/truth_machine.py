"""Processor, memory, control groups, kernel and system against other programs."""
import ctypes
import datetime
import errno
import fcntl
import glob
import os
import re
import zoneinfo

from truth import direct, equal, fnv, lscpu, near, said, said_json, text, tool


@tool("cpu.vendor", "cpu.model", "cpu.family", "cpu.model_id", "cpu.stepping", "cpu.sockets", "cpu.cores", "cpu.smt",
      "cpu.threads_online", "numa.count")
def processors(f):
    c = lscpu()
    for key, name in (("cpu.vendor", "Vendor ID"), ("cpu.model", "Model name"), ("cpu.family", "CPU family"),
                      ("cpu.model_id", "Model"), ("cpu.stepping", "Stepping"), ("cpu.sockets", "Socket(s)"),
                      ("numa.count", "NUMA node(s)")):
        if key in f:
            equal(str(f[key]), c[name], key)
    equal(f["cpu.cores"], int(c["Core(s) per socket"]) * int(c["Socket(s)"]), "cpu.cores")
    equal(f["cpu.smt"], int(c["Thread(s) per core"]) > 1, "cpu.smt")
    equal(f["cpu.threads_online"], int(said("nproc", "--all")), "cpu.threads_online")


@tool("cpu.l1d_bytes", "cpu.l1i_bytes", "cpu.l2_bytes", "cpu.l3_bytes", "cpu.l3_domains", "cpu.line_bytes")
def caches(f):
    known = {c["name"]: c for c in said_json("lscpu", "-C", "-B", "-J")["caches"]}
    for key, name in (("cpu.l1d_bytes", "L1d"), ("cpu.l1i_bytes", "L1i"), ("cpu.l2_bytes", "L2"), ("cpu.l3_bytes", "L3")):
        if key in f:
            equal(f[key], int(known[name]["one-size"]), key)
    if "cpu.l3_domains" in f:
        equal(f["cpu.l3_domains"], int(known["L3"]["all-size"]) // int(known["L3"]["one-size"]), "cpu.l3_domains")
    equal(f["cpu.line_bytes"], int(said("getconf", "LEVEL1_DCACHE_LINESIZE")), "cpu.line_bytes")


@tool("cpu.features", "cpu.isa_level")
def instructions(f):
    flags = set(lscpu()["Flags"].split())
    equal(sorted(set(f["cpu.features"]) - flags), [], "features that the kernel does not know:")
    for flag in ("sse2", "avx", "avx2", "avx512f", "aes", "sha_ni", "fma", "bmi2"):
        equal(flag in f["cpu.features"], flag in flags, flag)
    if "cpu.isa_level" in f:
        listed = said("/lib64/ld-linux-x86-64.so.2", "--help")
        supported = re.findall(r"(x86-64-v\d) \(supported", listed)
        equal(f["cpu.isa_level"], max(supported, default="x86-64-v1"), "cpu.isa_level")


@tool("cpu.affinity", "cpu.threads_possible")
def allowed(f):
    equal(f["cpu.affinity"], int(said("nproc")), "cpu.affinity")
    equal(f["cpu.threads_possible"], int(said("getconf", "_NPROCESSORS_CONF")), "cpu.threads_possible")


def group(controller):
    """(folder of the own v1 or v2 group, folder of the mount's top) for a controller, read in Python."""
    lines = [line.split(":", 2) for line in text("/proc/self/cgroup").splitlines()]
    mounts = [line.split(" - ") for line in text("/proc/self/mountinfo").splitlines() if " - cgroup" in line]
    for _, names, path in lines:
        if controller in names.split(","):
            top = next(m[0].split()[4] for m in mounts if controller in m[1].split()[2].split(","))
            return top + path.rstrip("/"), top, 1
    path = next(p for _, names, p in lines if names == "")
    top = next(m[0].split()[4] for m in mounts if m[1].startswith("cgroup2 "))
    return top + path.rstrip("/"), top, 2


def up(folder, top):
    while True:
        yield folder
        if len(folder) <= len(top):
            return
        folder = os.path.dirname(folder)


@direct("no program of the distribution reads quotas of all ancestors", "cpu.effective_cores", "cpu.quota_cores", "cpu.weight")
def quota(f):
    own, top, version = group("cpu")
    cores = float(len(os.sched_getaffinity(0)))
    for folder in up(own, top):
        if version == 1:
            microseconds, period = text(folder + "/cpu.cfs_quota_us", "-1"), text(folder + "/cpu.cfs_period_us", "1")
        else:
            microseconds, period = (text(folder + "/cpu.max", "max 1").split() + ["1"])[:2]
        if microseconds not in ("-1", "max"):
            cores = min(cores, int(microseconds) / int(period))
    equal(f["cpu.effective_cores"], cores, "cpu.effective_cores")
    if "cpu.weight" in f:
        equal(f["cpu.weight"], int(text(own + ("/cpu.shares" if version == 1 else "/cpu.weight"))), "cpu.weight")


@direct("lscpu does not print it", "cpu.microcode")
def microcode(f):
    found = re.findall(r"^microcode\s*: (\S+)", text("/proc/cpuinfo"), re.M)
    equal(f["cpu.microcode"], found[-1], "cpu.microcode")


@direct("no program tells kinds of cores on this architecture", "cpu.hybrid", "cpu.kinds")
def kinds(f):
    models = set(re.findall(r"^(?:model name|CPU part)\s*: (.*)", text("/proc/cpuinfo"), re.M))
    several = len(models) > 1 or os.path.exists("/sys/devices/cpu_atom")
    equal(f["cpu.hybrid"], several, "cpu.hybrid")


@direct("programs print what cpufreq says, which not every machine has", "cpu.base_hz", "cpu.max_hz", "cpu.driver", "cpu.governor",
        "cpu.turbo", "cpu.rdt")
def frequencies(f):
    if "cpu.max_hz" in f and "CPU max MHz" in lscpu():
        near(f["cpu.max_hz"] / 1e6, float(lscpu()["CPU max MHz"]), 0.01, "cpu.max_hz")
    if "cpu.driver" in f:
        equal(f["cpu.driver"], text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"), "cpu.driver")


@direct("it changes from second to second, and programs print the same file", "cpu.pressure_ratio", "memory.pressure_ratio")
def pressure(f):
    for key, name in (("cpu.pressure_ratio", "cpu"), ("memory.pressure_ratio", "memory")):
        if key in f:
            now = float(re.search(r"some avg10=(\S+)", text(f"/proc/pressure/{name}"))[1]) / 100
            assert 0 <= f[key] <= 1, f[key]
            assert abs(f[key] - now) <= 0.6, f"{key}: {f[key]}, a moment later {now}"


@tool("memory.total_bytes", "memory.available_bytes", "memory.swap_bytes", "memory.page_bytes")
def memory(f):
    rows = {line.split()[0]: line.split()[1:] for line in said("free", "-b").splitlines()[1:]}
    equal(f["memory.total_bytes"], int(rows["Mem:"][0]), "memory.total_bytes")
    equal(f["memory.swap_bytes"], int(rows["Swap:"][0]), "memory.swap_bytes")
    near(f["memory.available_bytes"], int(rows["Mem:"][5]), 0.3, "memory.available_bytes")
    equal(f["memory.page_bytes"], int(said("getconf", "PAGESIZE")), "memory.page_bytes")


@direct("no program reads limits of all ancestors", "memory.effective_bytes", "memory.limit_bytes", "memory.limit_source",
        "memory.high_bytes")
def memory_limit(f):
    own, top, version = group("memory")
    least = f["memory.total_bytes"]
    for folder in up(own, top):
        for name in ("memory.limit_in_bytes",) if version == 1 else ("memory.max", "memory.high"):
            value = text(folder + "/" + name, "max")
            if value != "max":
                least = min(least, int(value))
    equal(f["memory.effective_bytes"], least, "memory.effective_bytes")


@direct("programs print only the usual size", "memory.hugepages", "memory.hugepages.*", "memory.thp")
def huge_pages(f):
    usual = dict(re.findall(r"^(\w+):\s+(\d+)", text("/proc/meminfo"), re.M))
    of_usual = [h for h in f["memory.hugepages"] if h["size_bytes"] == int(usual["Hugepagesize"]) * 1024]
    equal([(h["total"], h["free"]) for h in of_usual], [(int(usual["HugePages_Total"]), int(usual["HugePages_Free"]))])
    if "memory.thp" in f:
        assert f"[{f['memory.thp']}]" in text("/sys/kernel/mm/transparent_hugepage/enabled"), f["memory.thp"]


@direct("dmidecode prints the same table, and virtual machines have none", "memory.type", "memory.speed_mtps", "memory.ecc",
        "memory.channels", "memory.nvdimm*")
def modules(f):
    if "memory.type" in f:
        assert re.fullmatch(r"(LP)?DDR\d?|HBM\d?", f["memory.type"]), f["memory.type"]


@tool("numa.nodes", "numa.nodes.id", "numa.nodes.cpus", "numa.nodes.memory_bytes", "numa.max_distance")
def nodes(f):
    out = said("numactl", "-H")
    for n in f["numa.nodes"]:
        cpus = re.search(rf"^node {n['id']} cpus:(.*)", out, re.M)[1].split()
        listed = [c for part in n["cpus"].split(",") for c in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)]
        equal(listed, [int(c) for c in cpus], f"processors of node {n['id']}")
        near(n["memory_bytes"] / 2**20, int(re.search(rf"^node {n['id']} size: (\d+) MB", out, re.M)[1]), 0.001)
    distances = [int(d) for row in re.findall(r"^\s+\d+:(.*)", out, re.M) for d in row.split()]
    equal(f["numa.max_distance"], max(distances), "numa.max_distance")


@tool("cgroup.version", "cgroup.path", "cgroup.controllers", "kernel.cgroup_mode")
def groups(f):
    # ps leaves out groups at the top of their trees.
    said_by_ps = said("ps", "-ww", "-o", "cgroup=", "-p", str(os.getpid())).split(",")
    own = dict(e.split(":", 2)[1:] for e in said_by_ps if e.count(":") == 2)
    mounts = said_json("findmnt", "-J", "-l", "-t", "cgroup,cgroup2", "-o", "FSTYPE,FS-OPTIONS")["filesystems"]
    kinds_of = {m["fstype"] for m in mounts}
    mode = {("cgroup",): "v1", ("cgroup2",): "v2", ("cgroup", "cgroup2"): "hybrid"}[tuple(sorted(kinds_of))]
    equal(f["kernel.cgroup_mode"], mode, "kernel.cgroup_mode")
    options = {o for m in mounts if m["fstype"] == "cgroup" for o in m["fs-options"].split(",")}
    equal(f["cgroup.version"], 1 if "memory" in options else 2, "cgroup.version")
    equal(f["cgroup.path"], own.get("memory" if "memory" in options else "", "/"), "cgroup.path")
    if f["cgroup.version"] == 1:
        controllers = {line.split()[0] for line in text("/proc/cgroups").splitlines()[1:]}
        equal(f["cgroup.controllers"], sorted(options & controllers), "cgroup.controllers")


@direct("no program tells what of a group is this process's", "cgroup.cpuset", "cgroup.delegated", "cgroup.namespaced",
        "cgroup.pids_max", "cgroup.io_max")
def group_details(f):
    own, _, _ = group("memory")
    if f.get("cgroup.delegated"):
        child = f"{own}/sigrun-truth-{os.getpid()}"
        os.mkdir(child)
        os.rmdir(child)
    equal(f["cgroup.namespaced"], os.readlink("/proc/self/ns/cgroup") != "cgroup:[4026531835]", "cgroup.namespaced")
    if "cgroup.cpuset" in f:
        first = [int(n) for n in re.findall(r"\d+", f["cgroup.cpuset"])]
        assert set(os.sched_getaffinity(0)) <= set(range(first[0], first[-1] + 1)), f["cgroup.cpuset"]


@tool("host.arch", "host.boot_id", "host.boot_time_s", "host.byte_order", "host.hostname", "host.id", "host.timezone")
def host(f):
    equal(f["host.arch"], said("uname", "-m"), "host.arch")
    equal(f["host.boot_id"], said("sysctl", "-n", "kernel.random.boot_id"), "host.boot_id")
    since = datetime.datetime.fromisoformat(said("uptime", "-s")).timestamp()
    assert abs(f["host.boot_time_s"] - since) <= 3, (f["host.boot_time_s"], since)
    equal(f["host.byte_order"] + " endian", lscpu()["Byte Order"].lower(), "host.byte_order")
    equal(f["host.hostname"], said("uname", "-n"), "host.hostname")
    if "host.id" in f:
        equal(f["host.id"], said("systemd-id128", "machine-id"), "host.id")
    if "host.timezone" in f:
        there = datetime.datetime.now(zoneinfo.ZoneInfo(f["host.timezone"])).strftime("%z")
        equal(there, said("date", "+%z"), "host.timezone")


@direct("dmidecode prints the same files, and this machine may have none", "host.vendor", "host.product", "host.board",
        "host.bios_version", "host.chassis")
def firmware(f):
    for key, name in (("host.vendor", "sys_vendor"), ("host.product", "product_name"), ("host.bios_version", "bios_version")):
        if key in f and os.path.exists("/sys/class/dmi/id/" + name):
            equal(f[key], text("/sys/class/dmi/id/" + name), key)


@tool("kernel.release", "kernel.version", "kernel.preempt", "kernel.modules", "kernel.max_pids", "kernel.max_files")
def kernel(f):
    equal(f["kernel.release"], said("uname", "-r"), "kernel.release")
    equal(f["kernel.version"], said("uname", "-v"), "kernel.version")
    if f.get("kernel.preempt") in ("dynamic", "rt"):
        assert "PREEMPT_" + f["kernel.preempt"].upper() in said("uname", "-v"), f["kernel.preempt"]
    if os.path.exists("/proc/modules"):
        equal(f["kernel.modules"], sorted(line.split()[0] for line in said("lsmod").splitlines()[1:]), "kernel.modules")
    else:
        equal(f["kernel.modules"], [], "kernel.modules")
    equal(f["kernel.max_pids"], int(said("sysctl", "-n", "kernel.pid_max")), "kernel.max_pids")
    equal(f["kernel.max_files"], int(said("sysctl", "-n", "fs.file-max")), "kernel.max_files")


@tool("kernel.config")
def configuration(f):
    if os.path.exists("/proc/config.gz"):
        lines = said("zcat", "/proc/config.gz")
    else:
        lines = text("/boot/config-" + said("uname", "-r"))
    on = set(re.findall(r"^CONFIG_(\w+)=[ym]$", lines, re.M))
    equal(sorted(set(f["kernel.config"]) - on), [], "options that are not on:")
    for name in ("NAMESPACES", "SECCOMP", "OVERLAY_FS", "KVM", "MODULES", "SECURITY_APPARMOR"):
        equal(name in f["kernel.config"], name in on, name)


@direct("tried by system calls: programs tell what is configured, not what works", "kernel.io_uring", "kernel.bpf", "kernel.kvm",
        "kernel.overlayfs", "kernel.fuse", "kernel.clocksource", "kernel.cmdline_hash")
def kernel_offers(f):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(425, 1, None)  # io_uring_setup without room for its answer
    equal(f["kernel.io_uring"], ctypes.get_errno() == errno.EFAULT, "kernel.io_uring")
    libc.syscall(321, 9999, None, 0)  # bpf with a command that does not exist
    equal(f["kernel.bpf"], ctypes.get_errno() != errno.ENOSYS, "kernel.bpf")
    if f.get("kernel.kvm"):
        with open("/dev/kvm", "rb", buffering=0) as device:
            equal(fcntl.ioctl(device, 0xAE00), 12, "version of KVM")
    types = text("/proc/filesystems").split()
    for key, name in (("kernel.overlayfs", "overlay"), ("kernel.fuse", "fuse")):
        if key in f:
            equal(f[key], name in types, key)
    if "kernel.clocksource" in f:
        current = glob.glob("/sys/devices/system/clocksource/clocksource0/current_clocksource")
        equal(f["kernel.clocksource"], text(current[0]), "kernel.clocksource")
    with open("/proc/cmdline", "rb") as line:
        equal(f["kernel.cmdline_hash"], fnv(line.read().strip()), "kernel.cmdline_hash")


@tool("os.id", "os.id_like", "os.name", "os.version", "os.codename", "os.libc", "os.libc_version", "os.init", "os.immutable")
def system(f):
    for key, name in (("os.id", "ID"), ("os.name", "NAME"), ("os.version", "VERSION_ID"), ("os.codename", "VERSION_CODENAME")):
        if key in f:
            equal(f[key], said("sh", "-c", f'. /etc/os-release; printf %s "${name}"'), key)
    name, version = said("getconf", "GNU_LIBC_VERSION").split()
    equal((f["os.libc"], f["os.libc_version"]), (name, version), "os.libc")
    equal(f["os.init"], said("ps", "-p", "1", "-o", "comm="), "os.init")
    options = said("findmnt", "-no", "OPTIONS", "--target", "/usr").split(",")
    equal(f["os.immutable"], "ro" in options, "os.immutable")
