// What the agent says of its machine: all of it once, then what has changed.
#include "kernel/agent/agent.hpp"
#include "kernel/agent/own_facts.hpp"
#include "kernel/base/clock.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_minor_gap{2};  // between messages that only tell of numbers which move all the time

constexpr std::chrono::seconds k_keys_gap{1};  // between looks at the folder of keys

}  // namespace

std::vector<fact> agent::what_it_says_of_itself(std::uint32_t slots) const {
    auto own = own_facts(host_, me_.name, slots, table_->executors().kinds());
    if (table_->signatures().required())
        for (auto& f : signature_facts(table_->signatures().key_ids())) own.push_back(std::move(f));
    return own;
}

// A key that was added or removed, or has expired: whoever selects runners should know.
void agent::look_at_job_keys(time_point now) {
    if (!table_->signatures().required() || now - keys_looked_ < k_keys_gap) return;
    keys_looked_ = now;
    auto ids = table_->signatures().key_ids();
    if (std::exchange(keys_told_, ids) != ids) tell_renewed(nullptr);
}

agent::hello_document agent::hello(const introduction& how) const {
    json::array protocols;
    for (const auto& i : host_.instances(SIGRUN_KIND_PROTOCOL))
        if (const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL))
            protocols.emplace_back(sdk::view(table->name));
    const auto kinds = table_->executors().kinds();
    json::object labels;
    for (const auto& [k, v] : options_.labels) labels[k] = v;
    json::object o{{"name", me_.name},
                   {"key", me_.key},
                   {"session", how.session},
                   {"generation", how.generation},
                   {"boot_id", me_.boot_id},
                   {"process", process_},
                   {"version", SIGRUN_SDK_VERSION},
                   {"slots", slots()},
                   {"labels", std::move(labels)},
                   {"protocols", std::move(protocols)},
                   {"kinds", json::array(kinds.begin(), kinds.end())},
                   {"inventory", table_->inventory()}};
    if (how.moving) o["moving"] = true;
    hello_document out;
    {
        std::lock_guard lock(mutex_);
        if (how.facts_since) {
            revisions_.tell(o, *facts_, *how.facts_since);
            out.told = revisions_.now();
        } else {
            o["facts_revision"] = revisions_.now();
            o["inventory_hash"] = facts_->inventory_hash();
        }
    }
    out.text = json::serialize(o);
    return out;
}

std::uint64_t agent::known_revision(const json::object& document) const {
    const auto* known = object_or_null(document, "facts_known");
    return known && text_or(*known, "process") == process_ ? number_or<std::uint64_t>(*known, "revision", 0) : 0;
}

void agent::tell(const agent_link_ptr& link, json::object message, bool with_attempts) {
    std::uint64_t base = 0;
    {
        std::lock_guard lock(mutex_);
        base = link->told;
    }
    tell_since(link, std::move(message), with_attempts, base);
}

void agent::tell_since(const agent_link_ptr& link, json::object message, bool with_attempts, std::uint64_t base) {
    auto via = link->via.lock();
    if (!via) return;
    const auto kinds = table_->executors().kinds();
    message["process"] = process_;
    message["slots"] = slots();
    message["kinds"] = json::array(kinds.begin(), kinds.end());
    if (with_attempts) message["inventory"] = table_->inventory();
    std::uint64_t revision = 0;
    {
        std::lock_guard lock(mutex_);
        revisions_.tell(message, *facts_, base);
        revision = revisions_.now();
    }
    if (send_text(via, SIGRUN_HELLO, json::serialize(message)) != SIGRUN_OK) return;
    std::lock_guard lock(mutex_);
    link->told = std::max(link->told, revision);
}

void agent::tell_all(const json::object& message, const agent_link_ptr& but) {
    {
        std::lock_guard lock(mutex_);
        minor_untold_ = false;
        minor_told_ = clock::system().now();
    }
    for (const auto& l : links())
        if (l != but) tell(l, message);
}

void agent::tell_if_behind(const agent_link_ptr& link) {
    {
        std::lock_guard lock(mutex_);
        if (link->told == revisions_.now()) return;
    }
    tell(link, {});
}

void agent::tell_minor_changes(time_point now) {
    {
        std::lock_guard lock(mutex_);
        if (!minor_untold_ || now - minor_told_ < k_minor_gap) return;
    }
    tell_all();
}

}  // namespace sigrun
