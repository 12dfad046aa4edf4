#include "kernel/runner/registry.hpp"

#include "kernel/base/json.hpp"
#include "kernel/config/settings.hpp"

#include <algorithm>

namespace sigrun {

std::string to_json(const runner_identity& r) {
    json::object labels;
    for (const auto& [k, v] : r.labels) labels[k] = v;
    json::object o{{"id", r.uid.text()},
                   {"name", r.name},
                   {"key_hash", r.key_hash},
                   {"endpoint", r.endpoint},
                   {"profile", r.profile},
                   {"options", r.options},
                   {"labels", labels},
                   {"admin", to_string(r.admin)},
                   {"admin_reason", r.admin_reason},
                   {"registered_ns", r.registered_ns}};
    if (r.slots) o["slots"] = *r.slots;
    return json::serialize(o);
}

result<runner_identity> runner_identity_from_json(std::string_view text) {
    SIGRUN_TRY(o, parse_object(text));
    runner_identity r;
    auto uid = id::parse(text_or(o, "id"));
    if (!uid) return bad_value("id", "a UUID", std::string(text_or(o, "id")));
    r.uid = *uid;
    r.name = text_or(o, "name");
    r.key_hash = text_or(o, "key_hash");
    r.endpoint = text_or(o, "endpoint");
    r.profile = text_or(o, "profile");
    r.options = text_or(o, "options");
    if (auto* labels = object_or_null(o, "labels"))
        for (const auto& [k, v] : *labels)
            if (v.is_string()) r.labels[std::string(k)] = std::string(v.get_string());
    if (o.contains("slots")) r.slots = number_or<std::uint16_t>(o, "slots", 1);
    auto admin = text_or(o, "admin");
    r.admin = admin == "draining"      ? admin_state::draining
              : admin == "maintenance" ? admin_state::maintenance
                                       : admin_state::none;
    r.admin_reason = text_or(o, "admin_reason");
    r.registered_ns = number_or<std::int64_t>(o, "registered_ns", 0);
    return r;
}

registry::registry(event_log& events, journal& store, const clock& clk, std::uint32_t max_runners)
    : events_(events), store_(store), clock_(clk), max_runners_(max_runners) {}

void registry::save(const runner_identity& identity, stored_fn stored) {
    if (identity.from_config) {
        if (stored) stored({});
        return;
    }
    std::vector<journal_record> records(1);
    records[0].kind = record_kind::runner;
    records[0].key = identity.uid.text();
    records[0].body = to_json(identity);
    store_.append(std::move(records), true, std::move(stored));
}

result<runner_ptr> registry::add(runner_identity identity, stored_fn stored) {
    runner_ptr made;
    {
        std::unique_lock lock(mutex_);
        if (auto it = by_name_.find(identity.name); it != by_name_.end()) {
            runner_ptr known = it->second;
            lock.unlock();
            std::unique_lock guard(known->mutex);
            runner_identity& have = known->identity;
            if (!have.key_hash.empty() && have.key_hash != identity.key_hash)
                return problem{errc::conflict, "the name \"" + identity.name + "\" belongs to another runner", "name",
                               "a free name, or the key the runner registered with", "another key"};
            have.key_hash = identity.key_hash;
            have.labels = std::move(identity.labels);
            if (identity.slots) have.slots = identity.slots;
            if (!identity.endpoint.empty()) have.endpoint = std::move(identity.endpoint);
            if (!identity.profile.empty()) have.profile = std::move(identity.profile);
            known->foreign = !have.profile.empty();
            if (!identity.options.empty()) have.options = std::move(identity.options);
            runner_identity copy = have;
            guard.unlock();
            save(copy, std::move(stored));
            return known;
        }
        if (by_id_.size() >= max_runners_)
            return problem{errc::busy,
                           "the limit of runners is reached",
                           "registry.max_runners",
                           std::to_string(max_runners_) + " runners at most",
                           "one more",
                           30'000};
        if (!identity.uid) identity.uid = id::make();
        if (!identity.registered_ns) identity.registered_ns = clock_.wall_ns();
        made = std::make_shared<runner>(std::move(identity));
        count(made->status.status(), 1);
        by_id_.emplace(made->uid(), made);
        by_name_.emplace(made->identity.name, made);
    }
    json::object detail{{"name", made->identity.name}, {"endpoint", made->identity.endpoint}};
    auto text = json::serialize(detail);
    events_.publish(event_type::runner_registered, made->uid(), {}, text.substr(1, text.size() - 2));
    save(made->identity, std::move(stored));
    return made;
}

result<runner_ptr> registry::restore(std::string_view text) {
    SIGRUN_TRY(identity, runner_identity_from_json(text));
    auto made = std::make_shared<runner>(std::move(identity));
    std::unique_lock lock(mutex_);
    count(made->status.status(), 1);
    by_id_.emplace(made->uid(), made);
    by_name_.emplace(made->identity.name, made);
    return made;
}

result<void> registry::remove(const runner_ptr& r, std::string_view reason) {
    {
        std::unique_lock lock(mutex_);
        if (!by_id_.erase(r->uid())) return make_problem(errc::not_found, "the runner was removed already");
        by_name_.erase(r->identity.name);
    }
    {
        std::lock_guard lock(r->mutex);
        r->removed = true;
        count(r->status.status(), -1);
    }
    if (!r->identity.from_config) {
        std::vector<journal_record> records(1);
        records[0].kind = record_kind::runner;
        records[0].key = r->uid().text();
        records[0].flags = SIGRUN_RECORD_DELETE;
        store_.append(std::move(records), true, {});
    }
    events_.publish(event_type::runner_deregistered, r->uid(), {},
                    "\"reason\":" + json::serialize(json::value(std::string(reason))));
    return {};
}

result<runner_ptr> registry::find(std::string_view name_or_id) const {
    std::shared_lock lock(mutex_);
    if (auto it = by_name_.find(name_or_id); it != by_name_.end()) return it->second;
    if (auto uid = id::parse(name_or_id))
        if (auto it = by_id_.find(*uid); it != by_id_.end()) return it->second;
    std::vector<std::string> names;
    for (const auto& [name, r] : by_name_) names.push_back(name);
    auto near = nearest_name(name_or_id, names);
    return problem{
        errc::not_found, "no such runner", "id",
        near.empty() ? std::string("the name or id of a runner") : "a known runner, perhaps \"" + near + "\"",
        "\"" + std::string(name_or_id) + "\""};
}

std::vector<runner_ptr> registry::all() const {
    std::shared_lock lock(mutex_);
    std::vector<runner_ptr> out;
    out.reserve(by_name_.size());
    for (const auto& [name, r] : by_name_) out.push_back(r);
    return out;
}

std::size_t registry::size() const {
    std::shared_lock lock(mutex_);
    return by_id_.size();
}

std::array<std::int64_t, 6> registry::by_status() const noexcept {
    std::array<std::int64_t, 6> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = by_status_[i].load(std::memory_order_relaxed);
    return out;
}

runner_status registry::apply_status(runner& r, bool linked, bool full, std::string_view reason) {
    // Published under the runner's lock, so that the events of one runner keep their order.
    std::lock_guard lock(r.mutex);
    if (!linked) {  // what it said of itself
        r.leaving = false;
        r.not_ready.clear();
    }
    const std::string& fault = r.set_aside.empty() ? r.not_ready : r.set_aside;
    status_inputs in{r.identity.admin, !fault.empty(), linked, full};
    std::string why(reason);
    if (in.admin == admin_state::none && r.leaving) {
        in.admin = admin_state::draining;
        why = "the runner drains itself";
    } else if (in.admin != admin_state::none && !r.identity.admin_reason.empty())
        why = r.identity.admin_reason;
    else if (in.admin == admin_state::none && in.faulty)
        why = fault;
    // At most two steps: a runner that comes back full is Online first, then Busy.
    while (auto change = r.status.apply(in, why)) {
        if (change->to == runner_status::online) r.last_end_ns.store(clock_.now().time_since_epoch().count());
        if (!r.removed) {
            count(change->from, -1);
            count(change->to, 1);
        }
        auto detail = json::serialize(
            json::object{{"from", to_string(change->from)}, {"to", to_string(change->to)}, {"reason", change->reason}});
        events_.publish(event_type::runner_status_changed, r.uid(), {}, detail.substr(1, detail.size() - 2));
    }
    return r.status.status();
}

void registry::set_admin(runner& r, admin_state state, std::string_view reason, stored_fn stored) {
    runner_identity copy;
    {
        std::lock_guard lock(r.mutex);
        r.identity.admin = state;
        r.identity.admin_reason = reason;
        copy = r.identity;
    }
    save(copy, std::move(stored));
}

bool registry::exchange_facts(runner& r, const sheet_ptr& before, const sheet_ptr& now, const std::string& process,
                              std::uint64_t revision) {
    {
        std::lock_guard lock(r.mutex);
        if (r.facts != before) return false;
        r.facts = now;
        r.facts_process = process;
        r.facts_revision = revision;
    }
    json::array changed;
    for (std::size_t i = 0; i < now->size(); ++i) {
        const fact_view f = now->at(i);
        if (f.kind->volatility() == fact_volatility::fast) continue;
        const fact_view old = before ? before->find(f.kind->key()) : fact_view();
        const bool same = old && old.kind->status() == f.kind->status() &&
                          static_cast<bool>(old.value) == static_cast<bool>(f.value) &&
                          (!f.value || old.value.bytes() == f.value.bytes());
        if (!same) changed.emplace_back(json::string_view(f.kind->key()));
    }
    for (std::size_t i = 0; before && i < before->size(); ++i)
        if (const auto key = before->at(i).kind->key(); !now->find(key)) changed.emplace_back(json::string_view(key));
    if (changed.empty()) return true;
    auto detail = json::serialize(json::object{
        {"inventory_hash", now->inventory_hash()}, {"class_hash", now->class_hash()}, {"changed", std::move(changed)}});
    events_.publish(event_type::capabilities_updated, r.uid(), {}, detail.substr(1, detail.size() - 2));
    return true;
}

}  // namespace sigrun
