#include "kernel/serve/runner_sections.hpp"

#include "kernel/log/loggers.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_look_again{500};
constexpr std::string_view k_gone = "removed from the configuration";
constexpr std::string_view k_changed = "changed in the configuration";

}  // namespace

// Looks after runners that wait for their last job. A pin of its own, so that it may outlive the sections by one firing.
struct runner_sections::sweeper final : timer_node, std::enable_shared_from_this<sweeper> {
    explicit sweeper(runner_sections& o) : owner(&o) {}
    std::shared_ptr<void> pin() noexcept override { return weak_from_this().lock(); }
    void on_timer() override {
        std::lock_guard lock(mutex);
        if (owner) owner->sweep();
    }
    std::mutex mutex;
    runner_sections* owner;
};

runner_sections::runner_sections(fleet& links, selector& select, timer_wheel& timers, const clock& clk)
    : links_(links), select_(select), timers_(timers), clock_(clk), sweeper_(std::make_shared<sweeper>(*this)) {}

runner_sections::~runner_sections() {
    {
        std::lock_guard lock(sweeper_->mutex);
        sweeper_->owner = nullptr;
    }
    timers_.disarm(*sweeper_);
}

runner_identity runner_of_section(const std::string& name, const bound_section& section) {
    runner_identity r;
    r.name = name;
    r.endpoint = section.text("endpoint");
    if (auto profile = section.text("profile"); profile != "native") r.profile = profile;
    if (auto slots = section.integer("slots")) r.slots = static_cast<std::uint16_t>(slots);
    r.options = section.text("options");
    r.from_config = true;
    for (const auto& label : section.list("labels")) {
        auto eq = label.find('=');
        r.labels[label.substr(0, eq)] = eq == std::string::npos ? "" : label.substr(eq + 1);
    }
    return r;
}

result<void> runner_sections::check(const daemon_settings& bound, const settings& config) const {
    for (const auto& [name, section] : bound.runners) {
        auto good = links_.check(runner_of_section(name, *section));
        if (!good) {
            auto p = good.error();
            const auto* written = config.find("runner " + name);
            p.field = "runner " + name + (p.field.empty() ? "" : "." + p.field);
            if (written && !p.found.empty()) p.found += " (" + written->origin + ")";
            return p;
        }
    }
    return {};
}

void runner_sections::apply(const daemon_settings& bound) {
    std::lock_guard lock(mutex_);
    for (const auto& [name, section] : bound.runners) {
        auto used = used_.find(name);
        if (used != used_.end()) {
            const auto keys = section->differing_keys(*used->second);
            if (keys.empty()) continue;
            // Read when a link is opened: it begins anew once its jobs are done.
            if (std::any_of(keys.begin(), keys.end(), [](const auto& k) { return k == "profile" || k == "options"; }))
                take_out(name, section);
            else if (auto leaving = leaving_.find(name); leaving != leaving_.end())
                leaving->second = section;
            else
                use(name, *section);
        } else if (auto leaving = leaving_.find(name); leaving != leaving_.end()) {
            leaving->second = section;
        } else {
            use(name, *section);
        }
        used_[name] = section;
    }
    for (auto it = used_.begin(); it != used_.end();) {
        if (bound.runners.contains(it->first)) {
            ++it;
            continue;
        }
        take_out(it->first, nullptr);
        it = used_.erase(it);
    }
    if (!leaving_.empty()) timers_.arm(*sweeper_, clock_.now() + k_look_again);
}

// A new runner, or one whose links stay up if they lead to the endpoint it has now.
void runner_sections::use(const std::string& name, const bound_section& section) {
    auto identity = runner_of_section(name, section);
    if (auto known = links_.find(name)) {
        std::lock_guard lock((*known)->info->mutex);
        auto& have = (*known)->info->identity;
        identity.key_hash = have.key_hash;
        have.slots = identity.slots;
    }
    if (auto used = links_.add(std::move(identity)); !used)
        SIGRUN_LOG(logs::config, error, "[runner ", name, "] is not used: ", used.error().text());
}

void runner_sections::take_out(const std::string& name, const std::shared_ptr<const bound_section>& then) {
    auto known = links_.find(name);
    if (!known) {
        if (then) use(name, *then);
        return;
    }
    bool ours = false;
    {
        std::lock_guard lock((*known)->info->mutex);
        ours = (*known)->info->identity.from_config;
    }
    if (!ours) return;
    links_.set_admin(*known, admin_state::draining, then ? k_changed : k_gone);
    leaving_[name] = then;
}

void runner_sections::sweep() {
    std::lock_guard lock(mutex_);
    for (auto it = leaving_.begin(); it != leaving_.end();) {
        const auto& [name, then] = *it;
        auto known = links_.find(name);
        bool busy = false;
        if (known) {
            std::lock_guard guard((*known)->mutex);
            busy = (*known)->indexed && select_.in_flight((*known)->slot) > 0;
        }
        if (busy) {
            ++it;
            continue;
        }
        if (known)
            if (auto gone = links_.remove(*known, then ? k_changed : k_gone); !gone)
                SIGRUN_LOG(logs::config, warning, "runner ", name, " is not removed: ", gone.error().text());
        if (then) use(name, *then);
        it = leaving_.erase(it);
    }
    if (!leaving_.empty()) timers_.arm(*sweeper_, clock_.now() + k_look_again);
}

}  // namespace sigrun
