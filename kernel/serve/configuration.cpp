#include "kernel/serve/configuration.hpp"

#include "kernel/base/guarded.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_waiting = 16;
constexpr std::size_t k_max_lines = 20;    // of one change in the log
constexpr std::size_t k_max_changes = 50;  // in an event

json::value text_or_null(const std::optional<std::string>& text) {
    return text ? json::value(*text) : json::value(nullptr);
}

json::array changes_json(const std::vector<config_change>& changes, const secret_names& secrets, std::size_t most) {
    json::array out;
    for (const auto& each : changes) {
        if (out.size() == most) break;
        const auto change = shown(each, secrets);
        json::object o{{"section", change.section},
                       {"key", change.key},
                       {"from", text_or_null(change.before)},
                       {"to", text_or_null(change.after)},
                       {"origin", change.origin}};
        if (!change.effect.empty()) o["effect"] = change.effect;
        if (!change.reason.empty()) o["reason"] = change.reason;
        out.push_back(std::move(o));
    }
    return out;
}

json::array texts(const std::vector<std::string>& list) { return json::array(list.begin(), list.end()); }

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

std::string effect_name(section_effect::kind_t kind) {
    switch (kind) {
        case section_effect::none: return "none";
        case section_effect::hot: return "hot";
        case section_effect::new_instance: return "new instance";
        case section_effect::added: return "added";
        case section_effect::removed: return "removed";
        case section_effect::restart: return "restart";
    }
    return "none";
}

void add_secrets(const daemon_settings& bound, secret_names& to) {
    for (const auto& [name, section] : bound.sections)
        for (const auto& key : section->secret_keys()) to.insert(name + "." + key);
    for (const auto& [name, section] : bound.runners)
        for (const auto& key : section->secret_keys()) to.insert("runner " + name + "." + key);
}

// Members of an event, without the braces around them.
std::string members(const json::object& o) {
    const auto text = json::serialize(o);
    return text.substr(1, text.size() - 2);
}

}  // namespace

struct configuration::attempt {
    request what;
    std::vector<answer> done;
    bool plain_reload() const { return !what.dry_run && !what.revision; }
    std::vector<config_file> files{};
    settings merged{};
    daemon_settings bound{};
    std::vector<config_change> changes{};
    secret_names secrets{};  // of both sides
    std::vector<std::string> restart_needed{};
    std::string note{};
    std::uint64_t revision = 0;  // that it became
    bool applied = false;
};

configuration::configuration(config_sources sources, std::string state_dir, configuration_parts parts)
    : sources_(std::move(sources)), parts_(std::move(parts)), kept_(std::move(state_dir) + "/config") {}

result<void> configuration::begin(const settings& config, const daemon_settings& bound) {
    std::lock_guard lock(mutex_);
    current_ = config;
    bound_ = started_ = bound;
    attempt first{{"start"}, {}};
    first.merged = config;
    if (auto files = read_config_files(sources_)) first.files = std::move(*files);
    // What is a secret, the plugins know; nothing is asked of them.
    for (const auto& section : parts_.plugins.secret_options(config)) secrets_.insert(section);
    add_secrets(bound, secrets_);
    first.secrets = secrets_;
    if (auto opened = kept_.open(); !opened) {
        SIGRUN_LOG(logs::config, warning, "there will be no history: ", opened.error().text());
        revision_ = 1;
        return {};
    }
    revision_ = kept_.last() + 1;
    if (auto last = kept_.load(kept_.last())) {
        first.changes = diff_settings(last->merged, config);
        if (first.changes.empty()) {
            revision_ = last->number;
            note_ = last->note;
        }
    }
    if (revision_ != kept_.last()) {
        first.revision = revision_;
        if (auto added = kept_.add(make_revision(first)); !added)
            SIGRUN_LOG(logs::config, warning, "revision ", revision_, " is not kept: ", added.error().text());
    }
    parts_.numbers.get_gauge("sigrun_config_revision", "Number of the configuration in use")
        .set(static_cast<double>(revision_));
    return {};
}

