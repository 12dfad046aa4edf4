// Reads one log from any offset on, with a descriptor of its own: beside appends it takes the log's lock for a look at the
// index alone. Not thread-safe.
#pragma once

#include "kernel/job/log_store.hpp"
#include "kernel/net/unique_fd.hpp"
#include "kernel/plugin/buffer.hpp"

namespace sigrun {

struct log_piece {
    log_segment at;
    buffer_ref content;
};

class log_reader {
public:
    explicit log_reader(std::shared_ptr<const job_log> log) : log_(std::move(log)) {}
    /// Up to about 64 KiB from `offset`, cut at segments; empty at the end.
    result<std::vector<log_piece>> read(std::uint64_t offset);

private:
    const std::shared_ptr<const job_log> log_;
    unique_fd file_;
};

}  // namespace sigrun
