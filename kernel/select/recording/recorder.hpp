// Records the picks of one thread with one balancer, until so many are there or the space is used up. While it does, the
// balancer works for that thread with a state of its own, made for the recording, and on a copy of the view: another
// thread may change the live one between two looks, and then the answer would follow from nothing that is written down.
#pragma once

#include "kernel/select/recording/format.hpp"
#include "kernel/select/recording/view_image.hpp"

#include <atomic>

namespace sigrun {

class pick_recorder {
public:
    struct limits {
        std::uint32_t picks = 1000;
        std::size_t bytes = 64u << 20;
    };
    /// `table` and `balancer` outlive it; neither is null. `who.thread` is for thread_init.
    pick_recorder(const sigrun_balancer* table, sigrun_instance* balancer, picks::header who, limits most);
    ~pick_recorder();
    pick_recorder(const pick_recorder&) = delete;
    pick_recorder& operator=(const pick_recorder&) = delete;

    /// [any] Whether what this thread asks this balancer goes through here; the first that asks is the one.
    bool takes(const void* thread, const sigrun_instance* balancer) noexcept;
    /// By that thread alone: the balancer's pick and done.
    void pick(const sigrun_view& live, const sigrun_req& req, const std::uint64_t* feasible, sigrun_pick& out) noexcept;
    void done(const sigrun_done& what) noexcept;

    /// [any]
    bool full() const noexcept { return full_.load(std::memory_order_acquire); }
    std::uint32_t picks() const noexcept { return picks_.load(std::memory_order_acquire); }
    /// The bytes; once no thread is inside any more.
    std::string finish();

private:
    void follow(const sigrun_view& live, const std::uint64_t* feasible);
    void put(const void* what, std::size_t size) { bytes_.append(static_cast<const char*>(what), size); }

    const sigrun_balancer* const table_;
    sigrun_instance* const balancer_;
    const limits most_;
    void* state_ = nullptr;
    view_image image_;
    std::string bytes_;
    std::atomic<const void*> thread_{nullptr};
    std::atomic<std::uint32_t> picks_{0};
    std::atomic<bool> full_{false};
};

}  // namespace sigrun
