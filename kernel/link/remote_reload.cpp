#include "kernel/link/remote_reload.hpp"

#include "kernel/link/fleet.hpp"

#include <sigrun/cpp/text.hpp>

#include <vector>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_reload_limit{60};  // several plugins, each with a trial of some seconds
constexpr std::size_t k_max_open = 1024;

}  // namespace

void remote_reloads::ask(const member_ptr& who, const link_ptr& via, const std::string& plugin, time_point until,
                         answer_fn done) {
    std::uint64_t number = 0;
    {
        std::lock_guard lock(mutex_);
        if (open_.size() < k_max_open) {
            number = next_++;
            open_[number] = {who, until, done};
        }
    }
    if (!number) return done(problem{errc::busy, "too many runners are asked already", "", "", "", 1000});
    json::object request{{"request", number}};
    if (!plugin.empty()) request["plugin"] = plugin;
    const auto text = json::serialize(json::object{{"reload", std::move(request)}});
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_HELLO;
    frame.json = sdk::str(text);
    if (via->send(frame) >= 0) return;
    {
        std::lock_guard lock(mutex_);
        if (!open_.erase(number)) return;  // somebody was faster
    }
    done(make_problem(errc::unavailable, "the runner cannot be asked at the moment"));
}

void remote_reloads::answered(const member_ptr& from, const json::object& reloaded) {
    answer_fn done;
    {
        std::lock_guard lock(mutex_);
        auto at = open_.find(number_or<std::uint64_t>(reloaded, "request", 0));
        if (at == open_.end() || at->second.who != from) return;
        done = std::move(at->second.done);
        open_.erase(at);
    }
    const auto* plugins = array_or_null(reloaded, "plugins");
    if (plugins)
        done(*plugins);
    else
        done(make_problem(errc::invalid, "the runner's answer has no plugins"));
}

void remote_reloads::fail_all(const std::function<bool(const question&)>& which, const problem& why) {
    std::vector<answer_fn> over;
    {
        std::lock_guard lock(mutex_);
        for (auto it = open_.begin(); it != open_.end();) {
            if (!which(it->second)) {
                ++it;
                continue;
            }
            over.push_back(std::move(it->second.done));
            it = open_.erase(it);
        }
    }
    for (const auto& done : over) done(why);
}

void remote_reloads::lost(const member_ptr& who) {
    fail_all([&](const question& q) { return q.who == who; },
             make_problem(errc::unavailable, "the connection to the runner ended before its answer"));
}

void remote_reloads::expire(time_point now) {
    fail_all([&](const question& q) { return q.until < now; },
             make_problem(errc::timeout, "the runner gave no answer within 60 s; perhaps it is of an older version"));
}

void remote_reloads::end() {
    fail_all([](const question&) { return true; }, make_problem(errc::unavailable, "the daemon is stopping"));
}

void fleet::reload(const member_ptr& m, const std::string& plugin, remote_reloads::answer_fn done) {
    link_ptr via;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions)
            if (s.via->alive() && !via) via = s.via;
    }
    if (!via) return done(make_problem(errc::unavailable, "runner " + m->info->identity.name + " is not connected"));
    if (m->info->foreign)
        return done(problem{errc::unsupported, "this runner has no plugins that Sigrun could replace", "id",
                            "a runner that runs sigrun-runner", m->info->identity.name});
    reloads_.ask(m, via, plugin, clock_.now() + k_reload_limit, std::move(done));
}

}  // namespace sigrun
