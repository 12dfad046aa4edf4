// What this runner answers to offers that it does not take.
//
// Nobody acknowledges a refusal. One that could not be sent, or was sent shortly before its link was lost, is listed in the
// next HELLO as a refused attempt, and told again if the controller has not heard of it: what is known not to have begun need
// not be taken for lost. The last thousand are kept.
// [any]; one lock, not held while a link is called.
#pragma once

#include "kernel/agent/assignment_names.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/json.hpp"
#include "kernel/link/link.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace sigrun {

class refusals {
public:
    static constexpr std::size_t k_most = 1024;
    /// A link that lives this long after it took one has delivered it, or is known to be dead.
    static constexpr std::chrono::seconds k_doubtful{15};

    explicit refusals(const clock& time) : clock_(time) {}

    /// `via` may be null: the link was lost. False: the link is full, and `flush` is to be called soon.
    bool tell(const link_ptr& via, assignment_names whom, std::string text);
    /// Sends what has not been sent. False: as above.
    bool flush();
    void link_lost(const link_ptr& via);
    /// The attempt has been accepted after all.
    void forget(std::string_view job, std::uint32_t number);
    /// Adds those that the controller may not have heard of to an inventory of at most `most` items; one that was listed a
    /// moment ago as running is listed as refused.
    void list(json::array& inventory, std::size_t most);
    /// The controller's word on one of them: `again` sends it over `via`, else it is dropped. False as above.
    bool answered(const link_ptr& via, std::string_view job, std::uint32_t number, bool again);

private:
    // owed: its link went down, and the controller has to say whether it wants to hear of it.
    enum class phase { unsent, sent, owed };
    struct entry {
        std::uint64_t id = 0;
        assignment_names whom;
        std::string text;  // JSON
        std::weak_ptr<link> via;
        phase now = phase::unsent;
        time_point at{};
    };
    entry* find(std::string_view job, std::uint32_t number);
    entry* find(std::uint64_t id);
    void drop_delivered();

    const clock& clock_;
    std::mutex mutex_;
    std::uint64_t last_id_ = 0;
    std::deque<entry> all_;  // the oldest first
};

}  // namespace sigrun
