// Replacing plugins while the agent works: who changes over when, and how the controllers learn of it.
#include "kernel/agent/agent.hpp"
#include "kernel/agent/executor_facts.hpp"
#include "kernel/agent/own_facts.hpp"
#include "kernel/agent/plugin_sweep.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/executor.h>
#include <sigrun/probe.h>
#include <sigrun/protocol.h>

#include <boost/asio/post.hpp>

#include <iterator>
#include <utility>

namespace sigrun {
namespace {

// What set_swappers and the program around the agent have swappers for.
const std::vector<std::string_view> k_replaceable{SIGRUN_KIND_EXECUTOR, SIGRUN_KIND_PROBE, SIGRUN_KIND_PROTOCOL};

problem stopping() { return make_problem(errc::unavailable, "the runner is starting or stopping"); }

}  // namespace

void agent::set_swappers() {
    std::weak_ptr<agent> weak = weak_from_this();
    // Running attempts end in the executor that began them; offers that come now go to the new one.
    swapper executors;
    executors.check = [weak](const auto&, const auto& now) -> result<void> {
        auto self = weak.lock();
        if (!self || !self->table_) return stopping();
        return executor_set::usable(now);
    };
    executors.swap = [weak](const auto& old, const auto& now) {
        auto self = weak.lock();
        if (!self) return true;
        const bool left = self->table_->executors().replace(old, now);
        self->describe_again();
        return left;
    };
    executors.add = [weak](const auto& now) -> result<void> {
        auto self = weak.lock();
        if (!self || !self->table_) return stopping();
        SIGRUN_CHECK_OK(executor_set::usable(now));
        self->table_->executors().add(now);
        self->describe_again();
        return {};
    };
    executors.remove = [weak](const auto& old) -> result<void> {
        auto self = weak.lock();
        if (!self || !self->table_) return stopping();
        SIGRUN_CHECK_OK(self->table_->executors().remove(old));
        self->describe_again();
        return {};
    };
    host_.set_swapper(SIGRUN_KIND_EXECUTOR, std::move(executors));
    // The detector asks for the probes of the moment at each run; a new one is tried at once, and a removed one let go.
    auto changed = [weak](const auto&) -> result<void> {
        auto self = weak.lock();
        if (!self || !self->table_) return stopping();
        self->plugins_changed(true);
        return {};
    };
    swapper probes;
    probes.check = [weak](const auto&, const auto&) -> result<void> {
        if (auto self = weak.lock(); !self || !self->table_) return stopping();
        return {};
    };
    probes.swap = [changed](const auto&, const auto& now) {
        (void)changed(now);
        return true;
    };
    probes.add = probes.remove = changed;
    host_.set_swapper(SIGRUN_KIND_PROBE, std::move(probes));
}

void agent::reload_plugins(const std::string& name, std::function<void(const std::vector<swept_plugin>&)> done) {
    sweep_plugins(host_, name, k_replaceable, std::move(done));
}

// A controller asked. It waits for this answer by the number it gave.
void agent::reload_for(const json::object& request) {
    const auto number = number_or<std::uint64_t>(request, "request", 0);
    const std::string name(text_or(request, "plugin"));
    SIGRUN_LOG(logs::agent, info, "a controller asks to reload ", name.empty() ? "the plugins that changed" : name);
    // Over every link: the asker's own protocol may be among what was replaced, and its controller about to close it. Who gets
    // the answer twice ignores the second.
    reload_plugins(name, [weak = weak_from_this(), number](const auto& swept) {
        auto self = weak.lock();
        if (!self) return;
        self->renew_facts(nullptr);
        const json::object answer{{"reloaded", json::object{{"request", number}, {"plugins", to_json(swept)}}}};
        self->tell_all(answer);
    });
}

void agent::take_described(std::vector<fact> said) {
    std::lock_guard lock(mutex_);
    for (auto& f : said) {
        described_keys_.insert(f.key);
        // What is as it was is no news.
        for (const auto& known : described_)
            if (known.key == f.key && known.value == f.value && known.status == f.status) f = fact(known);
    }
    described_ = std::move(said);
}

// What the new one can do may differ.
void agent::describe_again() {
    ask_executors(host_, table_->executors().entries(), [weak = weak_from_this()](std::vector<fact> said) {
        auto self = weak.lock();
        if (!self) return;
        self->take_described(std::move(said));
        self->plugins_changed(false);
    });
}

void agent::plugins_changed(bool probes) {
    // Elsewhere: the swap is not over yet.
    boost::asio::post(host_.io(), [weak = weak_from_this(), probes] {
        auto self = weak.lock();
        if (!self) return;
        if (probes)
            self->probe_again();
        else
            self->tell_renewed(nullptr);
    });
}

void agent::probe_again() {
    {
        // One at a time: a run that is under way may still ask a probe that has been replaced since.
        std::lock_guard lock(mutex_);
        if (stopped_) return;
        probe_once_more_ = probing_;
        if (std::exchange(probing_, true)) return;
    }
    detector_.forget();
    detect_options what;
    what.patience = options_.facts_patience;
    detector_.detect(what, [weak = weak_from_this()](const capability_ptr& found) {
        auto self = weak.lock();
        if (!self) return;
        self->tell_renewed(found);
        bool again = false;
        {
            std::lock_guard lock(self->mutex_);
            self->probing_ = false;
            again = std::exchange(self->probe_once_more_, false);
        }
        if (again) self->plugins_changed(true);
    });
}

void agent::tell_renewed(const capability_ptr& found) {
    renew_facts(found);
    tell_all();
}

fact_revisions::change agent::renew_facts(const capability_ptr& found) {
    auto own = what_it_says_of_itself(slots());
    std::lock_guard lock(mutex_);
    // What is as it was is no news, and need not be told again.
    for (auto& f : own)
        if (const fact* known = facts_->find(f.key); known && known->value == f.value) f = *known;
    auto all = found ? renewed_facts(*facts_, *found) : facts_->facts();
    std::erase_if(all, [&](const fact& f) { return f.key.starts_with("runner.") || described_keys_.contains(f.key); });
    std::move(own.begin(), own.end(), std::back_inserter(all));
    all.insert(all.end(), described_.begin(), described_.end());
    return take_facts(std::move(all));
}

}  // namespace sigrun
