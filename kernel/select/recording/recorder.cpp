#include "kernel/select/recording/recorder.hpp"

#include <cstring>

namespace sigrun {

pick_recorder::pick_recorder(const sigrun_balancer* table, sigrun_instance* balancer, picks::header who, limits most)
    : table_(table), balancer_(balancer), most_(most), image_(who.levels) {
    bytes_.reserve(most.bytes);  // untouched until it is used
    bytes_ = picks::write_header(who);
    if (SIGRUN_HAS(table, thread_init)) state_ = table->thread_init(balancer, who.thread);
}

pick_recorder::~pick_recorder() {
    if (SIGRUN_HAS(table_, thread_fini)) table_->thread_fini(balancer_, state_);
}

bool pick_recorder::takes(const void* thread, const sigrun_instance* balancer) noexcept {
    if (balancer != balancer_ || full()) return false;
    const void* owner = thread_.load(std::memory_order_relaxed);
    if (owner) return owner == thread;
    return thread_.compare_exchange_strong(owner, thread, std::memory_order_relaxed) || owner == thread;
}

void pick_recorder::follow(const sigrun_view& live, const std::uint64_t* feasible) {
    if (const view_image::shape now = view_image::shape_of(live); now != image_.current()) {
        image_.set_shape(now);
        bytes_.push_back(picks::k_shape);
        put(&now.epoch, sizeof now.epoch);
        for (const std::uint32_t n : {now.slots, now.pages, now.cohorts, now.zones}) put(&n, sizeof n);
    }
    bytes_.push_back(picks::k_words);
    const std::size_t count_at = bytes_.size();
    std::uint32_t count = 0;
    put(&count, sizeof count);
    image_.follow(live, feasible, [&](std::uint16_t section, std::uint32_t index, std::uint64_t value) {
        put(&section, sizeof section);
        put(&index, sizeof index);
        put(&value, sizeof value);
        ++count;
    });
    std::memcpy(bytes_.data() + count_at, &count, sizeof count);
}

void pick_recorder::pick(const sigrun_view& live, const sigrun_req& req, const std::uint64_t* feasible,
                         sigrun_pick& out) noexcept {
    const std::size_t before = bytes_.size();
    try {
        follow(live, feasible);
    } catch (...) {  // no memory: this pick is not recorded, nor is any after it
        bytes_.resize(before);
        full_.store(true, std::memory_order_release);
        table_->pick(state_, &live, &req, 1, feasible, &out);
        return;
    }
    const sigrun_view copy = image_.view();
    sigrun_req asked = req;
    asked.pred_pages_off = 0;
    table_->pick(state_, &copy, &asked, 1, image_.feasible(), &out);
    if (bytes_.size() + sizeof asked + sizeof out + 64 > most_.bytes) {
        bytes_.resize(before);
        full_.store(true, std::memory_order_release);
        return;
    }
    bytes_.push_back(picks::k_pick);
    put(&asked, sizeof asked);
    put(&out, sizeof out);
    const std::uint32_t now = picks_.load(std::memory_order_relaxed) + 1;
    picks_.store(now, std::memory_order_release);
    if (now >= most_.picks) full_.store(true, std::memory_order_release);
}

void pick_recorder::done(const sigrun_done& what) noexcept {
    if (SIGRUN_HAS(table_, done)) table_->done(state_, &what, 1);
    if (bytes_.size() + sizeof what + 64 > most_.bytes) {
        full_.store(true, std::memory_order_release);
        return;
    }
    bytes_.push_back(picks::k_done);
    put(&what, sizeof what);
}

std::string pick_recorder::finish() {
    const std::uint32_t n = picks();
    bytes_.push_back(picks::k_end);
    put(&n, sizeof n);
    return std::move(bytes_);
}

}  // namespace sigrun
