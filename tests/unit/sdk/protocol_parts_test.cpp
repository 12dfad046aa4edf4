// The header-only parts for protocols, as far as no plugin's own tests look at them.
#include <sigrun/cpp/authorization.hpp>
#include <sigrun/cpp/base64.hpp>
#include <sigrun/cpp/browser_check.hpp>
#include <sigrun/cpp/endpoint_options.hpp>

#include <gtest/gtest.h>

using namespace sigrun::sdk;

TEST(sdk_base64, the_alphabet_for_urls_has_no_padding_and_none_of_the_others_letters) {
    EXPECT_EQ(from_base64url(""), "");
    EXPECT_EQ(from_base64url("eA"), "x");
    EXPECT_EQ(from_base64url("-_8"), "\xfb\xff");
    for (auto bad : {"+w", "/w", "eA==", "e", "eB", "e A", "\xff\xff"}) EXPECT_FALSE(from_base64url(bad)) << bad;
    EXPECT_EQ(from_base64("+/8="), "\xfb\xff");
}

TEST(sdk_authorization, only_one_header_with_a_known_scheme_and_a_secret_counts) {
    std::string auth = "left over";
    EXPECT_FALSE(read_authorization({}, auth));
    EXPECT_EQ(auth, "");
    EXPECT_FALSE(read_authorization({"bEaReR t k"}, auth));
    EXPECT_EQ(auth, "bearer t k");
    EXPECT_FALSE(read_authorization({"Basic eA=="}, auth));
    EXPECT_EQ(auth, "basic eA==");
    for (auto& bad : std::vector<std::vector<std::string_view>>{
             {"Bearer a", "Bearer b"}, {"Bearer"}, {"Bearer "}, {"uid 0"}, {""}}) {
        const auto why = read_authorization(bad, auth);
        ASSERT_TRUE(why);
        EXPECT_EQ(why->code, "unauthenticated");
        EXPECT_EQ(auth, "");
    }
    EXPECT_EQ(read_authorization({"secretwithoutscheme"}, auth)->found, "one word") << "it may be the secret itself";
}

TEST(sdk_browser_check, loopback_is_asked_for_by_a_loopback_name_and_by_no_other_origin) {
    const host_rule loopback{true, {"build.example", "port.example:81"}};
    auto status = [&](std::string_view host, std::string_view origin = {}) {
        caller_headers h;
        h.host = host;
        if (!origin.empty()) h.origins.push_back(origin);
        const auto refused = check_caller(h, loopback);
        return refused ? refused->status : 0;
    };
    for (auto good : {"localhost", "LOCALHOST:70", "127.0.0.1", "127.9.8.7:1", "[::1]:5", "[::ffff:127.0.0.1]",
                      "build.example:9", "port.example:81"})
        EXPECT_EQ(status(good), 0) << good;
    for (auto bad : {"evil.example", "127.evil.example", "localhost.evil", "10.0.0.1", "[::2]", "", "[::1",
                     "port.example", "localhost:x"})
        EXPECT_EQ(status(bad), 421) << bad;
    EXPECT_EQ(status("localhost:7070", "http://localhost:7070"), 0);
    EXPECT_EQ(status("localhost:443", "https://localhost"), 0);
    for (auto other :
         {"http://localhost:7071", "http://evil.example", "null", "localhost:7070", "ftp://localhost:7070"})
        EXPECT_EQ(status("localhost:7070", other), 403) << other;
}

TEST(sdk_endpoint_options, a_key_nobody_reads_is_named_but_tls_is_the_hosts) {
    endpoint_options fine(R"({"auth":"bearer","token":"t","tls":{"ca":"x"}})");
    EXPECT_EQ(credentials_header(fine), "Authorization: Bearer t\r\n");
    EXPECT_NO_THROW(fine.finish());
    endpoint_options odd(R"({"tokn":"t"})");
    EXPECT_EQ(credentials_header(odd), "");
    try {
        odd.finish();
        FAIL();
    } catch (const failure& e) {
        EXPECT_NE(std::string(e.what()).find("options.tokn"), std::string::npos) << e.what();
    }
    EXPECT_THROW(endpoint_options("[]"), failure);
}