config_revision configuration::make_revision(const attempt& a) const {
    config_revision r;
    r.number = a.revision;
    r.wall_ns = parts_.time.wall_ns();
    r.why = a.what.why;
    r.note = a.note;
    r.files = a.files;
    r.merged = a.merged;
    r.secrets.assign(a.secrets.begin(), a.secrets.end());
    for (const auto& change : a.changes) r.changes.push_back(line_of(shown(change, a.secrets)));
    return r;
}

void configuration::change(request what, answer done) {
    std::unique_lock lock(mutex_);
    auto wanted = std::make_shared<attempt>(attempt{std::move(what), {}});
    if (done) wanted->done.push_back(std::move(done));
    // Who waits has not read the files yet: one look is enough for all who ask meanwhile.
    if (wanted->plain_reload() && !stopped_)
        for (const auto& other : waiting_)
            if (other->plain_reload()) {
                for (auto& each : wanted->done) other->done.push_back(std::move(each));
                return;
            }
    if (stopped_ || waiting_.size() >= k_max_waiting) {
        auto why = stopped_ ? make_problem(errc::unavailable, "the daemon is stopping")
                            : problem{errc::busy,
                                      "too many changes of the configuration wait already",
                                      "",
                                      "fewer than " + std::to_string(k_max_waiting),
                                      std::to_string(waiting_.size()),
                                      1000};
        lock.unlock();
        for (auto& each : wanted->done) each(why);
        return;
    }
    waiting_.push_back(std::move(wanted));
    next(lock);
}

void configuration::next(std::unique_lock<std::mutex>& lock) {
    if (busy_ || waiting_.empty()) return;
    busy_ = true;
    auto a = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    parts_.plugins.post_work([this, a] { begin_attempt(a); });
}

result<void> configuration::read(attempt& a) const {
    settings current;
    {
        std::lock_guard lock(mutex_);
        current = current_;
        a.secrets = secrets_;
        if (a.what.revision) {
            SIGRUN_TRY(earlier, kept_.load(a.what.revision));
            a.files = std::move(earlier.files);
            a.note = "the files of revision " + std::to_string(a.what.revision);
        }
    }
    if (!a.what.revision) {
        SIGRUN_TRY(files, read_config_files(sources_));
        a.files = std::move(files);
    }
    SIGRUN_TRY(merged, settings::merge(a.files, sources_));
    SIGRUN_TRY(bound, bind_daemon_settings(merged));
    SIGRUN_CHECK_OK(parts_.check(bound, merged));
    a.merged = std::move(merged);
    a.bound = std::move(bound);
    a.changes = diff_settings(current, a.merged);
    return {};
}

void configuration::begin_attempt(const attempt_ptr& a) {
    if (auto good = guarded([&] { return read(*a); }); !good) return ended(a, good.error());
    if (a->changes.empty()) return ended(a, reconfigure_report{});
    reconfigure_request r;
    r.config = a->merged;
    r.dry_run = a->what.dry_run;
    r.before_commit = [this, a](const reconfigure_report& report) { return keep(*a, report); };
    r.after_commit = [this, a](const reconfigure_report& report) { take_over(*a, report); };
    parts_.plugins.reconfigure(std::move(r),
                               [this, a](result<reconfigure_report> outcome) { ended(a, std::move(outcome)); });
}

// What becomes of each change. Under the lock.
void configuration::judge(attempt& a, const reconfigure_report& report) const {
    a.secrets.insert(report.secrets.begin(), report.secrets.end());
    add_secrets(a.bound, a.secrets);
    for (auto& change : a.changes) {
        change.effect = "none";
        if (is_section_of_kind(change.section)) {
            change.effect = "hot";
            continue;
        }
        if (auto now = a.bound.sections.find(change.section); now != a.bound.sections.end()) {
            const bool hot = !change.key.empty() && now->second->hot(change.key);
            const auto& running = hot ? bound_ : started_;
            if (contains(now->second->differing_keys(running.at(change.section)), change.key))
                change.effect = hot ? "hot" : "restart";
            continue;
        }
        for (const auto& section : report.sections) {
            if (section.section != change.section) continue;
            if (!section.keys.empty() && !contains(section.keys, change.key)) continue;
            change.effect = effect_name(section.kind);
            change.reason = section.reason;
        }
    }
    a.restart_needed.clear();
    for (const auto& [name, section] : a.bound.sections)
        for (const auto& key : section->differing_keys(started_.at(name)))
            if (!section->hot(key)) a.restart_needed.push_back(name + "." + key);
    for (const auto& section : report.sections) {
        if (section.kind != section_effect::restart) continue;
        if (section.keys.empty()) a.restart_needed.push_back("[" + section.section + "]");
        for (const auto& key : section.keys) a.restart_needed.push_back(section.section + "." + key);
    }
}

