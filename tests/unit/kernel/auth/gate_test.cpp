#include "kernel/auth/gate.hpp"

#include "kernel/guard/ed25519.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace sigrun {
namespace {

constexpr std::uint64_t k_unix = 1, k_loopback = 2, k_far = 3, k_cert = 4;

struct gate_with_callers : ::testing::Test {
    gate_with_callers() {
        std::string made = (std::filesystem::temp_directory_path() / "sigrun-gate-XXXXXX").string();
        folder = ::mkdtemp(made.data());
        EXPECT_TRUE(store.open(folder + "/tokens.json"));
        options.required = true;
        sut.set_options(options);
        sut.opened(k_unix, {true, false, 1000, ""});
        sut.opened(k_loopback, {false, true, 0, ""});
        sut.opened(k_far, {});
        sut.opened(k_cert, {false, false, 0, "build-7"});
    }
    ~gate_with_callers() override { std::filesystem::remove_all(folder); }
    std::string token(role grants, const std::string& runners = "*") {
        token_request r;
        r.name = "t";
        r.grants = grants;
        r.runners = runners;
        return "bearer " + store.create(r)->text;
    }
    std::string join_token() {
        token_request r;
        r.join = true;
        r.name = "join";
        r.life = std::chrono::hours(1);
        return "bearer " + store.create(r)->text;
    }
    errc outcome(std::uint64_t session, const std::string& auth, const char* method) {
        const auto r = sut.check(sut.identify(session, auth), method);
        return r ? errc::busy : r.error().code;  // busy: stands for good
    }
    static constexpr errc good = errc::busy;
    errc admitted(std::uint64_t session, const std::string& auth, const std::string& name,
                  const std::string& key = "k") {
        const auto r = sut.admit_runner(session, sut.identify(session, auth), auth, name, sha256_hex(key), {});
        return r ? good : r.error().code;
    }

