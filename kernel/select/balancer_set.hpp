// The balancer plugins of a selector, and the state that each dispatching thread has with each of them.
#pragma once

#include "kernel/plugin/call_counts.hpp"
#include "kernel/plugin/plugin_host.hpp"
#include "kernel/select/balancer_conduct.hpp"

#include <sigrun/balancer.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct loaded_balancer {
    std::shared_ptr<instance> owner;
    const sigrun_balancer* table = nullptr;
    std::string name{};    // of the instance that has this place; ids are places, so none is ever given up
    bool removed = false;  // the default one answers here, and nobody finds it by its name
    /// Its picks, and those where it found nothing although a place was free.
    std::shared_ptr<call_counter> calls = std::make_shared<call_counter>();
    std::shared_ptr<balancer_conduct> conduct = std::make_shared<balancer_conduct>();

    /// It chooses among the others, and never picks itself.
    bool chooses() const noexcept { return SIGRUN_HAS(table, decide); }
};

class balancer_set;

/// One thread's view, random numbers and plugin states. Used by its thread only; closed by whoever ends
/// first, the thread or the set.
class dispatcher {
public:
    /// Random bits follow from `seed`, unless it is 0.
    dispatcher(const balancer_set& set, std::uint32_t page_words, std::uint64_t seed);
    void* state(std::size_t balancer) const noexcept { return states_[balancer]; }
    std::uint64_t random() noexcept;
    /// Counts a pick; told to the balancer's counter now and then.
    void note_pick(std::size_t balancer, bool missed) noexcept;
    /// True for one pick of 1024.
    bool times_this_one() noexcept { return !(++picks_ & 1023u); }
    void close() noexcept;
    bool closed() const noexcept { return closed_.load(); }

    sigrun_view view{};
    std::vector<std::uint64_t> masked;  // pages of a request that not all protocols suit

private:
    const balancer_set& set_;
    std::vector<void*> states_;
    std::vector<std::uint64_t> untold_;  // picks per balancer
    std::uint64_t random_;
    std::uint32_t picks_ = 0;
    std::mutex closing_;
    std::atomic<bool> closed_{false};
};

class balancer_set {
public:
    static result<std::unique_ptr<balancer_set>> create(std::vector<std::shared_ptr<instance>> instances,
                                                        std::string_view default_name);
    ~balancer_set();
    /// The same set with `now` in the place of `old`; a problem if `now` is no balancer for this host.
    result<std::unique_ptr<balancer_set>> with(const std::shared_ptr<instance>& old,
                                               const std::shared_ptr<instance>& now) const;
    /// The same set with one more, in the place of a removed one of its name if there was one.
    result<std::unique_ptr<balancer_set>> with_added(const std::shared_ptr<instance>& now) const;
    /// The same set without one; a problem if it is the default.
    result<std::unique_ptr<balancer_set>> without(const std::shared_ptr<instance>& old) const;

    std::size_t size() const noexcept { return loaded_.size(); }
    const loaded_balancer& operator[](std::size_t i) const noexcept { return loaded_[i]; }
    std::size_t default_index() const noexcept { return default_.load(std::memory_order_relaxed); }
    /// False: no balancer has this name. [any]
    bool set_default(std::string_view name) noexcept;
    call_counts counts(const instance& which) const noexcept;
    /// Another number for every set.
    std::uint64_t id() const noexcept { return id_; }
    /// Who chooses: the default if it does, else the first that does; size() if none does.
    std::size_t chooser() const noexcept;
    /// The first that picks itself; size() if none does.
    std::size_t first_picking() const noexcept;
    /// It is there and picks itself.
    bool can_pick(std::size_t i) const noexcept {
        return i < loaded_.size() && !loaded_[i].removed && !loaded_[i].chooses();
    }
    /// Threads that pick. [any]
    std::uint32_t threads();
    /// By instance name, else by component id; size() if there is none.
    std::size_t find(std::string_view name) const noexcept;
    std::vector<std::string> names() const;
    bool needs_levels() const noexcept;

    /// This thread's state, made at the first call of the thread. Throws what making it throws.
    /// `stands_for`: in a simulation, the number of the thread that the only one stands for now.
    dispatcher& here(std::uint32_t page_words, std::uint64_t seed, const std::uint32_t* stands_for);

private:
    balancer_set();
    std::unique_ptr<balancer_set> copy() const;
    std::shared_ptr<dispatcher> make(std::uint32_t page_words, std::uint64_t seed);
    dispatcher& enter(std::uint32_t page_words, std::uint64_t seed);

    const std::uint64_t id_;
    std::vector<loaded_balancer> loaded_;
    std::atomic<std::size_t> default_{0};
    std::atomic<std::uint64_t> entered_{0};  // threads so far
    std::mutex mutex_;
    std::vector<std::shared_ptr<dispatcher>> dispatchers_;
};

}  // namespace sigrun
