// One detection under way: waits for its probes and makes the document. Internal to the detector.
#pragma once

#include "kernel/capability/probe_answer.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun {

/// The documents that were made last: who asks again is given the same one while no probe has said something new. [any]
class document_shelf {
public:
    capability_ptr get(const std::string& question, const std::vector<probe_answer_ptr>& answers) const;
    void put(const std::string& question, std::vector<probe_answer_ptr> answers, capability_ptr document);
    void clear();

private:
    static constexpr std::size_t k_max = 64;
    struct made {
        std::vector<probe_answer_ptr> answers;
        capability_ptr document;
    };
    mutable std::mutex mutex_;
    std::map<std::string, made> made_;
};

/// What is asked for, and what has to be found out for it: tiers come from other facts.
struct wanted_keys {
    wanted_keys(std::vector<std::string> asked, bool with_tiers);
    std::vector<std::string> only, needed;  // prefixes; empty: everything
    bool tiers;
};

class gathering {
public:
    /// `parts` answers are waited for. `question` names sysroot and prefixes.
    gathering(std::string question, wanted_keys keys, std::size_t parts, std::shared_ptr<document_shelf> shelf,
              const clock& clk, std::function<void(capability_ptr)> callback);
    /// Each part once; null: its probe could not be asked. The last one makes the document. [any]
    void take(std::size_t part, probe_answer_ptr answer, bool past_its_time);

private:
    capability_ptr document();

    const std::string question_;
    const wanted_keys keys_;
    const std::shared_ptr<document_shelf> shelf_;
    const clock& clock_;
    const std::function<void(capability_ptr)> callback_;
    std::mutex mutex_;
    std::size_t missing_;
    std::vector<probe_answer_ptr> answers_;
    std::vector<bool> past_their_time_;
};

}  // namespace sigrun
