#include "kernel/plugin/plugin_host.hpp"

#include "plugin_folder.hpp"

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

namespace sigrun {
namespace {

using namespace testing;

bool is_mapped(const std::string& part_of_path) {
    std::pair<const std::string*, bool> search{&part_of_path, false};
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* ctx) {
            auto& s = *static_cast<std::pair<const std::string*, bool>*>(ctx);
            if (std::string(info->dlpi_name).find(*s.first) != std::string::npos) s.second = true;
            return 0;
        },
        &search);
    return search.second;
}

TEST(plugin_host, loads_creates_starts_and_ends_a_plugin) {
    plugin_folder folder;
    folder.add("plain");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    ASSERT_TRUE(host.start_all());

    auto plugins = host.plugins();
    ASSERT_EQ(plugins.size(), 1u);
    EXPECT_TRUE(plugins[0].active);
    EXPECT_EQ(plugins[0].id, "test.plain");
    EXPECT_EQ(plugins[0].version, "1.0.0");
    EXPECT_EQ(plugins[0].abi, "1.1");
    EXPECT_EQ(plugins[0].sha256.size(), 64u);
    ASSERT_EQ(plugins[0].components.size(), 1u);
    EXPECT_EQ(plugins[0].components[0].instances, std::vector<std::string>{"plain"});

    auto found = host.find(SIGRUN_KIND_PROBE, "plain");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->plugin_id(), "test.plain");
    EXPECT_EQ(found->generation_number(), plugins[0].generation);
    EXPECT_EQ(number_of(*found), 1u);
    EXPECT_FALSE(host.find(SIGRUN_KIND_PROBE, "nobody"));
    EXPECT_FALSE(host.find("sigrun.store/1", "plain"));
    found.reset();

    const std::string staged = "test.plain-g" + std::to_string(plugins[0].generation) + "-";
    EXPECT_TRUE(is_mapped(staged));
    host.shutdown();
    host.shutdown();
    EXPECT_FALSE(is_mapped(staged));
    auto text = numbers.text();
    for (auto line : {"plain_started_total 1", "plain_drained_total 1", "plain_destroyed_total 1"})
        EXPECT_NE(text.find(line), std::string::npos) << text;
    EXPECT_TRUE(host.instances(SIGRUN_KIND_PROBE).empty());
}

