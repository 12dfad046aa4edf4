#include "container_executor.hpp"

#include <sigrun/cpp/fact_writer.hpp>

#include <algorithm>
#include <cstdlib>

namespace sigrun::container {
namespace {

constexpr sigrun_executor k_table = {
    sizeof(sigrun_executor),
    0,
    sdk::str("container"),
    [](sigrun_instance* i, sigrun_op op) noexcept {
        return sdk::guarded(nullptr, [&] { return sdk::self<container_executor>(i).describe(op); });
    },
    [](sigrun_instance* i, const sigrun_task* task, const sigrun_sink* sink, sigrun_op op) noexcept {
        return sdk::guarded(nullptr, [&] { return sdk::self<container_executor>(i).begin(*task, *sink, op, false); });
    },
    [](sigrun_instance* i, const sigrun_task* task, std::uint64_t, const sigrun_sink* sink, sigrun_op op) noexcept {
        return sdk::guarded(nullptr, [&] { return sdk::self<container_executor>(i).begin(*task, *sink, op, true); });
    },
    [](sigrun_instance* i, sigrun_op op, std::uint64_t grace_ns) noexcept {
        return sdk::guarded(nullptr, [&] { return sdk::self<container_executor>(i).cancel(op, grace_ns); });
    },
    [](sigrun_instance* i, sigrun_op op) noexcept { sdk::self<container_executor>(i).resume(op); },
    [](sigrun_instance* i, sigrun_op op, std::uint64_t offset) noexcept {
        sdk::self<container_executor>(i).stored(op, offset);
    },
};

std::vector<std::string> usual_sockets() {
    std::vector<std::string> all;
    const auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    if (const auto docker = variable("DOCKER_HOST"); docker.starts_with("unix:///")) all.push_back(docker.substr(7));
    all.emplace_back("/run/podman/podman.sock");
    all.emplace_back("/run/docker.sock");
    if (const auto own = variable("XDG_RUNTIME_DIR"); own.starts_with('/')) {
        all.push_back(own + "/podman/podman.sock");
        all.push_back(own + "/docker.sock");
    }
    return all;
}

}  // namespace

container_executor::container_executor(sdk::host host, const sdk::config_reader& config)
    : host_(host),
      rules_{config.text("network"), config.list("writable")},
      sockets_(config.list("sockets")),
      kill_grace_(config.duration("kill_grace")) {
    if (sockets_.empty()) sockets_ = usual_sockets();
}

container_executor::~container_executor() {
    std::list<running> all;
    std::thread drainer;
    {
        std::lock_guard lock(mutex_);
        draining_ = true;
        for (auto& one : all_)
            if (one.attempt) one.attempt->cancel(std::chrono::nanoseconds(0));
        all.swap(all_);
        drainer.swap(drainer_);
    }
    for (auto& one : all) one.thread.join();
    changed_.notify_all();
    if (drainer.joinable()) drainer.join();
}

const void* container_executor::interface(std::string_view id) noexcept {
    return id == SIGRUN_KIND_EXECUTOR ? &k_table : nullptr;
}

sigrun_result container_executor::describe(sigrun_op op) const {
    sdk::fact_writer facts;
    std::string why = "no socket of an engine";
    for (const auto& path : sockets_) {
        try {
            const auto version = engine_http(path).ask("GET", "/version", {}, std::chrono::seconds(2));
            boost::system::error_code ec;
            const auto v = boost::json::parse(version.body, ec);
            const auto* number = !ec && v.is_object() ? v.get_object().if_contains("Version") : nullptr;
            if (!version.good() || !number || !number->is_string())
                throw engine_error(sdk::concat(path, " is no engine"));
            facts.ok("isolation.container", std::string(number->get_string()), {.source = path, .volatility = "slow"});
            host_.complete_text(op, SIGRUN_OK, facts.take());
            return SIGRUN_PENDING;
        } catch (const engine_error& e) {
            why = e.what();
        }
    }
    facts.none("isolation.container", "absent", {.source = "engine", .volatility = "slow", .detail = why});
    host_.complete_text(op, SIGRUN_OK, facts.take());
    return SIGRUN_PENDING;
}

sigrun_result container_executor::begin(const sigrun_task& task, const sigrun_sink& sink, sigrun_op op, bool again) {
    join_those_over();
    attempt_terms terms;
    terms.op = op;
    terms.names = {std::string(sdk::view(task.attempt->job)), std::string(sdk::view(task.attempt->token)),
                   task.attempt->number};
    terms.document = sdk::view(task.json);
    terms.workspace = sdk::view(task.workspace);
    terms.sink = sink;
    terms.deadline_ns = task.deadline_ns;
    terms.kill_grace = kill_grace_;
    terms.again = again;
    auto attempt = std::make_shared<container_attempt>(host_, std::move(terms), rules_, sockets_);
    std::lock_guard lock(mutex_);
    if (draining_) return SIGRUN_E_CANCELLED;
    auto& in = all_.emplace_back();
    in.attempt = attempt;
    in.thread = std::thread([this, attempt, &in] {
        sdk::thread_scope scope(host_, "container-job");
        live(attempt, in);
    });
    return SIGRUN_PENDING;
}

void container_executor::live(const std::shared_ptr<container_attempt>& attempt, running& in) {
    const auto how = attempt->run();
    {
        std::lock_guard lock(mutex_);
        in.attempt.reset();
    }
    host_.complete_text(attempt->op(), how.result, how.json);
    {
        std::lock_guard lock(mutex_);
        in.over = true;
    }
    changed_.notify_all();
}

void container_executor::join_those_over() {
    std::list<running> over;
    {
        std::lock_guard lock(mutex_);
        for (auto at = all_.begin(); at != all_.end();) {
            auto next = std::next(at);
            if (at->over) over.splice(over.end(), all_, at);
            at = next;
        }
    }
    for (auto& one : over) one.thread.join();
}

std::shared_ptr<container_attempt> container_executor::find(sigrun_op op) {
    std::lock_guard lock(mutex_);
    for (const auto& one : all_)
        if (one.attempt && one.attempt->op() == op) return one.attempt;
    return nullptr;
}

sigrun_result container_executor::cancel(sigrun_op op, std::uint64_t grace_ns) {
    const auto attempt = find(op);
    if (!attempt) return SIGRUN_E_NOT_FOUND;
    constexpr std::uint64_t k_longest = 24ull * 3600 * 1'000'000'000;
    attempt->cancel(std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(grace_ns, k_longest))));
    return SIGRUN_OK;
}

void container_executor::resume(sigrun_op op) noexcept {
    if (const auto attempt = find(op)) attempt->resume();
}

void container_executor::stored(sigrun_op op, std::uint64_t offset) noexcept {
    if (const auto attempt = find(op)) attempt->stored(offset);
}

void container_executor::drain(std::uint64_t deadline_ns, sdk::op done) {
    std::lock_guard lock(mutex_);
    draining_ = true;
    drained_ = std::move(done);
    if (drainer_.joinable()) return;
    drainer_ = std::thread([this, deadline_ns] {
        sdk::thread_scope scope(host_, "container-drain");
        const auto none_left = [this] {
            return std::all_of(all_.begin(), all_.end(), [](const running& one) { return one.over; });
        };
        const auto until = steady::time_point(std::chrono::nanoseconds(static_cast<std::int64_t>(deadline_ns)));
        std::unique_lock waiting(mutex_);
        if (!changed_.wait_until(waiting, until, none_left)) {
            for (auto& one : all_)
                if (one.attempt) one.attempt->cancel(std::chrono::nanoseconds(0));
            changed_.wait(waiting, none_left);
        }
        auto answer = std::move(drained_);
        waiting.unlock();
        answer.ok();
    });
}

}  // namespace sigrun::container
