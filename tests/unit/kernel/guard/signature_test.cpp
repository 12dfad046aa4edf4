// Signatures of plugin files: what is accepted, and each way not to be.
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/trust_store.hpp"
#include "scratch.hpp"

#include <sigrun/cpp/text.hpp>

#include <filesystem>

namespace sigrun {
namespace {

using testing::scratch;

constexpr std::int64_t k_day_ns = 86'400'000'000'000;
constexpr std::int64_t k_now = 1'767'225'600'000'000'000 + 12 * 3'600'000'000'000;  // noon of 2026-01-01

struct signatures : ::testing::Test {
    scratch dir;
    const ed25519_pair pair = make_ed25519_pair().value();
    const std::string plugin = "the bytes of a plugin";

    void trust(const std::string& lines = "", const std::string& name = "release.pub") {
        dir.write(name, lines + pair.public_pem);
    }
    std::string signature() const { return sign_plugin(plugin, pair.private_pem).value().text(); }
    result<std::string> check(const std::string& bytes, const std::string& text, const std::string& id = "com.vendor.x",
                              std::int64_t now = k_now) const {
        return trust_store::read(dir.path()).value().check(bytes, text, id, now);
    }
    void refused(const result<std::string>& r, const std::string& why) {
        ASSERT_FALSE(r);
        EXPECT_NE(r.error().text().find(why), std::string::npos) << r.error().text();
    }
};

TEST_F(signatures, a_right_one_names_its_key) {
    trust();
    auto by = check(plugin, signature());
    ASSERT_TRUE(by) << by.error().text();
    EXPECT_EQ(*by, "release.pub");
}

TEST_F(signatures, one_changed_byte_is_noticed_wherever_it_is) {
    trust();
    const auto text = signature();
    for (std::size_t i = 0; i < plugin.size(); ++i) {
        auto tampered = plugin;
        tampered[i] ^= 1;
        refused(check(tampered, text), "one over other bytes");
    }
    refused(check(plugin + "x", text), "one over other bytes");
    auto parsed = parse_plugin_signature(text).value();
    for (std::size_t i = 0; i < parsed.bytes.size(); ++i) {
        auto broken = parsed;
        broken.bytes[i] ^= 1;
        EXPECT_FALSE(check(plugin, broken.text())) << i;
    }
}

TEST_F(signatures, a_missing_one_says_where_it_belongs) {
    trust();
    refused(check(plugin, ""), "FILE.sig");
}

TEST_F(signatures, one_by_a_key_nobody_trusts_is_refused_even_if_it_claims_another) {
    trust();
    const auto stranger = make_ed25519_pair().value();
    auto forged = sign_plugin(plugin, stranger.private_pem).value();
    refused(check(plugin, forged.text()), "signature's key");
    forged.key_id = ed25519_key_id(pair.public_pem).value();
    refused(check(plugin, forged.text()), "another key");
}

TEST_F(signatures, a_signature_made_for_something_else_is_worth_nothing) {
    trust();
    plugin_signature other{ed25519_key_id(pair.public_pem).value(),
                           ed25519_sign(pair.private_pem, sha256_raw(plugin)).value()};
    refused(check(plugin, other.text()), "one over other bytes");
}

TEST_F(signatures, a_key_expires_at_the_end_of_its_day) {
    trust("expires: 2026-01-01\n");
    EXPECT_TRUE(check(plugin, signature()));
    refused(check(plugin, signature(), "com.vendor.x", k_now + k_day_ns), "expired after 2026-01-01");
}

TEST_F(signatures, a_key_signs_only_the_ids_it_is_good_for) {
    trust("# ours\nplugins: com.vendor.*, org.one\n");
    EXPECT_TRUE(check(plugin, signature()));
    EXPECT_TRUE(check(plugin, signature(), "org.one"));
    refused(check(plugin, signature(), "org.one.more"), "may sign (com.vendor.*, org.one)");
    refused(check(plugin, signature(), "com.vendorx.y"), "plugin id");
}

TEST_F(signatures, a_key_file_that_says_something_unknown_counts_for_nothing) {
    trust("expires: tomorrow\n");
    refused(check(plugin, signature()), "which has none");
    EXPECT_NE(parse_trusted_key("scope: all\n" + pair.public_pem, "k.pub").error().text().find("k.pub:1"),
              std::string::npos);
    EXPECT_FALSE(parse_trusted_key("no key", "k.pub"));
    EXPECT_FALSE(parse_trusted_key(pair.private_pem, "k.pub"));
}

TEST_F(signatures, what_stands_after_a_key_is_not_passed_over) {
    EXPECT_TRUE(parse_trusted_key(pair.public_pem + " \n\r\n", "k.pub"));
    for (const std::string& after :
         {std::string("plugins: sigrun.*\n"), std::string("# a comment\n"), pair.public_pem}) {
        auto key = parse_trusted_key(pair.public_pem + after, "k.pub");
        ASSERT_FALSE(key) << after;
        EXPECT_NE(key.error().text().find("nothing after it"), std::string::npos) << key.error().text();
    }
}

TEST_F(signatures, a_key_that_two_files_have_counts_for_nothing) {
    dir.write("a.pub", "plugins: com.one\n" + pair.public_pem);
    dir.write("b.pub", pair.public_pem);
    EXPECT_TRUE(trust_store::read(dir.path())->keys().empty());
}

TEST_F(signatures, of_a_checked_folder_only_files_that_nobody_else_may_change_count) {
    namespace fs = std::filesystem;
    auto read = [&] { return trust_store::read(checked_folder::open(dir.path()).value(), k_plugin_scopes); };
    dir.write("k.pub", pair.public_pem);
    EXPECT_EQ(read()->keys().size(), 1u);
    for (auto mode : {fs::perms::group_write, fs::perms::others_write}) {
        fs::permissions(dir.at("k.pub"), mode, fs::perm_options::add);
        EXPECT_TRUE(read()->keys().empty());
        fs::permissions(dir.at("k.pub"), mode, fs::perm_options::remove);
    }
    dir.write("revoked", "");
    EXPECT_TRUE(read());
    fs::permissions(dir.at("revoked"), fs::perms::others_write, fs::perm_options::add);
    auto refused = read();
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("chmod go-w"), std::string::npos) << refused.error().text();
}

TEST_F(signatures, revoked_files_are_found_and_a_damaged_list_is_an_error) {
    const auto hash = sha256_hex(plugin);
    dir.write("revoked", "# withdrawn\n" + hash + "  leaks memory\n");
    auto store = trust_store::read(dir.path()).value();
    EXPECT_EQ(store.revoked(hash).value(), "leaks memory");
    EXPECT_FALSE(store.revoked(sha256_hex("other")));
    dir.write("revoked", hash.substr(1) + "\n");
    auto damaged = trust_store::read(dir.path());
    ASSERT_FALSE(damaged);
    EXPECT_NE(damaged.error().text().find("revoked:1"), std::string::npos) << damaged.error().text();
}

TEST_F(signatures, without_a_folder_nobody_is_trusted) {
    auto store = trust_store::read(dir.at("nothing")).value();
    EXPECT_TRUE(store.keys().empty());
    refused(trust_store::read("").value().check(plugin, signature(), "x", k_now), "there is no folder of them");
}

TEST_F(signatures, a_signature_file_must_be_one) {
    trust();
    for (const char* text : {"x", "sigrun-signature 2\n", "sigrun-signature 1\nkey: a\n",
                             "sigrun-signature 1\nkey: a\nsignature: AAAA\n", "sigrun-signature 1\nhello\n"})
        EXPECT_FALSE(check(plugin, text)) << text;
}

TEST_F(signatures, other_kinds_of_keys_are_refused) {
    // P-256
    const char* pem =
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
        "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
        "-----END PUBLIC KEY-----\n";
    auto key = parse_trusted_key(pem, "ec.pub");
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().text().find("expected an ed25519 key"), std::string::npos) << key.error().text();
}

}  // namespace
}  // namespace sigrun