TEST(plugin_host, the_staged_copy_is_private_and_older_ones_are_removed) {
    plugin_folder folder;
    folder.add("plain");
    fs::create_directories(folder.state() / "stage");
    std::ofstream(folder.state() / "stage/old-g1-0.so") << "x";
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    std::vector<fs::path> staged;
    for (const auto& each : fs::directory_iterator(folder.state() / "stage")) staged.push_back(each.path());
    ASSERT_EQ(staged.size(), 1u);
    auto info = host.plugins()[0];
    EXPECT_EQ(staged[0].filename().string(),
              "test.plain-g" + std::to_string(info.generation) + "-" + info.sha256.substr(0, 12) + ".so");
    struct stat status {};
    ASSERT_EQ(stat(staged[0].c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0500u);
}

TEST(plugin_host, two_generations_of_one_path_run_their_own_code) {
    plugin_folder folder;
    metrics numbers;
    folder.add("plain", "same");
    plugin_host first(folder.options(), {}, numbers);
    ASSERT_TRUE(first.load_all());
    folder.add("plain_v2", "same");
    plugin_host second(folder.options(), {}, numbers);
    ASSERT_TRUE(second.load_all());

    EXPECT_EQ(number_of(*first.find(SIGRUN_KIND_PROBE, "plain")), 1u);
    EXPECT_EQ(number_of(*second.find(SIGRUN_KIND_PROBE, "plain")), 2u);
    EXPECT_EQ(second.plugins()[0].version, "2.0.0");
    EXPECT_GT(second.plugins()[0].generation, first.plugins()[0].generation);
}

TEST(plugin_host, the_same_bytes_twice_are_two_generations) {
    plugin_folder folder;
    folder.add("plain");
    metrics numbers;
    plugin_host first(folder.options(), {}, numbers);
    plugin_host second(folder.options(), {}, numbers);
    ASSERT_TRUE(first.load_all());
    ASSERT_TRUE(second.load_all());
    // Own static data each: the tables are at different places.
    EXPECT_NE(first.find(SIGRUN_KIND_PROBE, "plain")->abi(), second.find(SIGRUN_KIND_PROBE, "plain")->abi());
}

TEST(plugin_host, overwriting_the_users_file_does_not_reach_running_code) {
    plugin_folder folder;
    auto file = folder.add("plain");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    fs::resize_file(file, 0);
    EXPECT_EQ(number_of(*host.find(SIGRUN_KIND_PROBE, "plain")), 1u);
    EXPECT_TRUE(host.start_all());
}

TEST(plugin_host, a_hundred_reloads_leave_nothing_mapped) {
    plugin_folder folder;
    folder.add("plain");
    metrics numbers;
    for (int i = 0; i < 100; ++i) {
        plugin_host host(folder.options(), {}, numbers);
        ASSERT_TRUE(host.load_all());
        ASSERT_TRUE(host.start_all());
    }
    EXPECT_FALSE(is_mapped("test.plain-g"));
    EXPECT_NE(numbers.text().find("plain_destroyed_total 100"), std::string::npos);
}

TEST(plugin_host, code_with_a_registered_thread_stays_mapped) {
    plugin_folder folder;
    folder.add("lost_thread");
    metrics numbers;
    std::uint64_t generation = 0;
    {
        plugin_host host(folder.options(), {}, numbers);
        ASSERT_TRUE(host.load_all());
        generation = host.plugins()[0].generation;
    }
    EXPECT_TRUE(is_mapped("test.lost_thread-g" + std::to_string(generation) + "-"));
}

TEST(plugin_host, hidden_files_folders_below_and_other_names_are_told_apart) {
    plugin_folder folder;
    folder.add("plain", "probes/plain");
    folder.add("other", ".other");
    folder.add("twin", "deep/deeper/twin");
    folder.write("README.md", "text");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    ASSERT_EQ(host.plugins().size(), 1u);
    EXPECT_EQ(host.plugins()[0].id, "test.plain");
}

TEST(plugin_host, a_missing_folder_is_an_error) {
    metrics numbers;
    plugin_host host({.plugin_dir = "/nonexistent/plugins"}, {}, numbers);
    auto loaded = host.load_all();
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().text().find("/nonexistent/plugins"), std::string::npos);
}

TEST(plugin_host, loads_only_the_kinds_asked_for) {
    plugin_folder folder;
    folder.add("plain");
    metrics numbers;
    auto options = folder.options();
    options.kinds = {"sigrun.store/1"};
    plugin_host host(options, ini("[instance mine]\ncomponent = plain:plain\n"), numbers);
    ASSERT_TRUE(host.load_all());
    EXPECT_TRUE(host.plugins().empty());
    EXPECT_TRUE(host.instances(SIGRUN_KIND_PROBE).empty());
    EXPECT_FALSE(is_mapped("test.plain-g"));
}

TEST(plugin_host, a_file_that_names_other_kinds_only_is_not_asked_and_one_that_names_none_is) {
    // Rejected if it is asked; its text names no kind.
    const auto bytes = content_of(fixture_plugin("null_entry"));
    ASSERT_EQ(bytes.find("sigrun.probe/"), std::string::npos);
    for (const bool names_its_kind : {true, false}) {
        plugin_folder folder;
        folder.write("null_entry.so", names_its_kind ? bytes + SIGRUN_KIND_PROBE : bytes);
        metrics numbers;
        auto options = folder.options();
        options.kinds = {"sigrun.store/1"};
        plugin_host host(options, {}, numbers);
        ASSERT_TRUE(host.load_all());
        const auto plugins = host.plugins();
        ASSERT_EQ(plugins.size(), names_its_kind ? 0u : 1u);
        if (!names_its_kind) {
            EXPECT_NE(plugins[0].reason.find("does not serve this major"), std::string::npos);
        }
    }
}

