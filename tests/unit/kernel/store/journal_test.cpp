#include "kernel/store/journal.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

using namespace sigrun;

namespace {

struct folder {
    std::string path;
    folder() {
        char name[] = "/tmp/sigrun-journal-XXXXXX";
        if (!mkdtemp(name)) throw std::runtime_error("mkdtemp failed");
        path = name;
    }
    ~folder() { std::filesystem::remove_all(path); }
};

/// A plugin host with nothing but the sqlite store on a file of the folder, and a journal in front of it.
struct node {
    metrics meters;
    std::unique_ptr<plugin_host> host;
    std::unique_ptr<journal> log;
    std::map<std::string, std::string> replayed;  // "kind/key" -> body
    std::uint64_t epoch = 0;

    explicit node(const folder& dir, const std::string& more = {}) {
        auto ini = "[instance sqlite]\ncomponent = sigrun.sqlite:sqlite\npath = " + dir.path + "/sigrun.db\n" + more;
        plugin_host_options options;
        options.plugin_dir = SIGRUN_BUILD_DIR "/plugins";
        options.state_dir = dir.path;
        options.program = "unit_store";
        options.kinds = {SIGRUN_KIND_STORE};
        host = std::make_unique<plugin_host>(options, settings::parse(ini, "test.ini").value(), meters);
        host->load_all().value();
        host->start_all().value();
        log = std::make_unique<journal>(*host, host->find(SIGRUN_KIND_STORE, "sqlite"), meters);
        epoch = log->open([&](record_kind kind, std::string_view key, std::string_view body) {
                       replayed[std::to_string(static_cast<int>(kind)) + "/" + std::string(key)] = body;
                   })
                    .value();
    }
    ~node() {
        log.reset();
        host->shutdown();
    }
    result<void> append(std::vector<journal_record> records, bool fsync = true) {
        std::promise<result<void>> promise;
        log->append(std::move(records), fsync, [&](result<void> r) { promise.set_value(std::move(r)); });
        auto answer = promise.get_future();
        if (answer.wait_for(std::chrono::seconds(20)) != std::future_status::ready)
            throw std::runtime_error("the journal gave no answer");
        return answer.get();
    }
};

using records = std::map<std::string, std::string>;

}  // namespace

TEST(journal, what_was_stored_is_replayed_with_a_higher_epoch) {
    folder dir;
    std::uint64_t first = 0;
    {
        node n(dir);
        first = n.epoch;
        EXPECT_TRUE(n.replayed.empty());
        EXPECT_TRUE(n.append({{record_kind::job, "a", "{\"n\":1}"}, {record_kind::runner, "a", "{}"}}).has_value());
        EXPECT_TRUE(n.append({{record_kind::job, "a", "{\"n\":2}"}}, false).has_value());
        EXPECT_TRUE(n.append({{record_kind::runner, "a", "", SIGRUN_RECORD_DELETE}}).has_value());
    }
    node n(dir);
    EXPECT_GT(n.epoch, first);
    EXPECT_EQ(n.replayed, (records{{"1/a", "{\"n\":2}"}}));
}

TEST(journal, ten_thousand_records_are_replayed_over_several_pages) {
    folder dir;
    records expected;
    {
        node n(dir);
        for (int i = 0; i < 12'000; ++i) {
            auto key = std::to_string(i);
            expected["1/" + key] = "{\"n\":" + key + "}";
            n.log->append({{record_kind::job, key, "{\"n\":" + key + "}"}}, false, {});
        }
        n.log->flush();
        EXPECT_EQ(n.log->failed(), "");
        EXPECT_NE(n.meters.text().find("sigrun_journal_records_total 12000"), std::string::npos);
    }
    EXPECT_EQ(node(dir).replayed, expected);
}

