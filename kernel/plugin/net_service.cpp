// The service net/1 over the runtime's network.
#include "kernel/net/network.hpp"
#include "kernel/plugin/guest.hpp"

#include <sigrun/cpp/error.hpp>

#include <condition_variable>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_last_answers{1};

sigrun_result refuse(sigrun_error* error, const problem& why) noexcept {
    sdk::report(error, why.to_abi(), why.text());
    if (error) error->retry_after_ms = why.retry_after_ms;
    return why.to_abi();
}

/// Counts one dial until its `done` has returned.
struct open_dial {
    explicit open_dial(schedule_count counts) : count(std::move(counts)) { count->fetch_add(1); }
    open_dial(const open_dial&) = delete;
    open_dial& operator=(const open_dial&) = delete;
    ~open_dial() { count->fetch_sub(1); }
    const schedule_count count;
};

void tell(sigrun_dialled done, void* ctx, result<dialled> outcome) noexcept {
    if (!outcome) {
        sdk::error_text text;
        const auto code = refuse(&text.abi, outcome.error());
        return done(ctx, code, nullptr, &text.abi);
    }
    sigrun_connection opened{};
    opened.struct_size = sizeof opened;
    if (outcome->local) opened.flags |= SIGRUN_NET_UNIX;
    if (outcome->tls) opened.flags |= SIGRUN_NET_TLS;
    opened.connect_ns = static_cast<std::uint64_t>(outcome->connect_time.count());
    opened.alpn = sdk::str(outcome->alpn);
    opened.peer = sdk::str(outcome->peer);
    opened.fd = outcome->fd.release();
    done(ctx, SIGRUN_OK, &opened, nullptr);
}

result<std::uint64_t> dial(guest& owner, const sigrun_net_target& target, sigrun_dialled done, void* ctx) {
    dial_request to;
    to.address = sdk::view(target.address);
    to.tls = (target.flags & SIGRUN_NET_TLS) != 0;
    to.alpn = sdk::view(target.alpn);
    to.options = sdk::view(target.options);
    to.owner = owner.number;
    if (target.deadline_ns) to.deadline = time_point(nanoseconds(target.deadline_ns));
    auto counted = std::make_shared<open_dial>(owner.dials);
    auto answer = [counted = std::move(counted), done, ctx](result<dialled> outcome) {
        tell(done, ctx, std::move(outcome));
    };
    return owner.rt->connections->dial(std::move(to), std::move(answer));
}

}  // namespace

void guest::end_dials() noexcept {
    if (!rt || !dials->load()) return;
    rt->connections->cancel_all(number);
    if (rt->connections->here()) return;  // it is one of these answers that lets the plugin go
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    const auto until = std::chrono::steady_clock::now() + k_last_answers;
    while (dials->load() && std::chrono::steady_clock::now() < until)
        never.wait_for(lock, std::chrono::milliseconds(1));
}

const sigrun_svc_net& net_service() noexcept {
    static constexpr sigrun_svc_net table{
        sizeof(sigrun_svc_net), 0,
        [](const sigrun_host* host, const sigrun_net_target* target, sigrun_dialled done, void* ctx, std::uint64_t* id,
           sigrun_error* error) noexcept -> sigrun_result {
            return sdk::guarded(error, [&]() -> sigrun_result {
                guest& owner = host_face::of(host).owner;
                if (owner.retired()) return SIGRUN_E_CANCELLED;
                constexpr std::size_t needed = offsetof(sigrun_net_target, deadline_ns) + sizeof target->deadline_ns;
                if (!target || !done || target->struct_size < needed) return SIGRUN_E_INVALID;
                auto begun = dial(owner, *target, done, ctx);
                if (!begun) return refuse(error, begun.error());
                if (id) *id = *begun;
                return SIGRUN_OK;
            });
        },
        [](const sigrun_host* host, std::uint64_t id) noexcept {
            guest& owner = host_face::of(host).owner;
            if (!owner.retired()) owner.rt->connections->cancel(id, owner.number);
        }};
    return table;
}

}  // namespace sigrun
