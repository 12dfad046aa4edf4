#include "kernel/agent/executor_set.hpp"

#include "kernel/base/json.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/base/read_section.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_remembered = 4096;

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> out;
    while (!list.empty()) {
        auto comma = list.find(',');
        if (auto one = list.substr(0, comma); !one.empty()) out.emplace_back(one);
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    return out;
}

struct remembered_offer {
    std::uint64_t roster = 0;
    std::string document;
    offer_terms terms;
};

}  // namespace

executor_ptr executor_set::entry_for(const std::shared_ptr<instance>& which) {
    const auto* table = which->table<sigrun_executor>(SIGRUN_KIND_EXECUTOR);
    if (!SIGRUN_HAS(table, run)) return nullptr;
    auto made = std::make_shared<executor_entry>();
    made->owner = which;
    made->table = table;
    made->kinds = split(sdk::view(table->kinds));
    made->is_inline = (table->flags & SIGRUN_EXECUTOR_INLINE) != 0;
    return made;
}

executor_set::executor_set(plugin_host& host) {
    auto first = std::make_unique<roster>();
    for (const auto& i : host.instances(SIGRUN_KIND_EXECUTOR))
        if (auto made = entry_for(i)) first->entries.push_back(std::move(made));
    publish(std::move(first));
}

void executor_set::publish(std::unique_ptr<roster> next) {
    static std::atomic<std::uint64_t> numbers{1};
    next->number = numbers++;
    owned_ = std::move(next);
    current_.store(owned_.get(), std::memory_order_release);
}

result<void> executor_set::usable(const std::shared_ptr<instance>& which) {
    const auto made = entry_for(which);
    if (!made) return bad_value("executor", "a table with the slot run", "none");
    if (made->kinds.empty()) return bad_value("kinds", "at least one kind of jobs", "none");
    return {};
}

// Publishes these in the place of the present ones. True: no thread is inside one that was there before any more.
bool executor_set::supersede(std::vector<executor_ptr> entries) {
    auto next = std::make_unique<roster>();
    next->entries = std::move(entries);
    auto before = std::move(owned_);
    publish(std::move(next));
    if (wait_for_readers()) return true;
    [[maybe_unused]] const auto* kept = before.release();  // somebody may be inside it for all we know
    return false;
}

void executor_set::add(const std::shared_ptr<instance>& which) {
    auto entries = owned_->entries;
    entries.push_back(entry_for(which));
    supersede(std::move(entries));
}

bool executor_set::replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    auto entries = owned_->entries;
    auto at = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e->owner == old; });
    // One that could not run anything was never taken in.
    if (at == entries.end())
        entries.push_back(entry_for(now));
    else
        *at = entry_for(now);
    return supersede(std::move(entries));
}

result<void> executor_set::remove(const std::shared_ptr<instance>& which) {
    auto entries = owned_->entries;
    if (std::erase_if(entries, [&](const auto& e) { return e->owner == which; }) == 0) return {};
    if (entries.empty())
        return problem{errc::conflict, "it is the only executor here, and without one no job could run", "id",
                       "another executor beside it", which->name()};
    if (!supersede(std::move(entries))) new std::shared_ptr<instance>(which);  // never let go, see replace
    return {};
}

std::vector<std::string> executor_set::kinds() const {
    const read_section reading;
    std::vector<std::string> all;
    for (const auto& e : current_.load(std::memory_order_acquire)->entries)
        all.insert(all.end(), e->kinds.begin(), e->kinds.end());
    return all;
}

std::vector<executor_ptr> executor_set::entries() const {
    const read_section reading;
    return current_.load(std::memory_order_acquire)->entries;
}

const executor_entry* executor_set::roster::find(std::string_view kind) const noexcept {
    for (const auto& e : entries)
        for (const auto& k : e->kinds)
            if (k == kind) return e.get();
    return nullptr;
}

offer_terms executor_set::parse(std::string_view document, const roster& among) {
    offer_terms terms;
    auto o = parse_object(document);
    if (!o) {
        terms.fault = o.error().text();
        return terms;
    }
    terms.kind = text_or(*o, "kind", "process");
    terms.executor = among.find(terms.kind);
    terms.in_memory = text_or(*o, "durability") == "memory";
    if (const auto* artifacts = o->if_contains("artifacts")) {
        if (auto wishes = parse_artifact_wishes(*artifacts))
            terms.artifacts = std::move(*wishes);
        else
            terms.fault = wishes.error().text();
        terms.workdir = text_or(*o, "workdir");
    }
    if (const auto* timeouts = object_or_null(*o, "timeouts")) {
        for (const auto& [name, into] :
             {std::pair("run", &terms.run_timeout), std::pair("silent", &terms.silent_timeout)}) {
            const auto text = text_or(*timeouts, name);
            if (text.empty()) continue;
            if (auto d = parse_duration(text))
                *into = *d;
            else
                terms.fault = sdk::concat("timeouts.", name, ": ", d.error().text());
        }
    }
    return terms;
}

const offer_terms& executor_set::read(std::string_view document) const {
    const roster& now = *current_.load(std::memory_order_acquire);
    // Holds nothing alive, since the threads of plugins may outlast this set; what it names belongs to the roster whose
    // number it carries, and is served with that roster alone.
    thread_local remembered_offer last;
    if (last.roster == now.number && last.document == document && !document.empty()) return last.terms;
    last.roster = 0;
    last.terms = parse(document, now);
    if (document.size() <= k_remembered) {
        last.document = document;
        last.roster = now.number;
    }
    return last.terms;
}

}  // namespace sigrun
