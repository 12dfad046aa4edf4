// Another version of the store takes over while records are appended: none is lost, none overtakes another, and a new one
// that cannot go on leaves the old one at work.
#include "kernel/store/journal.hpp"
#include "unit/kernel/plugin/rebuilt_plugin.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <thread>

using namespace sigrun;

namespace {

namespace fs = std::filesystem;

struct swap_folder {
    fs::path path;
    swap_folder() {
        char name[] = "/tmp/sigrun-swap-XXXXXX";
        if (!mkdtemp(name)) throw std::runtime_error("mkdtemp failed");
        path = name;
        fs::create_directory(data());
    }
    ~swap_folder() { fs::remove_all(path); }
    fs::path data() const { return path / "data"; }
    void install(const std::string& version) const {
        sigrun::testing::install_rebuilt(path / "plugins", "stores/sqlite.so", "0.1.0", version);
    }
};

/// A host with the sqlite plugin of the swap_folder, and a journal in front of it that can be replaced.
struct swap_node {
    metrics meters;
    std::unique_ptr<plugin_host> host;
    std::unique_ptr<journal> log;
    std::map<std::string, std::string> replayed;
    std::uint64_t epoch = 0;

    explicit swap_node(const swap_folder& dir) {
        plugin_host_options options;
        options.plugin_dir = (dir.path / "plugins").string();
        options.state_dir = dir.path.string();
        options.program = "unit_store";
        auto ini =
            "[instance sqlite]\ncomponent = sigrun.sqlite:sqlite\npath = " + (dir.data() / "sigrun.db").string() + "\n";
        host = std::make_unique<plugin_host>(options, settings::parse(ini, "test.ini").value(), meters);
        host->load_all().value();
        host->start_all().value();
        log = std::make_unique<journal>(*host, host->find(SIGRUN_KIND_STORE, "sqlite"), meters);
        host->set_swapper(SIGRUN_KIND_STORE,
                          {[this](const auto& old, const auto& now) { return log->can_replace(old, now); },
                           [this](const auto& old, const auto& now) { return log->replace(old, now); },
                           {}});
        epoch = log->open([&](record_kind, std::string_view key, std::string_view body) {
                       replayed[std::string(key)] = body;
                   })
                    .value();
    }
    ~swap_node() {
        host->end_reloads();
        log.reset();
        host->shutdown();
    }
    result<reload_report> reload() {
        std::promise<result<reload_report>> answer;
        host->reload("sqlite", [&](result<reload_report> r) { answer.set_value(std::move(r)); });
        auto future = answer.get_future();
        if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready)
            throw std::runtime_error("the reload gave no answer");
        return future.get();
    }
    result<void> append(const std::string& key, const std::string& body, bool fsync = true) {
        std::promise<result<void>> answer;
        log->append({{record_kind::job, key, body}}, fsync, [&](result<void> r) { answer.set_value(std::move(r)); });
        auto future = answer.get_future();
        if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready)
            throw std::runtime_error("the journal gave no answer");
        return future.get();
    }
    plugin_info info() const { return host->plugins().front(); }
    bool old_ones_go() const {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!info().retiring.empty()) {
            if (std::chrono::steady_clock::now() > end) return false;
            std::this_thread::yield();
        }
        return true;
    }
};

std::size_t mapped(const std::string& part) {
    std::ifstream maps("/proc/self/maps");
    std::size_t n = 0;
    for (std::string line; std::getline(maps, line);) n += line.find(part) != std::string::npos;
    return n;
}

std::size_t open_files(const std::string& part) {
    std::size_t n = 0;
    std::error_code ec;
    for (const auto& each : fs::directory_iterator("/proc/self/fd"))
        n += fs::read_symlink(each.path(), ec).string().find(part) != std::string::npos;
    return n;
}

}  // namespace

