// One detection under way: waits for its probes, as long as its patience lasts, and makes the document. Internal to the detector.
#pragma once

#include "kernel/capability/probe_activity.hpp"
#include "kernel/capability/probe_answer.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
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

class gathering : public std::enable_shared_from_this<gathering> {
public:
    using stand_in = std::function<probe_answer_ptr(std::size_t part)>;

    /// `parts` answers are waited for. `question` names sysroot and prefixes.
    gathering(std::string question, wanted_keys keys, std::size_t parts, std::shared_ptr<document_shelf> shelf,
              const clock& clk, std::function<void(capability_ptr)> callback);
    /// Each part once; null: its probe could not be asked. The last one makes the document, if there is none yet. [any]
    void take(std::size_t part, probe_answer_ptr answer, bool past_its_time);
    /// From `end` on nobody is waited for: `meanwhile` counts for a part that is missing then, and `late` is called for each of
    /// these as soon as it is there. Once.
    void limit(boost::asio::io_context& io, std::chrono::steady_clock::time_point end,
               const std::shared_ptr<probe_activity>& activity, stand_in meanwhile, std::function<void()> late);

private:
    enum class standing : std::uint8_t { missing, good, past_its_time };
    struct part {
        probe_answer_ptr answer;
        standing state = standing::missing;
    };
    void patience_over();
    capability_ptr document(const std::vector<part>& parts) const;

    const std::string question_;
    const wanted_keys keys_;
    const std::shared_ptr<document_shelf> shelf_;
    const clock& clock_;
    const std::function<void(capability_ptr)> callback_;
    std::mutex mutex_;
    std::size_t missing_;
    std::vector<part> parts_;
    bool made_ = false;
    stand_in meanwhile_;
    std::function<void()> late_;
    std::optional<boost::asio::steady_timer> timer_;
};

}  // namespace sigrun
