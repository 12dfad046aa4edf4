// Replacing a plugin in a running host: the new one takes over, the old one goes when nobody holds it, and whatever is
// wrong with the new file changes nothing.
#include "running_host.hpp"

namespace sigrun {
namespace {

using namespace testing;

TEST(replacement, the_new_file_takes_over_and_the_old_code_is_unmapped) {
    running_host r;
    const auto before = r.info();
    EXPECT_EQ(r.number(), 1u);
    const std::string old_code = "test.plain-g" + std::to_string(before.generation) + "-";
    EXPECT_GT(r.mapped(old_code), 0u);
    r.folder.add("plain_v2", "plain");
    auto done = r.reload();
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_TRUE(done->changed);
    EXPECT_EQ(done->old_version, "1.0.0");
    EXPECT_EQ(done->new_version, "2.0.0");
    EXPECT_GT(done->new_generation, before.generation);
    EXPECT_EQ(r.swaps, 1);
    EXPECT_EQ(r.number(), 2u);
    EXPECT_EQ(r.info().version, "2.0.0");
    EXPECT_TRUE(r.wait_until_old_is_gone());
    EXPECT_TRUE(
        r.wait_until([&] { return r.mapped(old_code) == 0; }));  // let go of a moment after it is shown no longer
}

TEST(replacement, the_same_bytes_are_no_change) {
    running_host r;
    auto done = r.reload("test.plain");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_FALSE(done->changed);
    EXPECT_EQ(r.swaps, 0);
}

TEST(replacement, who_holds_the_old_one_keeps_it_alive_and_is_shown) {
    running_host r;
    auto held = r.host->find(SIGRUN_KIND_PROBE, "plain");
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.reload());
    EXPECT_EQ(held->table<sigrun_probe>(SIGRUN_KIND_PROBE)->soft_ms, 1u);
    ASSERT_EQ(r.info().retiring.size(), 1u);
    EXPECT_EQ(r.info().retiring[0].version, "1.0.0");
    EXPECT_EQ(r.info().retiring[0].held_by, "1 link or call");
    EXPECT_EQ(r.info().retiring[0].state, plugin_state::draining);
    EXPECT_EQ(r.info().retiring[0].holds, std::vector<std::string>{"instance plain: 1 link or call"});
    held.reset();
    EXPECT_TRUE(r.wait_until_old_is_gone());
}

TEST(replacement, an_operation_that_is_open_keeps_the_old_one_alive) {
    running_host r;
    sigrun_op op = r.host->ops().mint(r.info().generation, [](const result<buffer_ref>&) {});
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.reload());
    ASSERT_EQ(r.info().retiring.size(), 1u);
    EXPECT_EQ(r.info().retiring[0].holds, std::vector<std::string>{"1 open operation"});
    r.host->ops().complete(op, SIGRUN_OK, nullptr);
    EXPECT_TRUE(r.wait_until_old_is_gone());
}

TEST(replacement, a_hundred_replacements_leave_nothing_behind) {
    running_host r({.with_trial = false});
    for (int i = 0; i < 100; ++i) {
        r.folder.add(i % 2 ? "plain" : "plain_v2", "plain");
        auto done = r.reload();
        ASSERT_TRUE(done) << done.error().text();
        EXPECT_EQ(r.number(), i % 2 ? 1u : 2u);
    }
    EXPECT_TRUE(r.wait_until_old_is_gone());
    EXPECT_LE(r.mapped("test.plain-g"), 8u) << "the segments of one generation";
}

struct refusal {
    const char* fixture;
    const char* reason;
};
void PrintTo(const refusal& c, std::ostream* out) { *out << c.fixture; }
class refused : public ::testing::TestWithParam<refusal> {};

TEST_P(refused, the_old_one_goes_on) {
    running_host r;
    r.folder.add(GetParam().fixture, "plain");
    auto done = r.reload();
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().text().find(GetParam().reason), std::string::npos) << done.error().text();
    EXPECT_EQ(r.number(), 1u);
    EXPECT_EQ(r.swaps, 0);
    EXPECT_TRUE(r.info().active);
    EXPECT_EQ(r.info().version, "1.0.0");
    EXPECT_NE(r.info().reason.find("not replaced: "), std::string::npos);
    // And a good one is taken afterwards.
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.reload());
    EXPECT_EQ(r.number(), 2u);
    EXPECT_EQ(r.info().reason, "");
}

