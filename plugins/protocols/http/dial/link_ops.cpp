#include "link.hpp"

#include <sigrun/cpp/error.hpp>

namespace sigrun::http {
namespace {

constexpr sigrun_link_ops k_ops{
    sizeof(sigrun_link_ops),
    0,
    [](sigrun_link* link, const sigrun_frame* offer) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return link->execute(*offer); });
    },
    [](sigrun_link* link, const sigrun_attempt* attempt, std::uint64_t offset, sigrun_op op) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return link->attach(*attempt, offset, op); });
    },
    [](sigrun_link* link, const sigrun_attempt* attempt, std::uint64_t grace) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return link->cancel(*attempt, grace); });
    },
    [](sigrun_link* link, sigrun_op op) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return link->describe(op); });
    },
    [](sigrun_link* link, sigrun_op op) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return link->ping(op); });
    },
    [](sigrun_link* link, const sigrun_frame* frame) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return link->send(*frame); });
    },
    [](sigrun_link* link, const sigrun_call* call, const sigrun_sink* replies, sigrun_op op) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return link->call(*call, *replies, op); });
    },
    [](sigrun_link* link, sigrun_result why, sigrun_op op) noexcept {
        sdk::guarded(nullptr, [&] { link->close(why, op); });
    }};

}  // namespace

const sigrun_link_ops& link_ops() noexcept { return k_ops; }

}  // namespace sigrun::http
