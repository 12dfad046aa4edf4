// Readers without a lock, and a writer that can wait until none of them uses what it has just unpublished.
//
// A reader loads a published pointer inside a read_section; it costs two plain stores to memory of its own thread. The
// writer publishes something else, calls wait_for_readers, and may then destroy the old thing. The price is paid there:
// membarrier(2) makes every thread of the process pass a full barrier, which is what the readers leave out.
// (The asymmetric form of epochs, as in liburcu's "memb" flavour.)
#pragma once

#include <atomic>
#include <cstdint>

namespace sigrun {

/// One thread's mark: odd while it reads. Made at the thread's first section, reused after its end.
struct reader_mark {
    std::atomic<std::uint64_t> count{0};
    std::uint32_t depth = 0;  // of the thread alone
};

/// [any] Nests. Must not be held across anything that waits for a writer.
class read_section {
public:
    read_section() noexcept : mark_(mine_ ? *mine_ : enrol()) {
        if (mark_.depth++) return;
        mark_.count.store(mark_.count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    ~read_section() {
        if (--mark_.depth) return;
        mark_.count.store(mark_.count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    read_section(const read_section&) = delete;
    read_section& operator=(const read_section&) = delete;

private:
    static reader_mark& enrol() noexcept;
    static thread_local constinit reader_mark* mine_;
    reader_mark& mark_;
};

/// Returns once every section that was open when it was called has ended. Not inside a section. False: this system
/// cannot tell (no membarrier); then nothing may be destroyed.
bool wait_for_readers() noexcept;

}  // namespace sigrun
