// record_machine on this machine: what it writes says the same of it, and tells nobody which machine it is.
#include "machines/all_probes.hpp"
#include "machines/scrubbed.hpp"

#include <sigrun/cpp/procfs.hpp>

#include <unistd.h>

namespace machines {
namespace {

TEST(recorder, a_recorded_machine_gives_what_the_machine_itself_gives) {
    scratch_tree folder;
    const std::string file = folder.path() + "/here.tree";
    output_of(std::string(SIGRUN_BUILD_DIR "/tests/record_machine ") + file);
    const auto recorded = load(file);
    scratch_tree tree;
    unpack(recorded, tree.path());
    const auto facts = all_facts(tree.path(), recorded.calls);
    EXPECT_GT(recorded.facts.size(), 100u);
    // These come from other programs, not from the record.
    const auto trimmed = [](std::string text) { return std::string(sigrun::sdk::trimmed(text)); };
    EXPECT_EQ(value_of(facts, "kernel.release"), json::value(trimmed(output_of("uname -r"))));
    EXPECT_EQ(value_of(facts, "host.arch"), json::value(trimmed(output_of("uname -m"))));
    EXPECT_EQ(value_of(facts, "memory.page_bytes"), json::value(::sysconf(_SC_PAGESIZE)));
    EXPECT_EQ(value_of(facts, "cpu.threads_online"), json::value(::sysconf(_SC_NPROCESSORS_ONLN)));
}

TEST(recorder, identities_are_taken_out) {
    scratch_tree folder;
    const std::string file = folder.path() + "/here.tree";
    output_of(std::string(SIGRUN_BUILD_DIR "/tests/record_machine ") + file);
    const auto text = slurp(file);
    const auto absent = [&](const std::string& secret, const char* what) {
        if (secret.size() >= 3) {
            EXPECT_EQ(text.find(secret), text.npos) << what << " " << secret;
        }
    };
    const auto line = [](const char* path) { return std::string(sigrun::sdk::trimmed(slurp(path))); };
    absent(line("/etc/machine-id"), "machine id");
    absent(line("/proc/sys/kernel/random/boot_id"), "boot id");
    absent(line("/proc/sys/kernel/hostname"), "host name");
    for (const auto& e : fs::directory_iterator("/sys/class/net")) {
        const auto mac = line((e.path() / "address").c_str());
        if (mac != "00:00:00:00:00:00") absent(mac, "hardware address");
    }
    const auto addresses = output_of("ip -o -4 addr show scope global");
    std::string_view rest = addresses, one;
    while (sigrun::sdk::next_line(rest, one)) {
        const auto w = sigrun::sdk::words(one);
        if (w.size() > 3) absent(std::string(w[3].substr(0, w[3].find('/'))), "address");
    }
}

TEST(recorder, texts_lose_what_identifies_and_keep_the_rest) {
    EXPECT_EQ(scrubbed("/proc/cmdline", "root=UUID=1b4e28ba-2fa1-11d2-883f-0016d3cca427 ip=10.1.2.3 quiet\n", ""),
              "root=UUID=00000000-0000-0000-0000-000000000000 ip=192.0.2.1 quiet\n");
    EXPECT_EQ(scrubbed("/proc/self/mountinfo", "1 2 3:4 / /home/alice rw - nfs 10.0.0.9:/x rw\n", ""),
              "1 2 3:4 / /home/user rw - nfs 192.0.2.1:/x rw\n");
    EXPECT_EQ(scrubbed("/proc/1/environ", std::string("TOKEN=secret\0container=lxc\0", 27), ""),
              std::string("TOKEN=\0container=lxc\0", 21));
    EXPECT_EQ(scrubbed("/etc/resolv.conf", "search corp.example\nnameserver 10.0.0.1\noptions edns0\n", ""),
              "\nnameserver 192.0.2.53\noptions edns0\n");
    EXPECT_EQ(scrubbed("/sys/block/sda/device/serial", "WD-123\n", ""), "");
    EXPECT_EQ(scrubbed("/proc/cpuinfo", "model name : X 10.0\nSerial : 100000\n", ""),
              "model name : X 10.0\nSerial : 0\n");
    EXPECT_EQ(scrubbed("/proc/version", "built on north7\n", "north7"), "built on host\n");
    // A structure of four bytes, then its texts.
    EXPECT_EQ(scrubbed("/sys/firmware/dmi/tables/DMI", std::string("\x01\x04\0\0SN1\0\0", 9), ""),
              std::string("\x01\x04\0\0xxx\0\0", 9));
}

}  // namespace
}  // namespace machines
