// What one probe has said, how long that is good, and which of several answers to a key counts. Pure. [any]
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/capability/facts.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

struct probe_answer {
    std::vector<fact> facts;
    unsigned failures = 0;   // runs that failed one after the other, this one included; 0: it said everything
    bool suggested = false;  // not found out by this process
};
using probe_answer_ptr = std::shared_ptr<const probe_answer>;

/// Until the first of its facts is past its time; nanoseconds::max() if none ever is. What failed is tried again after 5 s,
/// doubling to 60 s, what a probe could not find out in time after a minute, and who had nothing to say yet after 10 s.
nanoseconds good_for(const probe_answer& answer);

/// The facts as they are to be told: what is past its time is stale, and everything is that nobody here has found out.
std::vector<fact> facts_of(const probe_answer& answer, bool past_its_time, std::int64_t wall_ns);

/// Several probes may answer one key: an answer beats an old one, and that none; then what the operator declares wins, then the
/// surer one, then the challenger.
bool better(const fact& challenger, const fact& holder);

/// Of each key the answer that is better than the others.
class fact_merge {
public:
    /// `told_as_stale`: it counts as what it says that it is, but if it is the best one, it is only stale.
    void add(fact f, bool told_as_stale = false);
    std::vector<fact> take() &&;  // in the order of the keys

private:
    struct holder {
        fact best;
        bool told_as_stale;
    };
    std::map<std::string, holder, std::less<>> best_;
};

/// The two say something else, of what does not change all the time by nature.
bool differs(const probe_answer& a, const probe_answer& b);

}  // namespace sigrun
