#include "kernel/net/client_hello.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sigrun {
namespace {

std::string bytes(std::initializer_list<int> list) {
    std::string out;
    for (int each : list) out += static_cast<char>(each);
    return out;
}

TEST(client_hello, is_recognised_from_six_bytes_however_they_arrive) {
    const auto hello = bytes({0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc});
    for (std::size_t n = 0; n < 6; ++n)
        EXPECT_EQ(recognise_client_hello(hello.substr(0, n)), tls_verdict::need_more) << n;
    for (std::size_t n = 6; n <= hello.size(); ++n)
        EXPECT_EQ(recognise_client_hello(hello.substr(0, n)), tls_verdict::yes) << n;
}

TEST(client_hello, other_protocols_and_broken_records_are_not_tls) {
    for (const auto& other : {std::string("GET / HTTP/1.1\r\n"), std::string("PRI * HTTP/2.0\r\n"),
                              std::string("\x89VLK\r\n\x1a\n"), bytes({0x17, 0x03, 0x03}),  // application data
                              bytes({0x16, 0x02}),                                          // a version that never was
                              bytes({0x16, 0x03, 0x05}),                                    // one that is not yet
                              bytes({0x16, 0x03, 0x01, 0x40, 0x01}),         // longer than a record can be
                              bytes({0x16, 0x03, 0x01, 0x00, 0x04}),         // too short for a ClientHello
                              bytes({0x16, 0x03, 0x03, 0x02, 0x00, 0x02})})  // a ServerHello
        EXPECT_EQ(recognise_client_hello(other), tls_verdict::no) << other;
}

}  // namespace
}  // namespace sigrun
