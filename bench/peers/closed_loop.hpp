// What the load programs of this folder share: latencies of a closed loop, and their report as one line of
// JSON, the same as `sigrun bench --output json` prints.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace peers {

using clock = std::chrono::steady_clock;

struct load {
    int port = 0;
    int outstanding = 1;
    double seconds = 1;
    int bytes = 5;  // of a message; the raw TCP echo knows only its own
};

/// PORT OUTSTANDING SECONDS [BYTES]; ends the program with a message when one is wrong.
inline load parse_load(int argc, char** argv, int first) {
    load out;
    if (argc == first + 3 || argc == first + 4) {
        out.port = std::atoi(argv[first]);
        out.outstanding = std::atoi(argv[first + 1]);
        out.seconds = std::atof(argv[first + 2]);
        if (argc == first + 4) out.bytes = std::atoi(argv[first + 3]);
    }
    if (out.port < 1 || out.port > 65535 || out.outstanding < 1 || out.outstanding > 65536 || !(out.seconds > 0) ||
        out.bytes < 1 || out.bytes > 1 << 20) {
        std::fprintf(stderr,
                     "expected: PORT (1..65535) OUTSTANDING (1..65536) SECONDS (above 0) [BYTES (1..1048576)]\n");
        std::exit(2);
    }
    return out;
}

/// What a program of two hops is: the end that echoes, the one in the middle, or the one that measures.
enum class role { backend, forward, client };

struct part {
    role is = role::backend;
    int upstream = 0;  // of a forwarder
    load wanted;       // of a client
};

/// backend | forward PORT | client PORT OUTSTANDING SECONDS [BYTES]; ends the program when it is none of these.
inline part parse_part(int argc, char** argv) {
    part out;
    const std::string_view word = argc > 1 ? argv[1] : "";
    if (word == "client") {
        out.is = role::client;
        out.wanted = parse_load(argc, argv, 2);
        return out;
    }
    if (word == "forward" && argc == 3) {
        out.is = role::forward;
        out.upstream = std::atoi(argv[2]);
        if (out.upstream > 0 && out.upstream < 65536) return out;
    }
    if (word == "backend" && argc == 2) return out;
    std::fprintf(stderr, "expected: backend, forward PORT, or client PORT OUTSTANDING SECONDS [BYTES]\n");
    std::exit(2);
}

/// A server's port, for whoever started it.
inline void tell_port(int port) {
    std::printf("%d\n", port);
    std::fflush(stdout);
}

class latencies {
public:
    latencies() { ns_.reserve(1 << 22); }
    void add(clock::time_point sent, clock::time_point now) {
        ns_.push_back(static_cast<std::uint64_t>(std::chrono::nanoseconds(now - sent).count()));
    }
    void clear() { ns_.clear(); }
    void print(double seconds, std::uint64_t errors) {
        std::sort(ns_.begin(), ns_.end());
        const auto n = ns_.size();
        auto us = [&](double q) {
            return n ? static_cast<double>(ns_[static_cast<std::size_t>(q * static_cast<double>(n - 1))]) / 1000 : 0.0;
        };
        std::printf(
            "{\"jobs\":%zu,\"seconds\":%.3f,\"jobs_per_s\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"errors\":%"
            "llu}\n",
            n, seconds, seconds > 0 ? static_cast<double>(n) / seconds : 0.0, us(0.5), us(0.99),
            static_cast<unsigned long long>(errors));
    }

private:
    std::vector<std::uint64_t> ns_;
};

}  // namespace peers
