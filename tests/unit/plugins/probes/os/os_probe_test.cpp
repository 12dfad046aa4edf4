// Recorded machines in, facts out.
#include "calls.hpp"
#include "fuzz/probe_texts_target.hpp"

#include <sys/fsuid.h>
#include <sys/utsname.h>
#include <zlib.h>

#include <thread>

namespace sigrun::os {
namespace {

using machines::facts_below;
using machines::status_of;
using machines::value_of;

class os_probe_golden : public testing::TestWithParam<const char*> {};
TEST_P(os_probe_golden, gives_exactly_the_recorded_facts) {
    machines::expect_golden(GetParam(), "os", facts_of(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(machines, os_probe_golden,
                         testing::Values("bare_v2", "v2_nested", "v1_unlimited", "hybrid_parent_limit", "docker_v1",
                                         "arm_hybrid", "garbage"),
                         [](const auto& p) { return std::string(p.param); });

machines::fact_map facts_of_tree(const machines::scratch_tree& tree) {
    return facts_below(tree.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
}

TEST(os_probe, an_empty_tree_gives_no_value_at_all) {
    machines::scratch_tree empty;
    const auto facts = facts_of_tree(empty);
    EXPECT_GT(facts.size(), 25u);
    for (const auto& [key, f] : facts) EXPECT_FALSE(f.contains("value")) << key << " " << f;
}

TEST(os_probe, the_live_machine_agrees_with_uname) {
    const auto facts = facts_below("", [](auto& root, auto& run) { collect(root, live_calls(), run); });
    utsname names{};
    ASSERT_EQ(::uname(&names), 0);
    EXPECT_EQ(value_of(facts, "kernel.release"), machines::json::value(names.release));
    EXPECT_EQ(value_of(facts, "host.arch"), machines::json::value(names.machine));
    EXPECT_EQ(value_of(facts, "host.hostname"), machines::json::value(names.nodename));
    EXPECT_EQ(status_of(facts, "os.id"), "ok");
}

TEST(os_probe, identity_is_marked_so_that_it_stays_out_of_the_class_hash) {
    const auto facts = facts_of("bare_v2");
    for (const char* key : {"host.id", "host.boot_id", "host.hostname", "host.boot_time_s"})
        EXPECT_TRUE(facts.at(key).contains("unique")) << key;
    for (const char* key : {"os.id", "host.arch", "kernel.release"})
        EXPECT_FALSE(facts.at(key).contains("unique")) << key;
}

TEST(os_probe, links_inside_a_recorded_tree_do_not_lead_out_of_it) {
    machines::scratch_tree tree;
    tree.write("usr/lib/os-release", "ID=inside\n").write("etc/x", "");
    std::filesystem::create_symlink("/usr/lib/os-release", tree.path() + "/etc/os-release");
    std::filesystem::create_symlink("../../../../../../../../etc/machine-id", tree.path() + "/etc/machine-id");
    const auto facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "os.id"), machines::json::value("inside"));
    EXPECT_FALSE(facts.at("host.id").contains("value"));
}

TEST(os_probe, a_pipe_in_place_of_a_file_is_not_read) {
    machines::scratch_tree tree;
    tree.write("etc/x", "");
    ASSERT_EQ(::mkfifo((tree.path() + "/etc/os-release").c_str(), 0600), 0);
    EXPECT_EQ(status_of(facts_of_tree(tree), "os.id"), "unsupported");
}

TEST(os_probe, a_denied_file_is_denied_and_not_absent) {
    machines::scratch_tree tree;
    tree.write("etc/os-release", "ID=secret\n");
    std::filesystem::permissions(tree.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(tree.path() + "/etc/os-release", std::filesystem::perms::none);
    machines::fact_map facts;
    // Root may read everything; this one thread gives that up for its file accesses.
    std::thread([&] {
        ::setfsuid(65534);
        facts = facts_of_tree(tree);
    }).join();
    EXPECT_EQ(status_of(facts, "os.id"), "denied");
}

TEST(os_probe, a_file_that_is_too_large_is_an_error) {
    machines::scratch_tree tree;
    tree.write("etc/os-release", "ID=big\n" + std::string(70'000, '#'));
    EXPECT_EQ(status_of(facts_of_tree(tree), "os.id"), "error");
}

std::string gzip(const std::string& text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

TEST(kernel_config, is_read_from_the_running_kernel_before_the_boot_folder) {
    machines::scratch_tree tree;
    tree.write("proc/sys/kernel/osrelease", "6.1.0\n").write("boot/config-6.1.0", "CONFIG_KVM=y\n");
    EXPECT_EQ(value_of(facts_of_tree(tree), "kernel.config"), machines::json::array({"KVM"}));
    tree.write("proc/config.gz", gzip("# header\nCONFIG_USER_NS=y\nCONFIG_KVM=m\n# CONFIG_KASAN is not set\n"));
    const auto facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "kernel.config"), machines::json::array({"KVM", "USER_NS"}));
    EXPECT_EQ(facts.at("kernel.config").at("source"), "/proc/config.gz");
}

TEST(kernel_config, an_option_is_a_whole_line) {
    kernel_config config;
    config.on = parse_kernel_config(
        "CONFIG_A=y\nXCONFIG_B=y\nCONFIG_C=yes\nCONFIG_D=\"y\"\n# CONFIG_E=y\nCONFIG_=y\nCONFIG_G=x=y\r\nCONFIG_F=m");
    EXPECT_EQ(config.on.size(), 2u);
    EXPECT_EQ(config.option("A"), 'y');
    EXPECT_EQ(config.option("F"), 'm');
    EXPECT_EQ(config.option("C"), 'n');
    EXPECT_TRUE(parse_kernel_config("CONFIG_" + std::string(1000, 'X') + "=y").empty());
    std::string many;
    for (int i = 0; i < 60'000; ++i) many += "CONFIG_" + std::to_string(i) + "=y\n";
    EXPECT_EQ(parse_kernel_config(many).size(), 50'000u);
}

TEST(kernel_config, damaged_and_endless_files_are_errors) {
    std::string text;
    for (int i = 0; i < 5'000; ++i) text += "CONFIG_" + std::to_string(i * 7919 % 5000) + "=y\n";
    const auto whole = gzip(text);
    for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{10}, whole.size() / 2, whole.size() - 1})
        EXPECT_FALSE(gunzip(whole.substr(0, n), 1 << 20)) << n;
    auto damaged = whole;
    damaged[whole.size() / 2] ^= 0x55;
    EXPECT_FALSE(gunzip(damaged, 1 << 20));
    EXPECT_TRUE(gunzip(whole, 1 << 20));
    EXPECT_FALSE(gunzip(whole, 1000)) << "more than the limit";

    machines::scratch_tree tree;
    tree.write("proc/config.gz", gzip(std::string(16 * 1024 * 1024, ' ')));
    EXPECT_EQ(status_of(facts_of_tree(tree), "kernel.config"), "error");
    tree.write("proc/config.gz", gzip("no configuration at all"));
    EXPECT_EQ(status_of(facts_of_tree(tree), "kernel.config"), "error");
}

TEST(kernel_config, the_corpus_of_its_fuzzer_holds) {
    std::size_t seeds = 0;
    for (const auto& seed : std::filesystem::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fuzz/probe_texts.corpus")) {
        const auto text = machines::slurp(seed.path().string());
        read_as_config(text);
        for (std::size_t i = 0; i < text.size(); ++i) {
            auto damaged = text;
            damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
            read_as_config(damaged);
        }
        ++seeds;
    }
    EXPECT_GE(seeds, 6u);
}

TEST(kernel_config, a_release_that_is_a_path_leads_nowhere) {
    machines::scratch_tree tree;
    tree.write("proc/sys/kernel/osrelease", "x/../../etc/passwd\n").write("etc/passwd", "CONFIG_KVM=y\n");
    std::filesystem::create_directories(tree.path() + "/boot/config-x");
    EXPECT_EQ(status_of(facts_of_tree(tree), "kernel.config"), "unsupported");
}

TEST(kernel_config, says_no_where_files_are_silent) {
    machines::scratch_tree tree;
    tree.write("proc/filesystems", "nodev\tsysfs\n")
        .write("proc/sys/kernel/version", "#1 SMP Debian\n")
        .write("proc/config.gz", gzip("CONFIG_FUSE_FS=m\nCONFIG_PREEMPT_VOLUNTARY=y\n"));
    const auto facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "kernel.overlayfs"), machines::json::value(false));
    EXPECT_EQ(status_of(facts, "kernel.fuse"), "absent") << "a module may still bring it";
    EXPECT_EQ(value_of(facts, "kernel.io_uring"), machines::json::value(false));
    EXPECT_EQ(value_of(facts, "kernel.bpf"), machines::json::value(false));
    EXPECT_EQ(value_of(facts, "kernel.modules"), machines::json::array());
    EXPECT_EQ(value_of(facts, "kernel.preempt"), machines::json::value("voluntary"));
}

TEST(mission_D10, the_configuration_is_the_one_that_zcat_shows) {
    const auto facts = facts_below("", [](auto& root, auto& run) { collect(root, live_calls(), run); });
    int status = 0;
    const auto text = machines::output_of(
        "zcat /proc/config.gz 2>/dev/null || cat /boot/config-$(uname -r) /lib/modules/$(uname -r)/config 2>/dev/null",
        &status);
    if (text.empty()) {
        EXPECT_NE(status_of(facts, "kernel.config"), "ok");
        return;
    }
    ASSERT_EQ(status_of(facts, "kernel.config"), "ok");
    const auto set = value_of(facts, "kernel.config").as_array();
    EXPECT_GT(set.size(), 20u);
    for (const auto& option : set) {
        const auto line = "\nCONFIG_" + std::string(option.as_string()) + "=";
        EXPECT_TRUE(("\n" + text).find(line + "y\n") != std::string::npos ||
                    ("\n" + text).find(line + "m\n") != std::string::npos)
            << option;
    }
}

TEST(os_probe, boards_without_smbios_are_named_by_their_device_tree) {
    machines::scratch_tree tree;
    tree.write("proc/device-tree/model", std::string("Raspberry Pi 4 Model B Rev 1.4\0", 31))
        .write("proc/device-tree/compatible", std::string("raspberrypi,4-model-b\0brcm,bcm2711\0", 35));
    auto facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "host.product"), machines::json::value("Raspberry Pi 4 Model B Rev 1.4"));
    EXPECT_EQ(value_of(facts, "host.vendor"), machines::json::value("raspberrypi"));
    tree.write("sys/class/dmi/id/sys_vendor", "Ampere\n");
    facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "host.vendor"), machines::json::value("Ampere"));
    EXPECT_EQ(status_of(facts, "host.product"), "absent");
}

}  // namespace
}  // namespace sigrun::os
