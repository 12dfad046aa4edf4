// What crashed, kept over restarts: <state>/crashes.json. Three crashes within ten minutes that are blamed on the same bytes,
// or one while they were on probation, put these bytes in quarantine: they are not loaded again until somebody admits them.
// Other bytes, such as a repaired version, are never held for it.
//
// Not thread-safe. Every change is on disk when the function returns.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"
#include "kernel/guard/crash_record.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

class crash_ledger {
public:
    static constexpr std::size_t k_crashes = 3;
    static constexpr std::int64_t k_window_ns = 600'000'000'000;

    struct held {
        std::string plugin, version, sha256;
        std::string reason;  // "3 crashes in 10 min, the last one SIGSEGV at x.so+0x10"
        std::int64_t since_ns = 0;
    };

    /// Reads the ledger, adds what the crash file <state>/crash holds and empties it. An unreadable ledger is put aside as
    /// crashes.json.bad and a new one begun: it must not keep the program from starting.
    static result<crash_ledger> open(const std::string& state_dir, const clock& time = clock::system());
    /// Where the handler of fatal signals writes.
    static std::string crash_file(const std::string& state_dir) { return state_dir + "/crash"; }

    /// Null: these bytes may be loaded.
    const held* find(std::string_view sha256) const noexcept;
    const std::vector<held>& quarantined() const noexcept { return held_; }
    /// Those that this opening put in quarantine, and the crashes it found.
    const std::vector<held>& newly_held() const noexcept { return newly_held_; }
    const std::vector<crash_record>& newly_crashed() const noexcept { return newly_crashed_; }
    /// Crashes that are remembered against these bytes; admitting them forgets.
    std::size_t crashes_of(std::string_view sha256) const noexcept;
    /// The newest ones, oldest first.
    const std::vector<crash_record>& crashes() const noexcept { return crashes_; }
    /// By plugin id since the ledger exists; "program" and "unknown" for the others.
    const std::map<std::string, std::uint64_t>& totals() const noexcept { return totals_; }

    /// Lifts every quarantine of this plugin and forgets its crashes. How many were lifted.
    result<std::size_t> admit(std::string_view plugin);
    /// From here until it is proven a single crash is enough.
    result<void> begin_probation(const std::string& sha256);
    result<void> end_probation(std::string_view sha256);

private:
    crash_ledger(std::string path, const clock& time) : path_(std::move(path)), time_(&time) {}
    bool read(std::string_view text);
    void add(crash_record crash);
    bool too_many(const crash_record& last) const;
    result<void> save() const;

    std::string path_;
    const clock* time_;
    std::vector<crash_record> crashes_;
    std::vector<held> held_, newly_held_;
    std::vector<crash_record> newly_crashed_;
    std::vector<std::string> on_probation_;
    std::map<std::string, std::uint64_t> totals_;
};

}  // namespace sigrun
