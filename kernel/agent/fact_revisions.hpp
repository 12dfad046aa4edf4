// Numbers the states that this agent's facts go through, so that a controller which knows one of them gets only what has
// changed since. Serialised by its owner.
#pragma once

#include "kernel/capability/facts.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace sigrun {

class fact_revisions {
public:
    /// What has happened from one document to the next. `minor`: numbers that move all the time, when a fact was looked at, or
    /// words beside the value; it may be told a little later.
    enum class change : std::uint8_t { none, minor, major };
    change note(const capability_document& before, const capability_document& after);

    /// Of the document last noted; counts from 1.
    std::uint64_t now() const noexcept { return now_; }
    /// The members of a HELLO that bring a peer from revision `base` to that document: only what has changed, where that is
    /// known, or all of it.
    void tell(json::object& hello, const capability_document& facts, std::uint64_t base) const;

private:
    std::uint64_t now_ = 1;
    std::uint64_t oldest_base_ = 1;                        // what happened before it is not known in single any more
    std::map<std::string, std::uint64_t> changed_, gone_;  // when last, by key
};

}  // namespace sigrun