// The last step that can fail. On the control thread, as is the next.
result<void> configuration::keep(attempt& a, const reconfigure_report& report) {
    std::lock_guard lock(mutex_);
    if (!a.what.revision && note_.starts_with("the files of revision"))
        a.note = "instead of " + note_ + ", which a rollback had loaded";
    judge(a, report);
    a.revision = std::max(revision_, kept_.last()) + 1;
    return kept_.add(make_revision(a));
}

void configuration::take_over(attempt& a, const reconfigure_report&) {
    parts_.apply(a.bound);
    std::lock_guard lock(mutex_);
    current_ = a.merged;
    bound_ = a.bound;
    secrets_ = a.secrets;
    restart_needed_ = a.restart_needed;
    revision_ = a.revision;
    note_ = a.note;
    a.applied = true;
}

void configuration::count(const std::string& why, const char* outcome) {
    parts_.numbers
        .get_counter("sigrun_config_reloads_total", "Changes of the configuration, by what asked for them and outcome",
                     {{"why", why}, {"outcome", outcome}})
        .add();
}

json::object configuration::report_of(const attempt& a, std::string_view outcome) const {
    return {{"revision", revision_},
            {"outcome", outcome},
            {"why", a.what.why},
            {"note", a.note},
            {"changes", changes_json(a.changes, a.secrets, a.changes.size())},
            {"restart_needed", texts(a.applied || a.what.dry_run ? a.restart_needed : restart_needed_)}};
}

void configuration::ended(const attempt_ptr& a, result<reconfigure_report> outcome) {
    result<json::object> reply = json::object{};
    const std::string why = a->what.why;
    if (!outcome) {
        reply = outcome.error();
        if (!a->what.dry_run) count(why, "refused");  // before anybody is told: who hears of it finds it counted
        SIGRUN_LOG(logs::config, error, "the configuration is not changed (", why, "): ", outcome.error().text());
    }
    {
        std::lock_guard lock(mutex_);
        if (!outcome && !a->what.dry_run) {
            refused_ = json::object{{"time", to_rfc3339(parts_.time.wall_ns())},
                                    {"why", why},
                                    {"problem", json::parse(outcome.error().to_json())}};
        } else if (outcome) {
            if (a->what.dry_run && !a->changes.empty()) judge(*a, *outcome);
            if (!a->what.dry_run) {
                refused_.clear();
                if (!a->applied) current_ = a->merged;  // the same values, perhaps on other lines
            }
            reply = report_of(*a, a->applied ? "applied" : a->changes.empty() ? "unchanged" : "would apply");
        }
    }
    if (a->what.dry_run) {
        // Nothing has happened.
    } else if (!outcome) {
        parts_.events.publish(event_type::config_refused, {}, {},
                              members({{"why", why}, {"reason", outcome.error().text()}}));
    } else if (a->applied) {
        count(why, "applied");
        parts_.numbers.get_gauge("sigrun_config_revision", "Number of the configuration in use")
            .set(static_cast<double>(a->revision));
        SIGRUN_LOG(logs::config, info, "configuration revision ", a->revision, " (", why, a->note.empty() ? "" : ", ",
                   a->note, "): ", a->changes.size(), a->changes.size() == 1 ? " change" : " changes");
        for (std::size_t i = 0; i < a->changes.size() && i < k_max_lines; ++i)
            SIGRUN_LOG(logs::config, info, "  ", line_of(shown(a->changes[i], a->secrets)), " (", a->changes[i].effect,
                       ")");
        if (!a->restart_needed.empty())
            SIGRUN_LOG(logs::config, warning, a->restart_needed.size(), " values wait for a restart, the first is ",
                       a->restart_needed.front());
        parts_.events.publish(event_type::config_reloaded, {}, {},
                              members({{"revision", a->revision},
                                       {"why", why},
                                       {"note", a->note},
                                       {"changes", changes_json(a->changes, a->secrets, k_max_changes)},
                                       {"changed", a->changes.size()},
                                       {"restart_needed", texts(a->restart_needed)}}));
    } else {
        count(why, "unchanged");
    }
    for (auto& each : a->done) each(reply);
    std::unique_lock lock(mutex_);
    busy_ = false;
    idle_.notify_all();
    next(lock);
}

