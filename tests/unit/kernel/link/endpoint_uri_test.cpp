#include "kernel/link/endpoint_uri.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

TEST(endpoint_uri, a_plain_address_is_every_protocol_in_the_clear) {
    EXPECT_FALSE(endpoint_names_protocol("10.0.0.7:7070"));
    EXPECT_EQ(endpoint_over("10.0.0.7:7070", "valkyrie,valkyrie+tls,valkyrie+unix"), "valkyrie://10.0.0.7:7070");
    EXPECT_EQ(endpoint_over("[::1]:7070", "wss,ws"), "ws://[::1]:7070");
}

TEST(endpoint_uri, tls_is_every_protocol_encrypted_and_never_without) {
    EXPECT_FALSE(endpoint_names_protocol("tls://build-1:7070"));
    EXPECT_EQ(endpoint_address("tls://build-1:7070"), "build-1:7070");
    EXPECT_EQ(endpoint_over("tls://build-1:7070", "valkyrie,valkyrie+tls,valkyrie+unix"),
              "valkyrie+tls://build-1:7070");
    EXPECT_EQ(endpoint_over("tls://build-1:7070", "http,https"), "https://build-1:7070");
    EXPECT_EQ(endpoint_over("tls://build-1:7070", "pigeon"), "");
    EXPECT_EQ(endpoint_over("tls://build-1:7070", ""), "");
    EXPECT_EQ(endpoint_over("build-1:7070", "https"), "");
}

TEST(endpoint_uri, an_address_that_names_its_protocol_is_what_it_is) {
    EXPECT_TRUE(endpoint_names_protocol("http://old:8080"));
    EXPECT_EQ(endpoint_over("http://old:8080", "http,https"), "http://old:8080");
    EXPECT_TRUE(endpoint_names_protocol("valkyrie+tls://x:1"));
}

}  // namespace
}  // namespace sigrun
