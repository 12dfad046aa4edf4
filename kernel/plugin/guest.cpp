#include "kernel/plugin/guest.hpp"

#include <exception>
#include <vector>

namespace sigrun {

host_face::host_face(guest& of, std::string called)
    : owner(of), name(std::move(called)), log(logger::get("plugin/" + name)) {
    abi.struct_size = sizeof abi;
    abi.abi_major = SIGRUN_ABI_MAJOR;
    abi.abi_minor = SIGRUN_ABI_MINOR;
    abi.ctx = this;
    abi.generation = of.number;
    fill_host(abi);
}

guest& guest::make(std::uint64_t number, std::string plugin_id, std::shared_ptr<runtime> rt) {
    static std::mutex mutex;
    static auto& all = *new std::vector<std::unique_ptr<guest>>;  // reachable until the end, never destroyed
    std::unique_ptr<guest> made(new guest(number, std::move(plugin_id), std::move(rt)));
    std::lock_guard lock(mutex);
    all.push_back(std::move(made));
    return *all.back();
}

host_face& guest::add_face(std::string name) {
    std::lock_guard lock(mutex_);
    return faces_.emplace_back(*this, std::move(name));
}

std::string guest::still_open() const {
    std::string out;
    auto add = [&out](std::int64_t n, const char* what) {
        if (n > 0) out += (out.empty() ? "" : ", ") + std::to_string(n) + " " + what;
    };
    {
        std::lock_guard lock(mutex_);
        add(static_cast<std::int64_t>(threads_.size()), "threads");
    }
    add(scheduled->load(), "timers or watches");
    add(posted->load(), "posted functions");
    add(dials->load(), "connections being opened");
    if (rt) add(static_cast<std::int64_t>(rt->ops.open(number)), "operations");
    return out;
}

std::vector<std::string> guest::open_things() const {
    std::vector<std::string> out;
    auto add = [&out](std::int64_t n, const char* one, const char* many) {
        if (n > 0) out.push_back(std::to_string(n) + " " + (n == 1 ? one : many));
    };
    {
        std::lock_guard lock(mutex_);
        for (const auto& [token, name] : threads_) out.push_back("thread " + (name.empty() ? "without a name" : name));
    }
    add(scheduled->load(), "timer or watch", "timers or watches");
    add(posted->load(), "posted function", "posted functions");
    add(dials->load(), "connection being opened", "connections being opened");
    if (rt) add(static_cast<std::int64_t>(rt->ops.open(number)), "open operation", "open operations");
    return out;
}

void guest::retire() noexcept {
    bool quiet = still_open().empty();
    retired_.store(true, std::memory_order_release);
    if (quiet) rt.reset();
}

std::uint64_t guest::thread_entered(std::string name) {
    std::lock_guard lock(mutex_);
    std::uint64_t token = next_thread_++;
    threads_.emplace(token, std::move(name));
    return token;
}

void guest::thread_left(std::uint64_t token) {
    std::lock_guard lock(mutex_);
    threads_.erase(token);
}

sigrun_metric* guest::metric(bool is_counter, std::string_view name, std::string_view help,
                             metric_labels labels) noexcept {
    try {
        std::string key(name);
        for (const auto& [label, value] : labels) key += '\n' + label + '\n' + value;
        std::lock_guard lock(mutex_);
        if (auto found = metrics_.find(key); found != metrics_.end())
            return std::holds_alternative<counter>(found->second->number) == is_counter ? found->second.get() : nullptr;
        std::unique_ptr<sigrun_metric> made;
        if (is_counter)
            made.reset(new sigrun_metric{rt->numbers.get_counter(name, help, labels), &retired_});
        else
            made.reset(new sigrun_metric{rt->numbers.get_gauge(name, help, labels), &retired_});
        return metrics_.emplace(std::move(key), std::move(made)).first->second.get();
    } catch (const std::exception& e) {
        SIGRUN_LOG(logger::get("plugin"), warning, plugin_id, ": metric refused: ", std::string_view(e.what()));
        return nullptr;
    }
}

}  // namespace sigrun
