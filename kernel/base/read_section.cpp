#include "kernel/base/read_section.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

int membarrier(int command) noexcept { return static_cast<int>(::syscall(SYS_membarrier, command, 0, 0)); }

// Before main, in a process of one thread: with more of them the kernel waits a whole grace period (some 10 ms) here.
const bool able = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;

// All marks there ever were; a thread that ends leaves its own for the next one. Never destroyed: threads may end late.
struct registry {
    std::mutex mutex;
    std::vector<reader_mark*> all, unused;
};
registry& readers() noexcept {
    static auto& one = *new registry;
    return one;
}

struct leave_at_end {
    reader_mark* mark = nullptr;
    ~leave_at_end() {
        if (!mark) return;
        std::lock_guard lock(readers().mutex);
        readers().unused.push_back(mark);
    }
};
thread_local leave_at_end leaving;

}  // namespace

thread_local constinit reader_mark* read_section::mine_ = nullptr;

// Without memory for a mark there is no way to read safely: the program ends (noexcept).
reader_mark& read_section::enrol() noexcept {
    auto& r = readers();
    std::lock_guard lock(r.mutex);
    if (r.unused.empty()) {
        r.all.push_back(new reader_mark);
        r.unused.push_back(r.all.back());
    }
    mine_ = r.unused.back();
    r.unused.pop_back();
    leaving.mark = mine_;
    return *mine_;
}

bool wait_for_readers() noexcept {
    if (!able || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0) return false;
    std::vector<std::pair<reader_mark*, std::uint64_t>> inside;
    {
        std::lock_guard lock(readers().mutex);
        for (auto* mark : readers().all)
            if (auto n = mark->count.load(std::memory_order_acquire); n & 1) inside.emplace_back(mark, n);
    }
    for (const auto& [mark, n] : inside)
        while (mark->count.load(std::memory_order_acquire) == n)
            std::this_thread::sleep_for(std::chrono::microseconds(20));
    return true;
}

}  // namespace sigrun
