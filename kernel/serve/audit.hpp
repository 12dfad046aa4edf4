// Who did what: a line of JSON for each call that is more than a look, and for each that was refused because of its caller.
//
//   {"time","request","protocol","method","who":{"name","kind","role"?,"address"?},"object"?,"result"}
//
// `result` is "ok" or the code of the problem. Nothing of a call's document, payload or token is in it: `object` is the id that the call
// names, or that its answer does. [any]
#pragma once

#include "kernel/auth/gate.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/guard/rotating_file.hpp"
#include "kernel/metrics/metrics.hpp"

#include <atomic>
#include <string>
#include <string_view>

namespace sigrun {

class audit {
public:
    struct subject {
        std::string_view method, params, request_id, protocol;
        std::uint64_t session = 0;
    };

    audit(rotating_file to, const gate& who, const clock& time, metrics& numbers);
    /// Reading and being alive are not told.
    static bool tells_of(std::string_view method) noexcept;
    /// The line but for its end; `finish` completes and writes it.
    std::string begin(const subject& what, const caller& who) const;
    /// Of a caller who was refused for what he is: strangers must not fill the file, so of these there are at most 100 a second; more are
    /// only counted.
    void refused(const subject& what, const caller& who, std::string_view problem);
    /// `answer`: the JSON that was given. A problem: its code is the result.
    void finish(std::string line, bool failed, std::string_view answer);

private:
    rotating_file to_;
    const gate& who_;
    const clock& time_;
    counter lines_, lost_, left_out_;
    std::atomic<std::int64_t> second_{0};
    std::atomic<std::uint32_t> refused_in_it_{0};
    std::atomic<bool> told_{false};  // that it cannot be written
};

}  // namespace sigrun
