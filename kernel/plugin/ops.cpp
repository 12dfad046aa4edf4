#include "kernel/plugin/ops.hpp"

#include "kernel/log/loggers.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

// A token is (generation of the slot, 32 bits) (place in the shard, 28 bits) (shard, 4 bits). A slot's
// generation grows with every use and is never 0, so no token is 0 and an old one fits no later op (before
// 2^32 uses of one slot).

namespace sigrun {
namespace {

constexpr std::uint64_t k_shards = 16;
constexpr std::uint64_t k_shard_bits = 4;
constexpr std::uint64_t k_max_slots = 1ull << 28;

bool belongs_to(std::uint64_t tag, std::uint64_t owner) noexcept {
    return tag == owner || (owner >> 32 == 0 && static_cast<std::uint32_t>(tag) == owner);
}

struct slot {
    std::uint32_t generation = 1;
    bool used = false;
    std::uint64_t owner = 0;
    op_callback callback;
};

}  // namespace

struct op_table::impl {
    // A cache line each, so that threads working on different shards do not meet.
    struct alignas(64) shard {
        mutable std::mutex mutex;
        std::vector<slot> slots;
        std::vector<std::uint32_t> free;
        std::size_t open = 0;
    };

    // Moves the callback out and frees the slot; false if the token is stale.
    bool take(sigrun_op op, op_callback& out) noexcept {
        auto& s = shards[op & (k_shards - 1)];
        const std::uint64_t place = (op >> k_shard_bits) & (k_max_slots - 1);
        std::lock_guard lock(s.mutex);
        if (place >= s.slots.size()) return false;
        slot& found = s.slots[place];
        if (!found.used || found.generation != static_cast<std::uint32_t>(op >> 32)) return false;
        out = std::move(found.callback);
        found.callback = nullptr;
        found.used = false;
        if (++found.generation == 0) found.generation = 1;
        s.free.push_back(static_cast<std::uint32_t>(place));  // capacity reserved by mint
        --s.open;
        return true;
    }

    std::array<shard, k_shards> shards;
    std::atomic<std::uint64_t> ignored{0};
};

op_table::op_table() : impl_(std::make_unique<impl>()) {}
op_table::~op_table() = default;

sigrun_op op_table::mint(std::uint64_t owner, op_callback callback) {
    // Each thread stays with the shard it got first.
    static std::atomic<std::uint64_t> next_shard{0};
    thread_local const std::uint64_t my_shard = next_shard.fetch_add(1, std::memory_order_relaxed) % k_shards;
    auto& s = impl_->shards[my_shard];
    std::lock_guard lock(s.mutex);
    if (s.free.empty()) {
        if (s.slots.size() >= k_max_slots) throw std::bad_alloc();
        if (s.free.capacity() <= s.slots.size()) s.free.reserve(2 * s.slots.size() + 16);
        s.slots.emplace_back();
        s.free.push_back(static_cast<std::uint32_t>(s.slots.size() - 1));
    }
    const std::uint32_t place = s.free.back();
    s.free.pop_back();
    slot& chosen = s.slots[place];
    chosen.used = true;
    chosen.owner = owner;
    chosen.callback = std::move(callback);
    ++s.open;
    return (std::uint64_t{chosen.generation} << 32) | (std::uint64_t{place} << k_shard_bits) | my_shard;
}

bool op_table::revoke(sigrun_op op) noexcept {
    op_callback callback;
    return impl_->take(op, callback);
}

bool op_table::complete(sigrun_op op, sigrun_result result, sigrun_buf* out) noexcept {
    buffer_ref buf = buffer_ref::adopt(out);
    op_callback callback;
    if (!impl_->take(op, callback)) {
        impl_->ignored.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    if (!callback) return true;
    try {
        if (result < 0)
            callback(problem::from_abi(result, buf.view()));
        else
            callback(std::move(buf));
    } catch (const std::exception& e) {
        SIGRUN_LOG(logs::plugin, error, "the continuation of an operation failed: ", std::string_view(e.what()));
    }
    return true;
}

std::size_t op_table::open(std::uint64_t owner) const noexcept {
    std::size_t n = 0;
    for (const auto& s : impl_->shards) {
        std::lock_guard lock(s.mutex);
        for (const auto& each : s.slots) n += each.used && belongs_to(each.owner, owner);
    }
    return n;
}

std::size_t op_table::open() const noexcept {
    std::size_t n = 0;
    for (const auto& s : impl_->shards) {
        std::lock_guard lock(s.mutex);
        n += s.open;
    }
    return n;
}

std::uint64_t op_table::ignored() const noexcept { return impl_->ignored.load(std::memory_order_relaxed); }

}  // namespace sigrun
