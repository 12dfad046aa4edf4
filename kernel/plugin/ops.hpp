// Asynchronous operations across the ABI: the host mints a token, the plugin completes it exactly once.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/plugin/buffer.hpp"

#include <sigrun/base.h>

#include <functional>
#include <memory>
#include <vector>

namespace sigrun {

/// Runs on the thread that completed the op. Error: problem::from_abi of result and text.
using op_callback = std::function<void(result<buffer_ref>)>;

/// Slots with generations: a second completion or a stale token is counted and ignored. [any]
class op_table {
public:
    op_table();
    ~op_table();
    /// `owner` tags the op with who will complete it: the number of a plugin generation in the lower half, and in the upper
    /// one which of its instances, or 0. Asked for a generation alone, the ops of all its instances count.
    sigrun_op mint(std::uint64_t owner, op_callback callback);
    /// Withdraws an op whose starting call failed; its callback is destroyed without being run. False: it was
    /// completed (or is not known).
    bool revoke(sigrun_op op) noexcept;
    /// Takes over the reference to `out`. False: unknown, stale or completed already.
    bool complete(sigrun_op op, sigrun_result result, sigrun_buf* out) noexcept;
    std::size_t open(std::uint64_t owner) const noexcept;
    std::size_t open() const noexcept;
    /// Completions that were ignored.
    std::uint64_t ignored() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun
