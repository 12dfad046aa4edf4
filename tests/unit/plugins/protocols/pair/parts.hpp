// What tests of every protocol need: deadlines, waiting, frames.
#pragma once

#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/protocol.h>

#include <ctime>
#include <map>
#include <string>
#include <thread>

namespace rig {

using namespace sigrun;
using options = std::map<std::string, std::string>;
using sdk::str;

inline std::uint64_t in_ms(int ms) {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec) +
           static_cast<std::uint64_t>(ms) * 1'000'000u;
}

/// Waits until `done` holds, by asking every millisecond, at most 20 s.
template <class Done>
[[nodiscard]] bool eventually(Done done) {
    for (int i = 0; i < 20000; ++i) {
        if (done()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return done();
}

/// A frame with what it borrows.
struct made_frame {
    sigrun_attempt attempt{};
    sigrun_frame frame{};
    sdk::buffer payload;
    std::string job, token, json;

    explicit made_frame(std::uint32_t kind, std::uint32_t flags = 0) {
        frame.struct_size = sizeof frame;
        frame.kind = kind;
        frame.flags = flags;
    }
    made_frame(const made_frame&) = delete;
    made_frame& of(std::uint32_t number, std::string job_id = "0190a6b2-7c4e-7d3f-8a1b-2c3d4e5f6071") {
        job = std::move(job_id);
        token = "7-1";
        attempt = {sizeof attempt, number, str(job), str(token)};
        frame.attempt = &attempt;
        return *this;
    }
    made_frame& with_json(std::string text) {
        json = std::move(text);
        frame.json = str(json);
        return *this;
    }
    made_frame& with(const sdk::host& host, std::string_view bytes) {
        payload = sdk::buffer(host, bytes);
        frame.payload = payload.get();
        return *this;
    }
    operator const sigrun_frame*() const { return &frame; }
};

/// A predicate for wait_for.
inline auto is(std::uint32_t kind) {
    return [kind](const sdk::recorded_frame& f) { return f.kind == kind; };
}

}  // namespace rig
