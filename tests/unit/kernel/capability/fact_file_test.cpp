#include "kernel/capability/fact_file.hpp"

#include "kernel/capability/fact_keeper.hpp"
#include "tests/unit/kernel/capability/detector_rig.hpp"

#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <thread>

namespace sigrun {
namespace {

using namespace std::chrono_literals;

fact made(const std::string& key, fact_volatility volatility, fact_status status = fact_status::ok) {
    fact f;
    f.key = key;
    f.volatility = volatility;
    f.status = status;
    if (status == fact_status::ok || status == fact_status::stale) f.value = 1;
    f.method = "read";
    f.source = "test";
    f.observed_ns = 1'767'225'600'123'000'000;
    return f;
}
std::vector<fact> one_of_each() {
    using enum fact_volatility;
    return {made("a.static", fixed),
            made("a.boot", boot),
            made("a.slow", slow),
            made("a.fast", fast),
            made("a.none", boot, fact_status::denied),
            made("a.late", boot, fact_status::timeout)};
}
std::vector<std::string> keys_of(const std::vector<fact>& facts) {
    std::vector<std::string> keys;
    for (const auto& f : facts) keys.push_back(f.key);
    return keys;
}
std::string text_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

TEST(fact_file, reads_what_it_has_written) {
    const kept_facts all{"boot-1", {{"memory", "abc", one_of_each()}, {"cpu", "def", {}}}};
    const auto back = kept_facts_from(to_text(all));
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->boot_id, "boot-1");
    ASSERT_EQ(back->answers.size(), 2u);
    EXPECT_EQ(back->answers[0].code, "abc");
    EXPECT_EQ(keys_of(back->answers[0].facts), keys_of(one_of_each()));
    EXPECT_EQ(back->answers[0].facts[0].observed_ns, one_of_each()[0].observed_ns);
}

TEST(fact_file, a_byte_that_is_another_or_missing_is_noticed_wherever_it_is) {
    const auto good = to_text({"boot-1", {{"memory", "abc", {made("a.b", fact_volatility::boot)}}}});
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 1);
        EXPECT_FALSE(kept_facts_from(bad)) << i;
        EXPECT_FALSE(kept_facts_from(std::string_view(good).substr(0, i))) << i;
    }
    EXPECT_FALSE(kept_facts_from(good + "x"));
    auto later = good;
    later.replace(later.find("/1"), 2, "/2");
    EXPECT_EQ(kept_facts_from(later).error().field, "format");
}

TEST(fact_file, only_what_never_changes_outlives_the_boot) {
    EXPECT_EQ(keys_of(worth_keeping(one_of_each(), true)),
              (std::vector<std::string>{"a.static", "a.boot", "a.slow", "a.none"}));
    EXPECT_EQ(keys_of(worth_keeping(one_of_each(), false)), (std::vector<std::string>{"a.static"}));
}

class fact_keeper_of : public ::testing::Test {
protected:
    std::string file() const { return folder_.path() + "/facts.cache"; }
    scratch_folder folder_;
};

TEST_F(fact_keeper_of, gives_back_what_was_kept_once_and_to_the_same_code_only) {
    EXPECT_TRUE(fact_keeper(file(), "boot-1").keep({{"memory", "abc", one_of_each()}, {"cpu", "def", one_of_each()}}));
    fact_keeper same(file(), "boot-1");
    EXPECT_FALSE(same.take("memory", "other"));
    ASSERT_TRUE(same.take("cpu", "def"));
    EXPECT_FALSE(same.take("cpu", "def"));
    fact_keeper later(file(), "boot-2");
    EXPECT_EQ(keys_of(later.take("memory", "abc").value()), std::vector<std::string>{"a.static"});
    EXPECT_TRUE(fact_keeper(file(), "boot-1").keep({{"silent", "abc", {}}}));
    const auto silent = fact_keeper(file(), "boot-1").take("silent", "abc");
    EXPECT_TRUE(silent && silent->empty()) << "it had nothing to say";
    EXPECT_FALSE(fact_keeper(file(), "boot-2").take("silent", "abc"));
    EXPECT_TRUE(fact_keeper(file(), "boot-1").keep({{"memory", "abc", one_of_each()}}));
    fact_keeper nobody_knows(file(), "");
    EXPECT_EQ(keys_of(nobody_knows.take("memory", "abc").value()), std::vector<std::string>{"a.static"});
}

