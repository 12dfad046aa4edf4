#include "link.hpp"
#include "wire/json_text.hpp"

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

sigrun_result deliver_frame(const sdk::host& host, const sigrun_sink& sink, const wire_frame& f) {
    const sigrun_attempt attempt{sizeof attempt, f.attempt.value_or(0), sdk::str(f.job), sdk::str(f.token)};
    sdk::buffer payload;
    if (f.has_payload) payload = sdk::buffer(host, f.payload);
    const sigrun_frame frame{sizeof frame,
                             f.kind,
                             f.flags,
                             f.stream,
                             f.seq,
                             0,
                             f.offset,
                             f.time_ns,
                             0,
                             f.attempt ? &attempt : nullptr,
                             sdk::str(f.json),
                             payload.get()};
    return sink.on_frame(sink.ctx, &frame);
}

void deliver_bye(const sigrun_sink& sink, std::string_view reason) {
    std::string json(reason);
    if (json.empty() || json[0] != '{') {
        json_members m;
        m.text("reason", reason);
        json = m.finish();
    }
    sigrun_frame bye{};
    bye.struct_size = sizeof bye;
    bye.kind = SIGRUN_BYE;
    bye.flags = SIGRUN_FRAME_LAST;
    bye.json = sdk::str(json);
    sink.on_frame(sink.ctx, &bye);
}

}  // namespace sigrun::http