TEST(store_swap, twenty_replacements_under_load_lose_nothing_and_keep_the_order) {
    swap_folder dir;
    dir.install("0.1.0");
    constexpr int k_writers = 4;
    std::vector<int> written(k_writers);
    std::uint64_t epoch = 0;
    {
        swap_node n(dir);
        epoch = n.epoch;
        const auto files = open_files("sigrun.db");
        std::atomic<bool> stop{false};
        std::atomic<int> refused{0}, answered{0}, asked{0};
        std::vector<std::thread> writers;
        for (int w = 0; w < k_writers; ++w)
            writers.emplace_back([&, w] {
                // Appends without waiting, a few at a time, so that batches are under way at each swap.
                for (int i = 1; !stop; ++i) {
                    const auto number = std::to_string(i);
                    ++asked;
                    n.log->append({{record_kind::job, "w" + std::to_string(w), "{\"n\":" + number + "}"},
                                   {record_kind::job, "w" + std::to_string(w) + "-" + number, "{}"}},
                                  i % 3 == 0, [&](result<void> r) {
                                      if (!r) ++refused;
                                      ++answered;
                                  });
                    written[static_cast<std::size_t>(w)] = i;
                    while (asked - answered > 40 && !stop) std::this_thread::yield();
                }
            });
        for (int turn = 1; turn <= 20; ++turn) {
            const auto version =
                std::string("0.") + static_cast<char>('2' + turn / 10) + "." + std::to_string(turn % 10);
            dir.install(version);
            auto done = n.reload();
            ASSERT_TRUE(done) << done.error().text();
            EXPECT_EQ(done->new_version, version);
            const int before = answered;
            while (answered < before + 10) std::this_thread::yield();
            EXPECT_TRUE(turn % 2 || n.old_ones_go());
        }
        stop = true;
        for (auto& w : writers) w.join();
        n.log->flush();
        EXPECT_EQ(answered, asked);
        EXPECT_EQ(refused, 0);
        EXPECT_EQ(n.log->failed(), "");
        EXPECT_TRUE(n.old_ones_go());
        EXPECT_LE(mapped("sigrun.sqlite-g"), 8u) << "the segments of one generation";
        // SQLite cannot close the file while another connection has locks on it; it keeps the descriptor for the next one.
        EXPECT_LE(open_files("sigrun.db"), files + 2);
    }
    swap_node n(dir);
    EXPECT_EQ(n.epoch, epoch + 2) << "given back once and taken once: replacing did neither";
    for (int w = 0; w < k_writers; ++w) {
        const auto last = written[static_cast<std::size_t>(w)];
        const auto name = "w" + std::to_string(w);
        EXPECT_EQ(n.replayed[name], "{\"n\":" + std::to_string(last) + "}") << "an older record came after a newer one";
        for (int i = 1; i <= last; ++i) EXPECT_TRUE(n.replayed.contains(name + "-" + std::to_string(i))) << name << i;
    }
}

TEST(store_swap, a_new_one_that_sees_another_store_is_refused_and_the_old_one_goes_on) {
    swap_folder dir;
    dir.install("0.1.0");
    {
        swap_node n(dir);
        ASSERT_TRUE(n.append("a", "{}"));
        // What stands under the path now is not what the running one has open.
        fs::rename(dir.data(), dir.path / "elsewhere");
        fs::create_directory(dir.data());
        dir.install("0.1.1");
        auto done = n.reload();
        ASSERT_FALSE(done);
        EXPECT_NE(done.error().text().find("never taken"), std::string::npos) << done.error().text();
        EXPECT_EQ(n.info().version, "0.1.0");
        EXPECT_NE(n.info().reason.find("not replaced"), std::string::npos);
        EXPECT_TRUE(n.append("b", "{}"));
        fs::remove_all(dir.data());
        fs::rename(dir.path / "elsewhere", dir.data());
        EXPECT_TRUE(n.append("c", "{}", false));
    }
    swap_node n(dir);
    EXPECT_EQ(n.replayed.size(), 3u);
}

TEST(store_swap, a_store_that_was_fenced_is_not_unfenced_by_a_replacement) {
    swap_folder dir;
    dir.install("0.1.0");
    swap_node first(dir);
    ASSERT_TRUE(first.append("a", "{}"));
    swap_node second(dir);
    dir.install("0.1.1");
    auto done = first.reload();
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().text().find("newer owner"), std::string::npos) << done.error().text();
    EXPECT_FALSE(first.append("b", "{}"));
    EXPECT_TRUE(second.append("c", "{}"));
}

TEST(store_swap, another_instance_may_go_without_a_question) {
    swap_folder dir;
    dir.install("0.1.0");
    swap_node n(dir);
    auto present = n.host->find(SIGRUN_KIND_STORE, "sqlite");
    EXPECT_TRUE(n.log->can_replace(nullptr, present));
    EXPECT_TRUE(n.log->replace(nullptr, nullptr));
    EXPECT_TRUE(n.append("a", "{}"));
}

TEST(store_swap, a_closed_journal_takes_no_new_store) {
    swap_folder dir;
    dir.install("0.1.0");
    swap_node n(dir);
    n.log->close();
    dir.install("0.1.1");
    auto done = n.reload();
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_TRUE(n.old_ones_go());
    EXPECT_FALSE(n.append("a", "{}"));
}