TEST(plugin_host, creates_only_the_instances_asked_for) {
    plugin_folder folder;
    folder.add("plain");
    folder.add("other");
    metrics numbers;
    auto options = folder.options();
    options.only = {"other"};
    plugin_host host(options, {}, numbers);
    ASSERT_TRUE(host.load_all());
    ASSERT_EQ(host.instances(SIGRUN_KIND_PROBE).size(), 1u);
    EXPECT_EQ(host.instances(SIGRUN_KIND_PROBE)[0]->name(), "other");
}

TEST(plugin_host, a_failing_start_names_the_instance_and_the_reason) {
    plugin_folder folder;
    folder.add("start_fails");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    auto started = host.start_all();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().text().find("instance plain"), std::string::npos);
    EXPECT_NE(started.error().text().find("port: expected a free one, found 7070 in use"), std::string::npos);
}

TEST(plugin_host, a_drain_completed_twice_is_counted_and_harmless) {
    plugin_folder folder;
    folder.add("double_drain");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    ASSERT_TRUE(host.start_all());
    host.shutdown();
    EXPECT_NE(numbers.text().find("sigrun_plugin_ignored_completions_total 1"), std::string::npos) << numbers.text();
}

TEST(plugin_host, what_was_never_started_is_not_drained) {
    plugin_folder folder;
    folder.add("double_drain");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    host.shutdown();
    EXPECT_EQ(numbers.text().find("sigrun_plugin_ignored_completions_total 1"), std::string::npos) << numbers.text();
}

TEST(plugin_host, staged_copies_are_gone_after_a_clean_end) {
    plugin_folder folder;
    folder.add("plain");
    metrics numbers;
    {
        plugin_host host(folder.options(), {}, numbers);
        ASSERT_TRUE(host.load_all());
        EXPECT_FALSE(fs::is_empty(folder.state() / "stage"));
        host.shutdown();
    }
    EXPECT_TRUE(fs::is_empty(folder.state() / "stage"));
}

TEST(plugin_host, a_drain_that_never_completes_ends_all_the_same) {
    plugin_folder folder;
    folder.add("slow_drain");
    metrics numbers;
    auto options = folder.options();
    options.drain_time = std::chrono::milliseconds(50);
    plugin_host host(options, {}, numbers);
    ASSERT_TRUE(host.load_all());
    ASSERT_TRUE(host.start_all());
    host.shutdown();
    EXPECT_NE(numbers.text().find("plain_destroyed_total 1"), std::string::npos);
    EXPECT_EQ(host.ops().open(), 0u);
}

TEST(plugin_host, call_async_completes_fails_and_revokes) {
    plugin_folder folder;
    folder.add("plain");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    auto probe = host.find(SIGRUN_KIND_PROBE, "plain");
    int good = 0, bad = 0;
    auto count = [&](result<buffer_ref> r) { ++(r ? good : bad); };
    host.call_async(
        *probe,
        [&](sigrun_op op) {
            return probe->table<sigrun_probe>(SIGRUN_KIND_PROBE)->run(probe->abi(), nullptr, nullptr, op);
        },
        count);
    EXPECT_EQ(good, 1);
    sigrun_op void_op = 0;
    host.call_async(
        *probe,
        [&](sigrun_op op) {
            void_op = op;
            return sigrun_result{SIGRUN_E_BUSY};
        },
        count);
    EXPECT_EQ(bad, 1);
    EXPECT_FALSE(host.ops().complete(void_op, SIGRUN_OK, nullptr));
    EXPECT_EQ(host.ops().open(probe->generation_number()), 0u);
    EXPECT_EQ(good + bad, 2);
}

TEST(plugin_host, an_instance_that_outlives_the_shutdown_can_still_be_destroyed) {
    plugin_folder folder;
    folder.add("plain");
    metrics numbers;
    std::shared_ptr<instance> kept;
    {
        plugin_host host(folder.options(), {}, numbers);
        ASSERT_TRUE(host.load_all());
        kept = host.find(SIGRUN_KIND_PROBE, "plain");
    }
    EXPECT_EQ(number_of(*kept), 1u);
    kept.reset();
    EXPECT_NE(numbers.text().find("plain_destroyed_total 1"), std::string::npos);
}

}  // namespace
}  // namespace sigrun