TEST_F(fact_keeper_of, a_damaged_file_is_as_good_as_none_and_is_replaced) {
    std::ofstream(file()) << "sigrun-facts/9 future";
    fact_keeper keeper(file(), "boot-1");
    EXPECT_FALSE(keeper.take("memory", "abc"));
    EXPECT_TRUE(keeper.keep({{"memory", "abc", one_of_each()}}));
    EXPECT_TRUE(fact_keeper(file(), "boot-1").take("memory", "abc"));
}

TEST_F(fact_keeper_of, a_disk_that_takes_no_more_keeps_the_file_of_before) {
    fact_keeper keeper(file(), "boot-1");
    ASSERT_TRUE(keeper.keep({{"memory", "abc", {made("a.static", fact_volatility::fixed)}}}));
    const auto before = text_of(file());
    std::vector<fact> many;
    for (int i = 0; i < 1000; ++i) many.push_back(made("a.f" + std::to_string(i), fact_volatility::boot));
    // As with a full disk, a write fails after a part of it.
    rlimit old{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit small{4096, old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const bool first = keeper.keep({{"memory", "abc", many}}), second = keeper.keep({{"memory", "abc", many}});
    ::setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, handler);
    EXPECT_FALSE(first);
    EXPECT_FALSE(second);
    EXPECT_EQ(text_of(file()), before);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "nothing half is left";
    EXPECT_TRUE(keeper.keep({{"memory", "abc", many}})) << "and it goes on when there is room again";
}

// The detector with a file: what one program found out is known to the next.
class kept_detector : public fact_keeper_of {
protected:
    std::string probes(const std::string& mode) const {
        return unruly("a", mode + "facts = [" + fact_text("custom.size", "1", R"(,"volatility":"static")") + "," +
                               fact_text("custom.load", "2", R"(,"volatility":"fast")") + "]");
    }
    void keep_once() {
        detector_rig rig({k_unruly}, probes(""));
        rig.subject().keep_in(file());
        rig.detect();
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (!std::filesystem::exists(file()) && std::chrono::steady_clock::now() < deadline)
            std::this_thread::yield();
        ASSERT_TRUE(std::filesystem::exists(file()));
    }
};

TEST_F(kept_detector, starts_with_what_was_known_as_stale_and_confirms_it) {
    keep_once();
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly}, probes("mode = hang\ngate = " + gate + "\n"));
    rig.add_gate(gate);
    rig.subject().keep_in(file());
    std::promise<void> told;
    rig.subject().set_observer([&] { told.set_value(); });
    detect_options at_once;
    at_once.stale_will_do = true;
    const auto facts = rig.detect(at_once);  // although its probe hangs
    ASSERT_NE(facts->find("custom.size"), nullptr);
    EXPECT_EQ(facts->find("custom.size")->status, fact_status::stale);
    EXPECT_EQ(facts->find("custom.load"), nullptr) << "what changes all the time is not kept";
    auto current = rig.ask();
    rig.open_gates();
    EXPECT_EQ(detector_rig::wait(std::move(current))->find("custom.size")->status, fact_status::ok);
    EXPECT_EQ(told.get_future().wait_for(60s), std::future_status::ready);
    EXPECT_EQ(rig.subject().stats().runs, 1u);
}

TEST_F(kept_detector, waits_like_any_other_where_the_file_is_of_no_use) {
    std::ofstream(file()) << "damaged";
    detector_rig rig({k_unruly}, probes(""));
    rig.subject().keep_in(file());
    detect_options at_once;
    at_once.stale_will_do = true;
    EXPECT_EQ(rig.detect(at_once)->find("custom.size")->status, fact_status::ok);
}

}  // namespace
}  // namespace sigrun