TEST(journal, insert_of_a_known_key_is_a_conflict_and_its_neighbours_are_stored) {
    folder dir;
    node n(dir);
    ASSERT_TRUE(n.append({{record_kind::idempotency, "k", "{}", SIGRUN_RECORD_INSERT}}).has_value());
    std::vector<std::promise<result<void>>> answers(5);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        bool repeats = i == 2;
        n.log->append({{record_kind::idempotency, repeats ? "k" : "k" + std::to_string(i), "{}", SIGRUN_RECORD_INSERT}},
                      true, [&, i](result<void> r) { answers[i].set_value(std::move(r)); });
    }
    for (std::size_t i = 0; i < answers.size(); ++i) {
        auto r = answers[i].get_future().get();
        if (i == 2) {
            ASSERT_FALSE(r.has_value());
            EXPECT_EQ(r.error().code, errc::conflict);
        } else {
            EXPECT_TRUE(r.has_value()) << r.error().text();
        }
    }
}

TEST(journal, second_owner_fences_the_first) {
    folder dir;
    node first(dir);
    ASSERT_TRUE(first.append({{record_kind::job, "a", "{}"}}).has_value());
    node second(dir);
    EXPECT_EQ(second.replayed.size(), 1u);
    auto refused = first.append({{record_kind::job, "b", "{}"}});
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(first.log->failed().find("newer owner"), std::string::npos) << first.log->failed();
    EXPECT_TRUE(second.append({{record_kind::job, "c", "{}"}}).has_value());
}

TEST(journal, full_store_is_reported_and_heals) {
    folder dir;
    node n(dir, "max_size = 1MiB\n");
    int stored = 0;
    while (stored < 100 && n.append({{record_kind::job, std::to_string(stored), std::string(50'000, 'x')}})) ++stored;
    ASSERT_LT(stored, 100);
    EXPECT_NE(n.log->failed().find("full"), std::string::npos) << n.log->failed();
    std::vector<journal_record> gone;
    for (int i = 0; i < stored; ++i) gone.push_back({record_kind::job, std::to_string(i), "", SIGRUN_RECORD_DELETE});
    EXPECT_TRUE(n.append(gone).has_value());
    EXPECT_EQ(n.log->failed(), "");
    EXPECT_TRUE(n.append({{record_kind::job, "after", std::string(50'000, 'x')}}).has_value());
}

TEST(journal, without_a_store_everything_is_answered_and_nothing_survives) {
    folder dir;
    node n(dir);
    journal nowhere(*n.host, nullptr, n.meters);
    EXPECT_EQ(nowhere.open([](record_kind, std::string_view, std::string_view) { FAIL(); }).value(), 0u);
    std::promise<result<void>> answer;
    nowhere.append({{record_kind::job, "a", "{}"}}, true, [&](result<void> r) { answer.set_value(std::move(r)); });
    EXPECT_TRUE(answer.get_future().get().has_value());
    nowhere.flush();
    EXPECT_EQ(nowhere.failed(), "");
}

TEST(journal, append_after_close_is_answered_as_cancelled) {
    folder dir;
    node n(dir);
    n.log->close();
    auto refused = n.append({{record_kind::job, "a", "{}"}});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, errc::cancelled);
}

TEST(journal, space_of_deleted_records_is_given_back) {
    folder dir;
    node n(dir);
    const auto size = [&] { return std::filesystem::file_size(dir.path + "/sigrun.db"); };
    const auto wait_for = [](const std::function<bool()>& what) {
        for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
             !what() && std::chrono::steady_clock::now() < end;)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return what();
    };
    std::vector<journal_record> some, gone;
    for (int i = 0; i < 40; ++i) {
        some.push_back({record_kind::job, std::to_string(i), std::string(50'000, 'x'), 0});
        gone.push_back({record_kind::job, std::to_string(i), {}, SIGRUN_RECORD_DELETE});
    }
    ASSERT_TRUE(n.append(some));
    n.log->compact();
    ASSERT_TRUE(wait_for([&] { return size() > 2'000'000; }));
    ASSERT_TRUE(n.append(gone));
    n.log->compact();
    EXPECT_TRUE(wait_for([&] { return size() < 500'000; })) << size();
}
