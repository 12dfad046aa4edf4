// The kernel's configuration, and what it answers where files are silent.
#include "calls.hpp"
#include "fuzz/kernel_config_fuzz.cpp"
#include "fuzz/replay.hpp"

#include <zlib.h>

namespace sigrun::os {
namespace {

using machines::facts_below;
using machines::status_of;
using machines::value_of;

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

TEST(kernel_config_corpus, the_seeds_and_their_neighbours_stay_in_bounds) {
    replay_seeds("kernel_config", LLVMFuzzerTestOneInput, 3, "\n=ym#");
}

}  // namespace
}  // namespace sigrun::os
