// The side that retires, and what its peers hear of it.
#pragma once

#include "unit/plugins/protocols/pair/rig.hpp"

#include <dirent.h>

namespace rig {

inline bool asks_to_reconnect(const sdk::recorded_frame& f) {
    return f.kind == SIGRUN_BYE && !(f.flags & SIGRUN_FRAME_LAST) && f.json.find(R"("reconnect":true)") != f.json.npos;
}
inline bool is_the_end(const sdk::recorded_frame& f) { return f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST); }

inline std::size_t count(const sdk::recording_sink& sink, bool (*fits)(const sdk::recorded_frame&)) {
    std::size_t n = 0;
    for (const auto& f : sink.frames()) n += fits(f);
    return n;
}

inline std::size_t open_descriptors() {
    std::size_t n = 0;
    auto* folder = opendir("/proc/self/fd");
    while (readdir(folder)) ++n;
    closedir(folder);
    return n;
}

/// A controller whose plugin can be told to retire.
struct old_controller : controller {
    using controller::controller;
    sigrun_op retire(int ms) {
        auto op = host.mint();
        EXPECT_EQ(table->serve->retire(instance, in_ms(ms), op), SIGRUN_OK);
        return op;
    }
    void answer_held(std::string_view json = "{}") {
        auto call = first_held();
        made_frame last(SIGRUN_REPLY, SIGRUN_FRAME_LAST);
        last.with_json(std::string(json));
        {
            std::lock_guard lock(mutex);
            held.erase(held.begin());
        }
        EXPECT_EQ(call.replies.on_frame(call.replies.ctx, last), SIGRUN_OK);
    }
};

/// A call that ends well, or a failure of the test.
inline void echo(client& c, std::string_view json = R"({"n":1})") {
    sdk::recording_sink replies;
    auto op = c.call(c.link, "echo", replies.abi(), json);
    ASSERT_NE(op, 0u);
    ASSERT_EQ(c.host.wait(op).result, SIGRUN_OK);
    ASSERT_EQ(replies.frames().at(0).json, json);
}

}  // namespace rig
