// What a host loads when a plugin's file may not be loaded: quarantine, damaged files, signatures; and how a version becomes
// one to go back to.
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/plugin_signature.hpp"
#include "plugin_folder.hpp"

#include <sys/stat.h>

#include <future>
#include <thread>

namespace sigrun {
namespace {

using namespace testing;

struct guarded : ::testing::Test {
    plugin_folder folder;
    metrics numbers;
    const ed25519_pair pair = make_ed25519_pair().value();

    plugin_host_options options() const {
        auto o = folder.options();
        o.remember = true;
        o.trust_dir = (folder.plugins().parent_path() / "trust.d").string();
        return o;
    }
    std::unique_ptr<plugin_host> host(plugin_host_options o, const settings& config = {}) {
        auto out = std::make_unique<plugin_host>(std::move(o), config, numbers);
        auto loaded = out->load_all();
        EXPECT_TRUE(loaded) << loaded.error().text();
        return out;
    }
    /// One run that starts and ends cleanly.
    void clean_run() {
        auto h = host(options());
        EXPECT_TRUE(h->start_all());
    }
    plugin_info plain(plugin_host& h) { return *info_of(h.plugins(), "plain"); }
    /// As the handler of fatal signals writes it.
    void crash(const std::string& fixture, int times) {
        fs::create_directories(folder.state());
        std::ofstream out(folder.state() / "crash", std::ios::app);
        static int at = 0;
        const auto sha256 = sha256_hex(content_of(fixture_plugin(fixture)));
        for (int i = 0; i < times; ++i, ++at)
            out << "time=" << at << " up=" << at
                << " boot=b pid=1 signal=11 blame=plugin plugin=test.plain version=2.0.0 sha256=" << sha256
                << " generation=1 how=pc at=x.so+0x1 end\n";
    }
    void sign(const std::string& name, std::string_view bytes, const ed25519_pair& with) {
        folder.write(name + ".so.sig", sign_plugin(bytes, with.private_pem)->text());
    }
    void trust(const ed25519_pair& key, const std::string& lines = "") {
        fs::create_directories(options().trust_dir);
        std::ofstream(options().trust_dir + "/k.pub") << lines << key.public_pem;
    }
};

TEST_F(guarded, three_crashes_put_a_version_aside_and_the_last_good_one_runs_until_it_is_admitted) {
    folder.add("plain");
    clean_run();
    folder.add("plain_v2", "plain");
    crash("plain_v2", 2);
    {
        auto h = host(options());
        EXPECT_EQ(plain(*h).version, "2.0.0") << "two are not enough";
        EXPECT_EQ(plain(*h).crashes, 2u);
    }
    crash("plain_v2", 1);
    {
        auto h = host(options());
        const auto p = plain(*h);
        EXPECT_TRUE(p.active);
        EXPECT_EQ(p.version, "1.0.0");
        EXPECT_TRUE(p.last_good);
        EXPECT_EQ(p.reason,
                  "last good; plain.so 2.0.0 is quarantined: 3 crashes in 10 min, the last one SIGSEGV at x.so+0x1");
        EXPECT_EQ(number_of(*h->find(SIGRUN_KIND_PROBE, "plain")), 1u) << "its code, too";
        EXPECT_EQ(h->crashes()->newly_held().size(), 1u);
        EXPECT_EQ(h->admit("plain").value(), 1u);
        EXPECT_EQ(h->admit("test.plain").value(), 0u);
        EXPECT_EQ(h->admit("test.plian").error().code, errc::not_found);
    }
    auto h = host(options());
    EXPECT_EQ(plain(*h).version, "2.0.0");
    EXPECT_FALSE(plain(*h).last_good);
    EXPECT_EQ(plain(*h).reason, "");
}

TEST_F(guarded, another_version_is_loaded_although_one_is_in_quarantine) {
    folder.add("plain_v2", "plain");
    crash("plain_v2", 3);
    {
        auto h = host(options());
        EXPECT_FALSE(plain(*h).active) << "nothing to go back to";
        EXPECT_NE(plain(*h).reason.find("sigrun plugin admit test.plain"), std::string::npos) << plain(*h).reason;
    }
    folder.add("plain");
    auto h = host(options());
    EXPECT_EQ(plain(*h).version, "1.0.0");
    EXPECT_FALSE(plain(*h).last_good);
    EXPECT_NE(plain(*h).quarantine.find("2.0.0: 3 crashes"), std::string::npos);
}

TEST_F(guarded, a_file_that_was_damaged_while_nothing_ran_is_replaced_by_the_last_good_one) {
    folder.add("plain");
    clean_run();
    const auto whole = content_of(fixture_plugin("plain_v2"));
    for (std::size_t n : {std::size_t{0}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
        folder.write("plain.so", std::string_view(whole).substr(0, n));
        auto h = host(options());
        EXPECT_TRUE(plain(*h).active) << n;
        EXPECT_EQ(plain(*h).version, "1.0.0");
        EXPECT_NE(plain(*h).reason.find("last good; plain.so is refused: "), std::string::npos) << plain(*h).reason;
    }
    for (const char* refuses : {"load_fails", "null_entry", "wrong_major"}) {
        folder.add(refuses, "plain");
        auto h = host(options());
        EXPECT_TRUE(plain(*h).last_good) << refuses;
    }
}

TEST_F(guarded, what_is_kept_is_checked_before_it_is_used) {
    folder.add("plain");
    clean_run();
    const auto kept = folder.state() / "good/test.plain.so";
    struct stat info {};
    ASSERT_EQ(::stat(kept.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0500u);
    fs::permissions(kept, fs::perms::owner_all);
    std::ofstream(kept, std::ios::binary) << content_of(fixture_plugin("plain_v2"));
    folder.write("plain.so", "garbage");
    auto h = host(options());
    EXPECT_FALSE(plain(*h).active);
}

TEST_F(guarded, a_version_is_kept_once_it_has_served_long_enough_and_the_one_before_stays) {
    folder.add("plain");
    clean_run();
    folder.add("plain_v2", "plain");
    clean_run();
    auto version_of = [&](const char* name) { return content_of(folder.state() / "good" / name); };
    EXPECT_NE(version_of("test.plain.json").find("1.0.0"), std::string::npos) << "a short run replaces nothing";
    auto o = options();
    o.proof_time = std::chrono::milliseconds(40);
    auto h = host(o);
    ASSERT_TRUE(h->start_all());
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (version_of("test.plain.json").find("2.0.0") == std::string::npos && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    EXPECT_NE(version_of("test.plain.json").find("2.0.0"), std::string::npos);
    EXPECT_NE(version_of("test.plain~.json").find("1.0.0"), std::string::npos);
    h.reset();
    // It was kept as good and crashed later: then it is none, and the one before is used.
    crash("plain_v2", 3);
    auto after = host(options());
    EXPECT_EQ(plain(*after).version, "1.0.0");
    EXPECT_TRUE(plain(*after).last_good);
}

TEST_F(guarded, a_version_that_crashed_before_is_not_kept) {
    folder.add("plain");
    clean_run();
    folder.add("plain_v2", "plain");
    crash("plain_v2", 1);
    auto o = options();
    o.proof_time = nanoseconds(0);
    {
        auto h = host(o);
        ASSERT_TRUE(h->start_all());
    }
    EXPECT_NE(content_of(folder.state() / "good/test.plain.json").find("1.0.0"), std::string::npos);
}

TEST_F(guarded, without_memory_nothing_is_written) {
    folder.add("plain");
    auto o = options();
    o.remember = false;
    {
        auto h = host(o);
        ASSERT_TRUE(h->start_all());
        EXPECT_FALSE(h->crashes());
    }
    EXPECT_FALSE(fs::exists(folder.state() / "good"));
}

TEST_F(guarded, signatures_are_asked_for_as_the_configuration_says) {
    const auto bytes = content_of(folder.add("plain"));
    auto o = options();
    o.signature = "require";
    EXPECT_NE(plain(*host(o)).reason.find("FILE.sig"), std::string::npos);
    EXPECT_TRUE(plain(*host(o, ini("[plugin plain]\nsignature = off\n"))).active);
    EXPECT_TRUE(plain(*host(o, ini("[plugin test.plain]\nsignature = warn\n"))).active);
    EXPECT_FALSE(
        plain(*host(o, ini("[plugin test.plain]\nsignature = off\n[plugin plain]\nsignature = require\n"))).active)
        << "the stricter word counts";
    sign("plain", bytes, pair);
    EXPECT_FALSE(plain(*host(o)).active) << "nobody trusts this key";
    trust(pair);
    EXPECT_TRUE(plain(*host(o)).active);
    EXPECT_EQ(plain(*host(o)).signed_by, "k.pub");
    EXPECT_EQ(plain(*host(options())).signed_by, "") << "not asked for";
    trust(pair, "plugins: com.vendor.*\n");
    EXPECT_NE(plain(*host(o)).reason.find("may sign (com.vendor.*)"), std::string::npos) << plain(*host(o)).reason;
    trust(pair);
    folder.add("plain_v2", "plain");
    EXPECT_NE(plain(*host(o)).reason.find("one over other bytes"), std::string::npos) << plain(*host(o)).reason;
}

TEST_F(guarded, a_revoked_file_is_never_loaded_and_neither_is_its_kept_copy) {
    const auto bytes = content_of(folder.add("plain"));
    clean_run();
    fs::create_directories(options().trust_dir);
    std::ofstream(options().trust_dir + "/revoked") << sha256_hex(bytes) << " stolen key\n";
    auto h = host(options());
    EXPECT_FALSE(plain(*h).active);
    EXPECT_NE(plain(*h).reason.find("stolen key"), std::string::npos) << plain(*h).reason;
}

TEST_F(guarded, a_replacement_is_held_to_the_same_rules) {
    const auto bytes = content_of(folder.add("plain"));
    trust(pair);
    sign("plain", bytes, pair);
    auto o = options();
    o.signature = "require";
    auto h = host(o);
    h->set_swapper(
        SIGRUN_KIND_PROBE,
        {[](const auto&, const auto&) { return result<void>(); }, [](const auto&, const auto&) { return true; }, {}});
    ASSERT_TRUE(h->start_all());
    auto reload = [&] {
        std::promise<result<reload_report>> answer;
        h->reload("plain", [&](result<reload_report> r) { answer.set_value(std::move(r)); });
        return answer.get_future().get();
    };
    folder.add("plain_v2", "plain");
    auto unsigned_one = reload();
    ASSERT_FALSE(unsigned_one);
    EXPECT_NE(unsigned_one.error().text().find("one over other bytes"), std::string::npos)
        << unsigned_one.error().text();
    sign("plain", content_of(fixture_plugin("plain_v2")), pair);
    auto signed_one = reload();
    ASSERT_TRUE(signed_one) << signed_one.error().text();
    EXPECT_EQ(plain(*h).signed_by, "k.pub");
    // It is on probation now: should it crash, once is enough.
    h.reset();
    crash("plain_v2", 1);
    EXPECT_NE(plain(*host(o)).quarantine.find("in its probation"), std::string::npos);
}

TEST_F(guarded, a_folder_that_everybody_writes_to_stops_the_start) {
    folder.add("plain");
    fs::permissions(folder.plugins(), fs::perms::all);
    plugin_host h(options(), {}, numbers);
    auto loaded = h.load_all();
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().text().find("not writable by everybody"), std::string::npos) << loaded.error().text();
    fs::permissions(folder.plugins(), fs::perms::owner_all);
}

TEST_F(guarded, a_folder_of_a_kind_that_is_a_link_to_elsewhere_is_not_followed) {
    const auto elsewhere = folder.plugins().parent_path() / "elsewhere";
    fs::create_directories(elsewhere);
    fs::copy_file(fixture_plugin("plain"), elsewhere / "plain.so");
    fs::create_directory_symlink(elsewhere, folder.plugins() / "probes");
    auto h = host(options());
    EXPECT_NE(plain(*h).reason.find("leads out of it"), std::string::npos) << plain(*h).reason;
}

}  // namespace
}  // namespace sigrun