INSTANTIATE_TEST_SUITE_P(each, refused,
                         ::testing::Values(refusal{"other", "id: expected test.plain, found test.other"},
                                           refusal{"no_note", "a Sigrun plugin's note"},
                                           refusal{"wrong_major", "ABI major of the note"},
                                           refusal{"load_fails", "licence: expected a key, found none"},
                                           refusal{"create_fails", "threads: expected fewer, found too many"},
                                           refusal{"start_fails", "cannot start"},
                                           refusal{"crashes", "it crashed in its trial: Aborted"},
                                           refusal{"exits", "it ended its trial by itself, with exit code 0"}),
                         [](const auto& i) { return std::string(i.param.fixture); });

TEST(replacement, one_that_fails_leaves_the_probation_before_it_as_it_was) {
    running_host r({.probation = std::chrono::hours(1), .with_trial = false});
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.reload());
    ASSERT_EQ(r.info().state, plugin_state::probation);
    for (const char* bad : {"create_fails", "start_fails"}) {
        r.folder.add(bad, "plain");
        EXPECT_FALSE(r.reload()) << bad;
        EXPECT_EQ(r.info().state, plugin_state::probation) << bad;
        ASSERT_EQ(r.info().retiring.size(), 1u) << bad;
        EXPECT_EQ(r.info().retiring.front().state, plugin_state::warm) << bad;
        EXPECT_EQ(r.settled, 0) << bad;
    }
    r.folder.add("plain", "plain");
    ASSERT_TRUE(r.reload());
    EXPECT_EQ(r.settled, 1) << "of the first replacement, when the second one took over";
}

TEST(replacement, what_throws_is_refused_and_the_next_one_has_its_turn) {
    running_host r({.with_trial = false});
    bool throws = true;
    r.host->set_swapper(SIGRUN_KIND_PROBE, swapper{[&](const auto&, const auto&) -> result<void> {
                                                       if (throws) throw std::runtime_error("nobody expected this");
                                                       return {};
                                                   },
                                                   [](const auto&, const auto&) { return true; }});
    r.folder.add("plain_v2", "plain");
    auto done = r.reload();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::internal);
    EXPECT_NE(done.error().text().find("nobody expected this"), std::string::npos) << done.error().text();
    EXPECT_EQ(r.number(), 1u);
    throws = false;
    ASSERT_TRUE(r.reload());
    EXPECT_EQ(r.number(), 2u);
}

TEST(replacement, no_more_wait_than_there_is_room_for) {
    running_host r({.trial_time = std::chrono::seconds(10)});
    r.folder.add("hangs", "plain");
    std::atomic<int> busy{0}, stopping{0};
    auto count = [&](const result<reload_report>& got) {
        if (!got && got.error().code == errc::unavailable) ++stopping;
        if (!got && got.error().code == errc::busy && got.error().retry_after_ms) ++busy;
    };
    for (int i = 0; i < 200; ++i) r.host->reload("plain", count);
    EXPECT_TRUE(running_host::wait_until([&] { return busy == 200 - 64 - 1; })) << busy;
    // One is in its trial, which does not keep the end waiting.
    const auto before = std::chrono::steady_clock::now();
    r.host->shutdown();
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20)) << "half of what the trial may take";
    EXPECT_EQ(stopping, 64 + 1);
}

TEST(replacement, a_half_copied_file_changes_nothing) {
    running_host r;
    const auto whole = content_of(fixture_plugin("plain_v2"));
    for (std::size_t n = 0; n < whole.size(); n += whole.size() / 16 + 1) {
        r.folder.write("plain.so", std::string_view(whole).substr(0, n));
        EXPECT_FALSE(r.reload()) << n;
    }
    EXPECT_EQ(r.number(), 1u);
    r.folder.write("plain.so", whole);
    EXPECT_TRUE(r.reload());
}

TEST(replacement, unknown_names_and_kinds_that_cannot_be_swapped_are_refused) {
    running_host r;
    auto unknown = r.reload("test.plian");
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().text().find("expected \"test.plain\""), std::string::npos) << unknown.error().text();
    plugin_folder folder;
    folder.add("plain");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    folder.add("plain_v2", "plain");
    std::promise<result<reload_report>> answer;
    host.reload("plain", [&](result<reload_report> got) { answer.set_value(std::move(got)); });
    auto got = answer.get_future().get();
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().text().find("restart"), std::string::npos) << got.error().text();
}

}  // namespace
}  // namespace sigrun
