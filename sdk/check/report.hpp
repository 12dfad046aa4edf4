// What the tests find. A test runs in a child process and reports through a pipe; beside the pipe lies a page of shared
// memory with what it is doing at the moment, so that the parent can tell which rule a crash or a hang breaks.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::check {

enum class outcome { pass, fail, warn, skip, waived };
std::string_view to_string(outcome o) noexcept;

struct finding {
    std::string rule;
    outcome result = outcome::pass;
    std::string expected, found;  // of a failure or a warning
    std::string note;             // why it was skipped or waived; a measured number
    std::string test;             // which test told
    double ms = 0;                // of the whole test
};

/// In shared memory. Written by any thread of the child, read by the parent after its end.
struct progress {
    char rule[64];
    char step[256];
    void set_rule(std::string_view id) noexcept;
    void set_step(std::string_view what) noexcept;
};

/// The child's side. [any]
class reporter {
public:
    reporter(int to, progress& now) noexcept : to_(to), now_(now) {}

    /// From here on a crash or a hang breaks this rule.
    void begin(std::string_view rule_id) noexcept { now_.set_rule(rule_id); }
    std::string current_rule() const { return now_.rule; }
    void step(std::string_view what) { now_.set_step(context_.empty() ? what : std::string(what) + context_); }
    /// Said behind each step, e.g. " while buffer.create is refused". Set when no thread of the plugin runs.
    void set_context(std::string text) { context_ = std::move(text); }

    void pass(std::string_view rule_id, std::string note = {});
    void fail(std::string_view rule_id, std::string expected, std::string found);
    void warn(std::string_view rule_id, std::string expected, std::string found);
    void skip(std::string_view rule_id, std::string why);
    /// pass unless something was reported for it before.
    void pass_unless_told(std::string_view rule_id);
    bool failed(std::string_view rule_id) const;

private:
    void send(finding what);

    int to_;
    progress& now_;
    std::string context_;
    mutable std::mutex mutex_;
    std::set<std::string, std::less<>> told_, failed_;
};

}  // namespace sigrun::check