void configuration::stop() {
    std::deque<attempt_ptr> refused;
    {
        std::unique_lock lock(mutex_);
        stopped_ = true;
        refused.swap(waiting_);
        idle_.wait(lock, [this] { return !busy_; });
    }
    for (const auto& a : refused)
        for (auto& each : a->done) each(make_problem(errc::unavailable, "the daemon is stopping"));
}

json::object configuration::in_effect() const {
    std::lock_guard lock(mutex_);
    json::object o;
    for (const auto& [name, section] : bound_.sections) {
        json::object values;
        const auto started = started_.at(name).dump();
        for (const auto& [key, value] : section->dump()) values[key] = section->hot(key) ? value : started.at(key);
        o[name] = std::move(values);
    }
    return o;
}

std::uint64_t configuration::before_current() const {
    std::lock_guard lock(mutex_);
    std::uint64_t found = 0;
    for (auto number : kept_.numbers())
        if (number < revision_) found = number;
    return found;
}

result<json::object> configuration::show(std::uint64_t revision) const {
    std::lock_guard lock(mutex_);
    if (revision && revision != revision_) {
        SIGRUN_TRY(earlier, kept_.load(revision));
        return json::object{
            {"revision", earlier.number}, {"current", false},     {"time", to_rfc3339(earlier.wall_ns)},
            {"why", earlier.why},         {"note", earlier.note}, {"ini", to_ini(earlier.merged, earlier.hidden())}};
    }
    json::object o{{"revision", revision_},
                   {"current", true},
                   {"note", note_},
                   {"ini", to_ini(current_, secrets_)},
                   {"restart_needed", texts(restart_needed_)},
                   {"refused", refused_.empty() ? json::value(nullptr) : json::value(refused_)}};
    if (auto kept = kept_.load(revision_)) {
        o["time"] = to_rfc3339(kept->wall_ns);
        o["why"] = kept->why;
    }
    return o;
}

json::object configuration::history() const {
    std::lock_guard lock(mutex_);
    json::array items;
    const auto& numbers = kept_.numbers();
    for (auto n = numbers.rbegin(); n != numbers.rend(); ++n) {
        auto r = kept_.load(*n);
        if (!r) {
            items.push_back(json::object{{"revision", *n}, {"note", r.error().text()}});
            continue;
        }
        items.push_back(json::object{{"revision", r->number},
                                     {"current", r->number == revision_},
                                     {"time", to_rfc3339(r->wall_ns)},
                                     {"why", r->why},
                                     {"note", r->note},
                                     {"changes", texts(r->changes)}});
    }
    return {{"items", std::move(items)}, {"next", nullptr}};
}

result<json::object> configuration::diff(std::uint64_t from, std::uint64_t to) const {
    std::lock_guard lock(mutex_);
    SIGRUN_TRY(before, kept_.load(from));
    settings after = current_;
    secret_names secrets = before.hidden();
    secrets.insert(secrets_.begin(), secrets_.end());
    if (to && to != revision_) {
        SIGRUN_TRY(other, kept_.load(to));
        after = other.merged;
        secrets.insert(other.secrets.begin(), other.secrets.end());
    }
    const auto changes = diff_settings(before.merged, after);
    return json::object{
        {"from", from}, {"to", to ? to : revision_}, {"changes", changes_json(changes, secrets, changes.size())}};
}

}  // namespace sigrun
