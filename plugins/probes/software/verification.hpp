// Asks the programs themselves for their versions, and remembers what they said as long as their files stay the same.
#pragma once

#include "execution.hpp"
#include "inventory.hpp"

#include <map>

namespace sigrun::software {

/// The version in what a program printed: "12.2.0" of "gcc (Debian 12.2.0-14) 12.2.0"; empty if there is none.
std::string version_in(std::string_view output);

/// Why a program is not run; empty if it may be. Only what its owner, root or this user, alone can change is run.
std::string_view reason_not_to_run(const sdk::sysroot& root, const found_program& program);

struct verification_counts {
    std::size_t programs = 0;  // found
    std::size_t known = 0;     // that said their version, now or before
    std::size_t silent = 0;    // were run and did not
    std::size_t not_run = 0;   // for a reason
    std::size_t executed = 0;  // this time
    std::string silent_names, differing_names;
};

class verifier {
public:
    static constexpr std::size_t k_max_remembered = 1024;
    static constexpr std::chrono::minutes k_silence{
        10};  // before a program that did not say its version is asked again

    explicit verifier(execution_limits limits) : limits_(limits) {}

    /// Fills in what the programs of `found` say. False: it was told to stop before all were asked; what was heard is
    /// remembered, and the next call goes on from there.
    bool verify(const sdk::sysroot& root, inventory& found, const std::function<bool()>& go_on);
    const verification_counts& counts() const noexcept { return counts_; }
    /// "40 of 52 said their version; these did not: /usr/bin/x"
    std::string summary() const;

private:
    struct memory {
        std::string version;  // empty: it did not say
        std::chrono::steady_clock::time_point asked;
    };
    static std::string key_of(const found_program& program);
    const memory* remembered(const std::string& key) const;
    void remember(const std::string& key, const answer& said);

    const execution_limits limits_;
    std::map<std::string, memory> memory_;
    verification_counts counts_;
};

}  // namespace sigrun::software