    std::string folder;
    metrics numbers;
    token_store store{clock::system()};
    gate sut{store, numbers};
    gate_options options;
};

TEST_F(gate_with_callers, what_a_connection_showed_before_holds_until_the_token_goes_or_expires) {
    manual_clock time;
    token_store short_lived{time};
    ASSERT_TRUE(short_lived.open(folder + "/others.json"));
    gate watched{short_lived, numbers};
    watched.set_options(options);
    watched.opened(k_far, {});
    token_request r;
    r.name = "t";
    r.grants = role::submitter;
    const auto kept = short_lived.create(r).value();
    r.life = std::chrono::hours(1);
    const auto ending = short_lived.create(r).value();
    auto name = [&](const std::string& text) { return watched.identify(k_far, "bearer " + text).kind; };
    constexpr auto yes = caller::kind_t::token, no = caller::kind_t::anonymous;
    EXPECT_EQ(name(kept.text), yes);
    EXPECT_EQ(name(kept.text), yes);
    EXPECT_EQ(name(kept.text.substr(0, kept.text.size() - 1) + "0x"), no) << "another text of the same token";
    EXPECT_EQ(name(ending.text), yes);
    EXPECT_EQ(name(ending.text), yes);
    time.advance(std::chrono::hours(2));
    EXPECT_EQ(name(ending.text), no);
    EXPECT_EQ(name(kept.text), yes);
    ASSERT_TRUE(short_lived.remove(kept.record.id));
    EXPECT_EQ(name(kept.text), no);
    watched.closed(k_far);
    EXPECT_EQ(name(kept.text), no);
}

TEST_F(gate_with_callers, this_machine_may_do_everything_unless_loopback_is_not_trusted) {
    for (auto method : {"jobs.submit", "config.rollback", "tokens.create", "a.method.of.the.future"}) {
        EXPECT_EQ(outcome(k_unix, "uid 1000", method), good) << method;
        EXPECT_EQ(outcome(k_loopback, "", method), good) << method;
    }
    EXPECT_EQ(sut.identify(k_unix, "").name, "uid 1000");
    options.trust_loopback = false;
    sut.set_options(options);
    EXPECT_EQ(outcome(k_loopback, "", "jobs.list"), errc::unauthenticated);
    EXPECT_EQ(outcome(k_unix, "", "jobs.list"), good);
}

TEST_F(gate_with_callers, strangers_get_nothing_but_whether_the_daemon_lives) {
    for (auto method : {"jobs.submit", "jobs.list", "config.show", "tokens.list", "version.get", "no.such.method", ""})
        EXPECT_EQ(outcome(k_far, "", method), errc::unauthenticated) << method;
    EXPECT_EQ(outcome(k_far, "", "health.live"), good);
    EXPECT_EQ(outcome(k_far, "bearer nonsense", "jobs.list"), errc::unauthenticated);
    EXPECT_EQ(outcome(k_far, "uid 0", "jobs.list"), errc::unauthenticated) << "a peer cannot claim a uid";
    EXPECT_EQ(outcome(99, "", "jobs.list"), errc::unauthenticated) << "a session nobody knows";
    EXPECT_EQ(outcome(k_far, join_token(), "jobs.list"), errc::unauthenticated) << "a join token is for joining";
    sut.closed(k_unix);
    EXPECT_EQ(outcome(k_unix, "", "jobs.list"), errc::unauthenticated);
}

TEST_F(gate_with_callers, each_role_has_its_methods) {
    const std::map<std::string, std::string> who{{"reader", token(role::reader)},
                                                 {"submitter", token(role::submitter)},
                                                 {"runner", token(role::runner)},
                                                 {"operator", token(role::fleet_operator)},
                                                 {"admin", token(role::admin)}};
    const std::map<std::string, std::vector<std::string>> may{
        {"jobs.list", {"reader", "submitter", "operator", "admin"}},
        {"events.watch", {"reader", "submitter", "operator", "admin"}},
        {"jobs.submit", {"submitter", "operator", "admin"}},
        {"jobs.cancel", {"submitter", "operator", "admin"}},
        {"jobs.retry", {"submitter", "operator", "admin"}},
        {"runners.drain", {"operator", "admin"}},
        {"plugins.reload", {"admin"}},
        {"config.show", {"admin"}},
        {"tokens.create", {"admin"}},
        {"tokens.list", {"admin"}},
        {"runners.remove", {"operator", "admin"}},
        {"probe.run", {"operator", "admin"}},
        {"tokens.rotate", {"admin"}},
        {"store.backup", {"admin"}},
        {"path.measure", {"runner", "admin"}}};
    for (const auto& [method, roles] : may)
        for (const auto& [name, auth] : who) {
            const bool allowed = std::find(roles.begin(), roles.end(), name) != roles.end();
            EXPECT_EQ(outcome(k_far, auth, method.c_str()), allowed ? good : errc::forbidden) << name << " " << method;
        }
}

TEST_F(gate_with_callers, a_certificate_is_the_runner_of_its_name_or_what_the_operator_says) {
    EXPECT_EQ(outcome(k_cert, "", "jobs.list"), errc::forbidden);
    EXPECT_EQ(admitted(k_cert, "", "build-7"), good);
    EXPECT_EQ(admitted(k_cert, "", "build-8"), errc::forbidden);
    options.certificates = {{"build-7", role::admin}};
    sut.set_options(options);
    EXPECT_EQ(outcome(k_cert, "", "config.show"), good);
    EXPECT_EQ(admitted(k_cert, "", "build-8"), good);
    options.certificates = {{"build-7", role::reader}};
    sut.set_options(options);
    EXPECT_EQ(outcome(k_cert, "", "jobs.list"), good);
    EXPECT_EQ(admitted(k_cert, "", "build-7"), errc::forbidden) << "it may look, and is no runner any more";
}

TEST_F(gate_with_callers, a_runner_joins_once_and_proves_itself_by_its_key_afterwards) {
    EXPECT_EQ(admitted(k_far, "", "build-7"), errc::unauthenticated);
    EXPECT_EQ(outcome(k_far, "", "path.measure"), errc::unauthenticated);
    const auto join = join_token();
    EXPECT_EQ(admitted(k_far, join, "build-7"), good);
    EXPECT_EQ(outcome(k_far, "", "path.measure"), good) << "the connection is a known runner's from now on";
    EXPECT_EQ(outcome(k_far, "", "jobs.list"), errc::unauthenticated);
    EXPECT_EQ(admitted(k_far, "", "build-7"), good);
    EXPECT_EQ(admitted(k_far, join, "build-7"), good) << "a token that was used up does no harm";
    EXPECT_EQ(admitted(k_far, join, "build-8"), errc::unauthenticated);
    EXPECT_EQ(admitted(k_far, "", "build-7", "another key"), errc::unauthenticated);
    EXPECT_EQ(admitted(k_far, token(role::runner, "build-*"), "build-9"), good);
    EXPECT_EQ(admitted(k_far, token(role::runner, "build-*"), "gpu-1"), errc::forbidden);
    EXPECT_EQ(admitted(k_far, token(role::submitter), "build-9"), errc::forbidden);
    EXPECT_EQ(admitted(k_loopback, "", "any"), good);
}

TEST_F(gate_with_callers, refusals_are_counted_and_show_no_secret) {
    const auto r = sut.check(sut.identify(k_far, "bearer sgt_secret"), "jobs.list");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().to_json().find("sgt_secret"), std::string::npos);
    EXPECT_NE(numbers.text().find("sigrun_auth_refusals_total{reason=\"unauthenticated\"} 1"), std::string::npos)
        << numbers.text();
}

TEST(glob, stars_match_any_number_of_characters) {
    EXPECT_TRUE(matches_glob("*", ""));
    EXPECT_TRUE(matches_glob("build-*", "build-7"));
    EXPECT_TRUE(matches_glob("*-gpu-*", "a-b-gpu-c"));
    EXPECT_TRUE(matches_glob("a*b*c", "aXbXbc"));
    EXPECT_FALSE(matches_glob("build-*", "xbuild-7"));
    EXPECT_FALSE(matches_glob("build", "build-7"));
    EXPECT_FALSE(matches_glob("", "x"));
    EXPECT_FALSE(matches_glob(std::string(100, '*') + "x", std::string(1000, 'a')));
}

}  // namespace
}  // namespace sigrun
