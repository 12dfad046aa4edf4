// Which runners are on the same machine: what fails on one of them for the machine's sake fails on the others, too.
//
// A machine is known by the id of its boot, which runners in its containers share, and copies of a virtual machine do not.
#pragma once

#include "kernel/capability/fact_sheet.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace sigrun {

struct member;

/// The fact host.boot_id; empty where it is not known.
std::string host_of(const fact_sheet& facts);

/// [any]
class host_board {
public:
    static constexpr std::size_t k_most = 64;  // neighbours that are told

    /// `host`: empty = not known. Cheap when nothing has changed.
    void put(const std::shared_ptr<member>& m, std::string host);
    void remove(const member& m);
    std::vector<std::shared_ptr<member>> others_beside(const member& m) const;

private:
    void take_out(const member& m);

    mutable std::mutex mutex_;
    std::unordered_map<const member*, std::string> host_of_;
    std::unordered_map<std::string, std::vector<std::weak_ptr<member>>> on_;
};

}  // namespace sigrun
