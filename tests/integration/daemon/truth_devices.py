"""Devices, file systems and networks against other programs."""
import os
import re
import socket

from truth import direct, equal, fnv, near, said, said_json, text, tool

REMOTE = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "virtiofs", "fuse", "fuseblk", "glusterfs"}


@tool("pci.count", "pci.address", "pci.class", "pci.vendor_id", "pci.device_id", "pci.subsystem", "pci.name", "pci.driver")
def pci(f):
    blocks = [dict(line.split(":\t", 1) for line in b.splitlines()) for b in said("lspci", "-Dvmmnnk").split("\n\n") if b]
    equal(f["pci.count"], len(blocks), "pci.count")
    number = lambda value: value.rsplit("[", 1)[1].rstrip("]")
    for ours, theirs in zip(f["pci"], blocks):
        at = ours["address"]
        equal(at, theirs["Slot"])
        equal((ours["class"], ours["vendor_id"], ours["device_id"]),
              (number(theirs["Class"]), number(theirs["Vendor"]), number(theirs["Device"])), at)
        equal(ours.get("driver"), theirs.get("Driver"), at)
        if "SVendor" in theirs:
            equal(ours.get("subsystem"), number(theirs["SVendor"]) + ":" + number(theirs["SDevice"]), at)
        vendor, device = (theirs[k].rsplit(" [", 1)[0] for k in ("Vendor", "Device"))
        # lspci writes "Device" for one that is not in its list.
        equal(ours.get("name"), vendor if device == "Device" else f"{vendor} {device}", at)


@direct("lspci prints the same files with more text around them", "pci.numa_node", "pci.iommu_group", "pci.sriov_total",
        "pci.sriov_used", "pci.link_gen", "pci.link_width")
def pci_files(f):
    for p in f["pci"]:
        if "numa_node" in p:
            equal(p["numa_node"], int(text(f"/sys/bus/pci/devices/{p['address']}/numa_node")))


@tool("gpu", "gpu.count", "gpu.vendors", "gpu.*")
def gpu(f):
    cards = re.findall(r"^\S+ \"(?:03(?:00|02|80)|1200)\" \"(10de|1002|8086)\"", said("lspci", "-Dnm"), re.M)
    equal(f["gpu.count"], len(cards), "gpu.count")
    names = {"10de": "nvidia", "1002": "amd", "8086": "intel"}
    equal(f["gpu.vendors"], sorted({names[c] for c in cards}), "gpu.vendors")
    equal(len(f["gpu"]), len(cards), "gpu")


@tool("usb.count", "usb.class", "usb.vendor_id", "usb.device_id", "usb.name")
def usb(f):
    ids = sorted(re.findall(r"ID ([0-9a-f]{4}:[0-9a-f]{4})", said("lsusb")))
    equal(sorted(f"{u['vendor_id']}:{u['device_id']}" for u in f["usb"]), ids, "usb")


@tool("block.name", "block.size_bytes", "block.logical_bytes", "block.physical_bytes", "block.discard", "block.dax",
      "block.scheduler", "block.queue_depth", "block.transport", "block.model")
def block(f):
    columns = "NAME,SIZE,LOG-SEC,PHY-SEC,DISC-MAX,DAX,SCHED,RQ-SIZE,MODEL,SUBSYSTEMS"
    listed = {d["name"]: d for d in said_json("lsblk", "-b", "-J", "-d", "-o", columns)["blockdevices"] if d["size"]}
    equal(sorted(b["name"] for b in f["block"] if b["size_bytes"]), sorted(listed), "block devices")
    for b in f["block"]:
        theirs = listed.get(b["name"])
        if not theirs:
            continue
        equal((b["size_bytes"], b["logical_bytes"], b["physical_bytes"]), (theirs["size"], theirs["log-sec"], theirs["phy-sec"]))
        equal(b["discard"], theirs["disc-max"] > 0, b["name"])
        for member, column in (("dax", "dax"), ("scheduler", "sched"), ("queue_depth", "rq-size"), ("model", "model")):
            if member in b and theirs[column] is not None:
                equal(b[member], theirs[column], f"{b['name']} {member}")
        if b.get("transport") in ("virtio", "usb"):
            assert b["transport"] in theirs["subsystems"], (b, theirs["subsystems"])


@direct("lsblk tells a virtual disk's rotation wrongly, and neither kinds nor caches", "block.kind", "block.rotational",
        "block.write_cache")
def block_kind(f):
    for b in f["block"]:
        equal(b.get("write_cache"), text(f"/sys/class/block/{b['name']}/queue/write_cache") or None, b["name"])
        if b["name"].startswith(("vd", "xvd")):
            equal((b["kind"], "rotational" in b), ("virtual", False), b["name"])


@tool("fs.mount", "fs.type", "fs.device", "fs.options", "fs.readonly", "fs.total_bytes", "fs.available_bytes", "fs.inodes_free",
      "fs.remote", "fs.responsive", "fs.reflink")
