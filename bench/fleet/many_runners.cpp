#include "bench/fleet/many_runners.hpp"

#include "kernel/base/id.hpp"

#include <sigrun/cpp/text.hpp>

#include <utility>

namespace sigrun::bench {
namespace {

sigrun_frame frame_of(std::uint32_t kind, std::string_view text) {
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = kind;
    f.json = sdk::str(text);
    return f;
}

}  // namespace

many_runners::many_runners(plugin_host& host, std::shared_ptr<instance> protocol, runner_choice what)
    : host_(host),
      protocol_(std::move(protocol)),
      what_(std::move(what)),
      runners_(what_.count),
      random_(what_.first + 1) {
    for (std::uint32_t kind = 0; what_.machines && kind < k_machine_kinds; ++kind)
        kinds_.push_back(facts_of_kind(kind));
    for (unsigned i = 0; i < what_.count; ++i) {
        auto& r = runners_[i];
        r.name = what_.prefix + std::to_string(what_.first + i);
        r.key = random_secret(16);
        r.session = id::make().text();
        r.machine.number = what_.first + i;
    }
}

unsigned many_runners::turn() {
    const auto now = steady_clock::now();
    unsigned connected = 0;
    std::vector<link_ptr> beats;
    std::vector<unsigned> due;
    {
        std::lock_guard lock(mutex_);
        for (unsigned i = 0; i < runners_.size(); ++i) {
            auto& r = runners_[i];
            if (r.registered) {
                ++connected;
                if (now < r.next) continue;
                r.next = now + period();
                beats.push_back(r.via);
            } else if (!r.trying && now >= r.next && connecting_ < what_.connecting) {
                r.trying = true;
                ++connecting_;
                due.push_back(i);
            }
        }
    }
    static constexpr std::string_view k_beat = R"({"free":2,"live":0})";
    for (const auto& via : beats) via->send(frame_of(SIGRUN_BEAT, k_beat));
    for (auto i : due) connect(i);
    if (connected == what_.count) change_some();
    return connected;
}

void many_runners::close() {
    std::vector<link_ptr> all;
    {
        std::lock_guard lock(mutex_);
        closing_ = true;
        for (auto& r : runners_)
            if (r.via) all.push_back(r.via);
    }
    for (const auto& via : all) via->close();
}

std::string many_runners::last_problem() const {
    std::lock_guard lock(mutex_);
    return problem_;
}

/// A job is accepted and has succeeded, with what it was given as its result.
sigrun_result many_runners::on_frame(const link_ptr& via, const sigrun_frame& frame) {
    if (frame.kind != SIGRUN_OFFER || !frame.attempt) return SIGRUN_OK;
    static constexpr std::string_view k_succeeded = R"({"state":"succeeded","exit_code":0})";
    sigrun_frame state = frame_of(SIGRUN_STATE, k_succeeded);
    state.flags = SIGRUN_FRAME_LAST;
    state.attempt = frame.attempt;
    state.payload = frame.payload;
    return via->send(state);
}

void many_runners::on_lost(const link_ptr& which, const std::string& reason) {
    std::lock_guard lock(mutex_);
    for (auto& r : runners_)
        if (r.via == which) failed(r, reason);
}

void many_runners::failed(runner& r, const std::string& why) {
    if (std::exchange(r.trying, false)) --connecting_;
    r.registered = false;
    r.via.reset();
    r.next = steady_clock::now() + nanoseconds(random_u64() % 1'000'000'000ull);
    problem_ = why;
}

void many_runners::connect(unsigned i) {
    dial(host_, protocol_, {what_.url, "", ""}, weak_from_this(), [self = shared_from_this(), i](result<link_ptr> r) {
        if (r) return self->greet(i, *r);
        std::lock_guard lock(self->mutex_);
        self->failed(self->runners_[i], r.error().text());
    });
}

std::string many_runners::hello(runner& r) const {
    json::object head{
        {"name", r.name},          {"key", r.key}, {"session", r.session},       {"generation", ++r.generation},
        {"process", "fleet_load"}, {"slots", 2},   {"inventory", json::array{}}, {"facts_revision", ++r.revision}};
    if (!what_.machines) {
        head["kinds"] = json::array{};
        head["facts"] = json::array{};
        return json::serialize(head);
    }
    head["kinds"] = json::array{"call"};
    head["slots"] = r.machine.places();
    head["labels"] = r.machine.labels();
    // Seen at any time within the last minute: what changes all the time does not grow old all at once.
    const std::string own = json::serialize(r.machine.own_facts(std::int64_t{r.machine.number % 60} * 1'000'000'000));
    std::string text = json::serialize(head);
    text.pop_back();
    return text + ",\"facts\":[" + kinds_[r.machine.kind()] + "," + own.substr(1) + "}";
}

void many_runners::greet(unsigned i, const link_ptr& via) {
    std::string text;
    {
        std::lock_guard lock(mutex_);
        runners_[i].via = via;
        text = hello(runners_[i]);
    }
    via->call_once("runners.register", "", text, [self = shared_from_this(), i, via](result<std::string> welcome) {
        {
            std::lock_guard lock(self->mutex_);
            auto& r = self->runners_[i];
            if (r.via != via) return;
            if (welcome && !self->closing_) {
                r.trying = false;
                --self->connecting_;
                r.registered = true;
                // Spread, so that beats do not come in waves.
                r.next = steady_clock::now() +
                         nanoseconds(random_u64() % static_cast<std::uint64_t>(self->period().count()));
                return;
            }
            self->failed(r, welcome ? "closing" : welcome.error().text());
        }
        via->close();
    });
}

/// Of eight changes four are of free memory, one of a measured speed, two of a tool, and one of health: gone and back.
json::array many_runners::change(runner& r) {
    switch (changes_++ % 8) {
        case 0: return r.machine.changed_speed(random_);
        case 1:
        case 2: r.machine.docker = !r.machine.docker; return r.machine.changed_tools();
        default: return r.machine.changed_memory(random_);
    }
}

void many_runners::change_some() {
    const auto now = steady_clock::now();
    if (what_.changes_per_s <= 0) return;
    if (changing_since_ == steady_clock::time_point{}) changing_since_ = now;
    const double due = std::chrono::duration<double>(now - changing_since_).count() * what_.changes_per_s;
    while (static_cast<double>(changes_) < due) {
        random_ = random_ * 6364136223846793005u + 1442695040888963407u;
        auto& r = runners_[((random_ >> 32) * runners_.size()) >> 32];
        link_ptr via;
        std::string text;
        {
            std::lock_guard lock(mutex_);
            if (!r.registered) {
                ++changes_;
                continue;
            }
            via = r.via;
            if (changes_ % 8 == 7) {
                // It is in no state to take jobs, and is again: two beats.
                ++changes_;
            } else {
                const std::uint64_t before = r.revision++;
                json::object told{{"process", "fleet_load"}, {"facts_base", before}, {"facts_revision", r.revision}};
                told["facts"] = change(r);
                text = json::serialize(told);
            }
        }
        if (!text.empty()) {
            via->send(frame_of(SIGRUN_HELLO, text));
        } else {
            static constexpr std::string_view k_full = R"({"free":0,"live":0,"not_ready":"too little disk"})";
            static constexpr std::string_view k_well = R"({"free":2,"live":0})";
            via->send(frame_of(SIGRUN_BEAT, k_full));
            via->send(frame_of(SIGRUN_BEAT, k_well));
        }
    }
}

}  // namespace sigrun::bench
