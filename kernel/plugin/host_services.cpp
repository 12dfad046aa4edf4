// The sigrun_host table itself and the services log/1, buffer/1 and metric/1.
#include "kernel/plugin/guest.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_message = 16 * 1024;
constexpr std::uint32_t k_max_pairs = 32;

// Texts of a plugin end in the log and in labels; nothing makes it keep them short.
std::string_view bounded(sigrun_str text) noexcept { return sdk::view(text).substr(0, k_max_message); }

std::uint32_t log_level_now(const sigrun_host* host) noexcept {
    const host_face& face = host_face::of(host);
    std::uint32_t most = 0;
    if (face.owner.retired()) return most;
    for (auto level : {log_level::error, log_level::warning, log_level::info, log_level::debug, log_level::trace})
        if (face.log.enabled(level)) most = static_cast<std::uint32_t>(level);
    return most;
}

void log_write(const sigrun_host* host, std::uint32_t level, sigrun_str message, const sigrun_str* kv,
               std::uint32_t n_pairs) noexcept {
    const host_face& face = host_face::of(host);
    auto known = static_cast<log_level>(std::clamp<std::uint32_t>(level, SIGRUN_LOG_ERROR, SIGRUN_LOG_TRACE));
    if (face.owner.retired() || !face.log.enabled(known)) return;
    try {
        std::string text(bounded(message));
        for (std::uint32_t i = 0; kv && i < std::min(n_pairs, k_max_pairs); ++i)
            text += sdk::concat(" ", bounded(kv[2 * i]), "=", bounded(kv[2 * i + 1]));
        face.log.write(known, text);
    } catch (const std::bad_alloc&) {
        // Out of memory: the line is lost, the plugin's work is not.
    }
}

sigrun_metric* make_metric(const sigrun_host* host, bool is_counter, sigrun_str name, sigrun_str help,
                           const sigrun_str* kv, std::uint32_t n_pairs) noexcept {
    guest& owner = host_face::of(host).owner;
    if (owner.retired() || n_pairs > k_max_pairs || (n_pairs && !kv)) return nullptr;
    try {
        metric_labels labels;
        for (std::uint32_t i = 0; i < n_pairs; ++i)
            labels.emplace(std::string(bounded(kv[2 * i])), std::string(bounded(kv[2 * i + 1])));
        return owner.metric(is_counter, bounded(name), bounded(help), std::move(labels));
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void metric_add(sigrun_metric* metric, double value) noexcept {
    if (!metric || metric->retired->load(std::memory_order_acquire)) return;
    std::visit([value](auto& number) { number.add(value); }, metric->number);
}

void metric_set(sigrun_metric* metric, double value) noexcept {
    if (!metric || metric->retired->load(std::memory_order_acquire)) return;
    if (auto* number = std::get_if<gauge>(&metric->number)) number->set(value);
}

const sigrun_svc_log k_log_table{sizeof(sigrun_svc_log), 0, &log_level_now, &log_write};

const sigrun_svc_metric k_metric_table{
    sizeof(sigrun_svc_metric),
    0,
    [](const sigrun_host* host, sigrun_str name, sigrun_str help, const sigrun_str* kv, std::uint32_t n) noexcept {
        return make_metric(host, true, name, help, kv, n);
    },
    [](const sigrun_host* host, sigrun_str name, sigrun_str help, const sigrun_str* kv, std::uint32_t n) noexcept {
        return make_metric(host, false, name, help, kv, n);
    },
    &metric_add,
    &metric_set,
};

const void* get_service(const sigrun_host* host, sigrun_str id) noexcept {
    if (host_face::of(host).owner.retired()) return nullptr;
    const std::string_view name = sdk::view(id);
    if (name == SIGRUN_SVC_LOG) return &k_log_table;
    if (name == SIGRUN_SVC_BUFFER) return &buffer_service();
    if (name == SIGRUN_SVC_SCHED) return &sched_service();
    if (name == SIGRUN_SVC_CALL) return &call_service();
    if (name == SIGRUN_SVC_LINK) return &link_service();
    if (name == SIGRUN_SVC_METRIC) return &k_metric_table;
    if (name == SIGRUN_SVC_BROKER) return &broker_service();
    if (name == SIGRUN_SVC_NET) return &net_service();
    return nullptr;
}

void complete(const sigrun_host* host, sigrun_op op, sigrun_result result, sigrun_buf* out) noexcept {
    host_face& face = host_face::of(host);
    if (face.owner.retired()) {
        buffer_ref::adopt(out);
        return;
    }
    if (face.owner.rt->ops.complete(op, result, out)) return face.owner.calls.ended(result);
    face.owner.rt->ignored_completions.add();
    SIGRUN_LOG(face.log, debug, "completed an operation that is not open");
}

}  // namespace

void fill_host(sigrun_host& abi) noexcept {
    abi.get_service = &get_service;
    abi.complete = &complete;
}

}  // namespace sigrun
