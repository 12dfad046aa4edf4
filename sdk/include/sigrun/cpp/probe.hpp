// sigrun/cpp/probe.hpp: from one function to a probe component. Header-only.
//
//   struct memory_probe {
//       static constexpr std::string_view keys = "memory.*";
//       static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS, soft_ms = 250, hard_ms = 1000;
//       static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run);
//   };
//   SIGRUN_PLUGIN(..., sigrun::sdk::component<sigrun::sdk::probe_component<memory_probe>>("memory",
//   SIGRUN_KIND_PROBE, "..."))
//
// One with options or something to remember has a constructor (const config_reader&) or (const host&, const config_reader&),
// which may throw failure, and a collect that is no static function; it is never called twice at once.
#pragma once

#include <sigrun/cpp/fact_writer.hpp>
#include <sigrun/cpp/plugin.hpp>
#include <sigrun/probe.h>

#include <atomic>
#include <chrono>
#include <type_traits>

namespace sigrun::sdk {

/// What a collecting function works with: where facts go, and whether it should come to an end.
class probe_run {
public:
    probe_run(std::string_view keys, const sigrun_sink* sink, const std::atomic<sigrun_op>* cancelled, sigrun_op op,
              std::uint64_t deadline_ns) noexcept
        : keys_(keys), sink_(sink), cancelled_(cancelled), op_(op), deadline_ns_(deadline_ns) {}

    fact_writer& facts() noexcept { return facts_; }
    /// Sends what was written so far. False: cancelled or past the deadline; return without further work.
    bool go_on() {
        send();
        const auto now = std::chrono::steady_clock::now().time_since_epoch();
        if (cancelled_ && cancelled_->load() == op_) stopped_ = true;
        if (deadline_ns_ && now >= std::chrono::nanoseconds(deadline_ns_)) stopped_ = true;
        return !stopped_;
    }
    /// How long something that is waited for may take: `longest`, or what is left until the deadline.
    std::chrono::milliseconds time_left(std::chrono::milliseconds longest) const noexcept {
        if (!deadline_ns_) return longest;
        const auto left = std::chrono::nanoseconds(deadline_ns_) - std::chrono::steady_clock::now().time_since_epoch();
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left);
        return std::clamp(ms, std::chrono::milliseconds::zero(), longest);
    }
    /// Sends the rest, and says so if the run was stopped before it knew everything.
    void finish() {
        for (std::string_view rest = keys_; stopped_ && !rest.empty();) {
            const auto comma = rest.find(',');
            facts_.none(rest.substr(0, comma), "timeout",
                        {.source = "probe", .detail = "stopped before everything was read"});
            rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
        }
        send();
    }

private:
    void send() {
        if (facts_.empty()) return;
        const std::string json = facts_.take();
        sigrun_frame frame{};
        frame.struct_size = sizeof frame;
        frame.kind = SIGRUN_STATE;
        frame.json = str(json);
        if (sink_->on_frame(sink_->ctx, &frame) < 0) stopped_ = true;  // nobody wants them any more
    }
    std::string_view keys_;
    const sigrun_sink* sink_;
    const std::atomic<sigrun_op>* cancelled_;
    sigrun_op op_;
    std::uint64_t deadline_ns_;
    fact_writer facts_;
    bool stopped_ = false;
};

/// A component whose run calls Probe::collect on the host's thread.
template <class Probe>
class probe_component {
public:
    probe_component(host h, const config_reader& config) : host_(h), probe_(make(h, config)) {}
    const void* interface(std::string_view id) noexcept { return id == SIGRUN_KIND_PROBE ? &k_table : nullptr; }

private:
    static Probe make([[maybe_unused]] const host& h, [[maybe_unused]] const config_reader& config) {
        if constexpr (std::is_constructible_v<Probe, const host&, const config_reader&>)
            return Probe(h, config);
        else if constexpr (std::is_constructible_v<Probe, const config_reader&>)
            return Probe(config);
        else
            return Probe();
    }
    static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                             sigrun_op token) noexcept {
        auto& me = self<probe_component>(instance);
        op done(me.host_, token);
        const auto result = guarded(nullptr, [&] {
            try {
                const sysroot root(view(req->sysroot));
                probe_run run(Probe::keys, sink, &me.cancelled_, token, req->deadline_ns);
                me.probe_.collect(root, run);
                run.finish();
                done.ok();
            } catch (const std::exception& e) {
                done.fail(SIGRUN_E_INTERNAL, e.what());
            }
        });
        return result == SIGRUN_OK ? SIGRUN_PENDING : (done.forget(), result);
    }
    static void cancel(sigrun_instance* instance, sigrun_op token) noexcept {
        self<probe_component>(instance).cancelled_.store(token);
    }
    static constexpr sigrun_probe k_table = {sizeof(sigrun_probe), Probe::flags, Probe::soft_ms, Probe::hard_ms,
                                             str(Probe::keys),     &run,         &cancel,        nullptr};

    host host_;
    Probe probe_;
    std::atomic<sigrun_op> cancelled_{0};
};

}  // namespace sigrun::sdk