def file_systems(f):
    listed = {}
    for m in said_json("findmnt", "-J", "-l", "-o", "TARGET,FSTYPE,SOURCE,VFS-OPTIONS,FS-OPTIONS")["filesystems"]:
        listed[m["target"]] = m  # the last of a place is on top
    real = {m["target"] for m in said_json("findmnt", "-J", "-l", "--real", "-o", "TARGET")["filesystems"]}
    assert real - {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"} <= {m["mount"] for m in f["fs"]} | hidden(), real
    for ours in f["fs"]:
        theirs = listed[ours["mount"]]
        equal((ours["type"], ours["device"]), (theirs["fstype"], theirs["source"]), ours["mount"])
        equal(ours["options"], sorted(theirs["vfs-options"].split(",")), ours["mount"])
        equal(ours["readonly"], "ro" in theirs["vfs-options"].split(",") + theirs["fs-options"].split(","), ours["mount"])
        if "remote" in ours:
            equal(ours["remote"], ours["type"] in REMOTE or ours["type"].startswith("fuse."), ours["mount"])
        if not ours.get("responsive"):
            continue
        size, left, inodes = said("df", "-B1", "--output=size,avail,iavail", ours["mount"]).splitlines()[1].split()
        if "total_bytes" in ours:
            equal(ours["total_bytes"], int(size), ours["mount"])
            near(ours["available_bytes"], int(left), 0.1, ours["mount"])
        if "inodes_free" in ours:
            near(ours["inodes_free"], int(inodes), 0.1, ours["mount"])


def hidden():
    """Other places of what is listed already, and kinds that hold no files of anybody."""
    return {m["target"] for m in said_json("findmnt", "-J", "-l", "--real", "-o", "TARGET,SOURCE")["filesystems"]
            if "[" in (m["source"] or "")}


@tool("work.path", "work.fs", "work.available_bytes", "work.exec", "work.tmpfs", "work.quota_bytes")
def work(f):
    equal(f["work.path"], os.getcwd(), "work.path")
    kind, options = said("findmnt", "-no", "FSTYPE,VFS-OPTIONS", "--target", os.getcwd()).split()
    equal((f["work.fs"], f["work.tmpfs"], f["work.exec"]), (kind, kind == "tmpfs", "noexec" not in options.split(",")))
    near(f["work.available_bytes"], int(said("df", "-B1", "--output=avail", ".").splitlines()[1]), 0.1, "work.available_bytes")


@tool("nic.name", "nic.mtu", "nic.state", "nic.mac_hash", "nic.kind", "nic.addresses", "nic.queues")
def interfaces(f):
    links = {n["ifname"]: n for n in said_json("ip", "-j", "-d", "addr")}
    equal(sorted(n["name"] for n in f["nic"]), sorted(links), "interfaces")
    for n in f["nic"]:
        theirs = links[n["name"]]
        equal(n["mtu"], theirs["mtu"], n["name"])
        known = theirs["operstate"].lower()
        usable = {"UP", "LOWER_UP"} <= set(theirs["flags"])
        equal(n["state"], known if known != "unknown" else "up" if usable else "down", n["name"])
        addresses = [f"{a['local']}/{a['prefixlen']}" for a in theirs["addr_info"]]
        equal(sorted(n["addresses"]), sorted(addresses), n["name"])
        if "mac_hash" in n:
            equal(n["mac_hash"], fnv(bytes.fromhex(theirs["address"].replace(":", ""))), n["name"])
        software = theirs.get("linkinfo", {}).get("info_kind")
        equal(n["kind"], "loopback" if "LOOPBACK" in theirs["flags"] else software or n["kind"], n["name"])
        if "queues" in n:
            assert 1 <= n["queues"] <= theirs["num_rx_queues"], n


@tool("nic.driver", "nic.firmware", "nic.offloads", "nic.speed_bps", "nic.speed_method", "nic.duplex", "nic.sriov_total",
      "nic.numa_node")
def drivers(f):
    names = {"rx-checksum": "rx-checksumming", "tx-checksum": "tx-checksumming", "scatter-gather": "scatter-gather",
             "tso": "tcp-segmentation-offload", "gso": "generic-segmentation-offload", "gro": "generic-receive-offload",
             "lro": "large-receive-offload", "rx-hash": "receive-hashing", "ntuple": "ntuple-filters"}
    for n in f["nic"]:
        if "driver" in n:
            equal(n["driver"], re.search(r"^driver: (.*)", said("ethtool", "-i", n["name"]), re.M)[1], n["name"])
        if "offloads" in n:
            out = said("ethtool", "-k", n["name"])
            on = sorted(short for short, long in names.items() if re.search(rf"^{long}: on", out, re.M))
            equal(n["offloads"], on, n["name"])
        speed = re.search(r"Speed: (\d+)Mb/s", said("ethtool", n["name"], status=None))
        if n["kind"] == "ethernet":
            equal(n.get("speed_bps"), int(speed[1]) * 10**6 if speed else None, n["name"])


@tool("net.default_if", "net.egress_ip", "net.ipv4", "net.ipv6")
def routes(f):
    default = said_json("ip", "-j", "route", "show", "default")
    if "net.default_if" in f:
        equal(f["net.default_if"], default[0]["dev"], "net.default_if")
        # A look at the table; nothing is sent. The address is one for documentation.
        equal(f["net.egress_ip"], said_json("ip", "-j", "route", "get", "203.0.113.1")[0]["prefsrc"], "net.egress_ip")
    for key, family in (("net.ipv4", "-4"), ("net.ipv6", "-6")):
        shown = [a for n in said_json("ip", "-j", family, "addr", "show", "scope", "global", "up") for a in n.get("addr_info", [])]
        equal(f[key], bool(shown), key)


@direct("resolvectl needs a daemon; the C library does not tell what it read", "net.dns", "net.fqdn", "net.proxy")
def names(f):
    servers = re.findall(r"^nameserver\s+(\S+)", text("/etc/resolv.conf"), re.M)
    if "net.dns" in f:
        equal(f["net.dns"], sorted(servers), "net.dns")
    if "net.fqdn" in f:
        assert f["net.fqdn"].split(".")[0] == socket.gethostname().split(".")[0], f["net.fqdn"]


@tool("rdma", "rdma.*")
def rdma(f):
    equal(sorted({r["device"] for r in f["rdma"]}), sorted({d["ifname"] for d in said_json("rdma", "-j", "dev")}), "rdma")
