// A copy of the database while it is in use: one thread with a connection of its own reads one state of it, and writers go on.
#pragma once

#include <sigrun/cpp/plugin.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace sigrun::sqlite {

/// One copy at a time. [any] unless said otherwise.
class copier {
public:
    copier(sdk::host host, std::string database) : host_(host), database_(std::move(database)) {}
    ~copier();
    copier(const copier&) = delete;
    copier& operator=(const copier&) = delete;

    /// Writes `target`, which must not be there; it appears when it is whole and on the disk, and is the owner's alone. Answers
    /// `done` with the bytes. E_BUSY: one is under way.
    sigrun_result begin(sigrun_op done, std::string target);
    /// Pages; 0 of 0: none is under way.
    void progress(std::uint64_t& copied, std::uint64_t& total) const noexcept;
    /// The one under way is given up, and answered so; nothing begins any more.
    void give_up() noexcept { stop_ = true; }

private:
    void run(sdk::op done, const std::string& target) noexcept;
    std::string copy(const std::string& target);

    sdk::host host_;
    const std::string database_;
    std::atomic<bool> busy_{false}, stop_{false};
    std::atomic<std::uint64_t> copied_{0}, total_{0};
    std::mutex mutex_;
    std::thread thread_;  // of the last copy
};

}  // namespace sigrun::sqlite
