// The ports of RDMA devices (InfiniBand, RoCE, iWARP). Pure but for the files below the sysroot.
#pragma once

#include <sigrun/cpp/device_list.hpp>

namespace sigrun::rdma {

void collect(const sdk::sysroot& root, sdk::probe_run& run);

/// "100 Gb/sec (4X EDR)" in bits per second.
std::optional<std::uint64_t> parse_rate(std::string_view text) noexcept;
/// "4: ACTIVE" in lower case: "active".
std::optional<std::string> parse_state(std::string_view text);

}  // namespace sigrun::rdma
