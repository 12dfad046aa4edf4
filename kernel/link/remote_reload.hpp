// Asks runners to look at their plugin files, and remembers who waits for which answer. The question is a HELLO frame with
// "reload", the answer one with "reloaded" and the facts of the moment; a runner that does not know the question answers
// with facts alone, and the question expires.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/json.hpp"
#include "kernel/link/link.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace sigrun {

struct member;

/// [any]; answers run without a lock held. A question belongs to the runner, not to the link it went over, which may be
/// replaced by the very reload.
class remote_reloads {
public:
    using answer_fn = std::function<void(result<json::array>)>;

    /// `plugin` may be empty: all that changed. `done` runs once.
    void ask(const std::shared_ptr<member>& who, const link_ptr& via, const std::string& plugin, time_point until,
             answer_fn done);
    /// The member "reloaded" of a HELLO.
    void answered(const std::shared_ptr<member>& from, const json::object& reloaded);
    void lost(const std::shared_ptr<member>& who);  // its last link
    void expire(time_point now);
    void end();  // nobody is answered later than this

private:
    struct question {
        std::shared_ptr<member> who;
        time_point until;
        answer_fn done;
    };
    void fail_all(const std::function<bool(const question&)>& which, const problem& why);

    std::mutex mutex_;
    std::map<std::uint64_t, question> open_;
    std::uint64_t next_ = 1;
};

}  // namespace sigrun
