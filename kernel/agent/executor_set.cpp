#include "kernel/agent/executor_set.hpp"

#include "kernel/base/json.hpp"
#include "kernel/base/quantity.hpp"

#include <sigrun/cpp/text.hpp>

#include <atomic>

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
    std::uint64_t set = 0;
    std::string document;
    offer_terms terms;
};

}  // namespace

executor_set::executor_set(plugin_host& host) {
    static std::atomic<std::uint64_t> next{1};
    number_ = next++;
    for (auto& i : host.instances(SIGRUN_KIND_EXECUTOR)) {
        const auto* table = i->table<sigrun_executor>(SIGRUN_KIND_EXECUTOR);
        if (!SIGRUN_HAS(table, run)) continue;
        bool is_inline = (table->flags & SIGRUN_EXECUTOR_INLINE) != 0;
        auto made = std::make_shared<executor_entry>();
        made->owner = i;
        made->table = table;
        made->kinds = split(sdk::view(table->kinds));
        made->is_inline = is_inline;
        entries_.push_back(std::move(made));
    }
}

std::vector<std::string> executor_set::kinds() const {
    std::vector<std::string> all;
    for (const auto& e : entries_) all.insert(all.end(), e->kinds.begin(), e->kinds.end());
    return all;
}

const executor_entry* executor_set::find(std::string_view kind) const noexcept {
    for (const auto& e : entries_)
        for (const auto& k : e->kinds)
            if (k == kind) return e.get();
    return nullptr;
}

offer_terms executor_set::parse(std::string_view document) const {
    offer_terms terms;
    auto o = parse_object(document);
    if (!o) {
        terms.fault = o.error().text();
        return terms;
    }
    terms.kind = text_or(*o, "kind", "process");
    terms.executor = find(terms.kind);
    terms.in_memory = text_or(*o, "durability") == "memory";
    if (const auto* timeouts = object_or_null(*o, "timeouts")) {
        if (auto text = text_or(*timeouts, "run"); !text.empty()) {
            auto run = parse_duration(text);
            if (!run)
                terms.fault = "timeouts.run: " + run.error().text();
            else
                terms.run_timeout = *run;
        }
    }
    return terms;
}

const offer_terms& executor_set::read(std::string_view document) const {
    // Holds nothing alive: the threads of plugins may outlast this set.
    thread_local remembered_offer last;
    if (last.set == number_ && last.document == document && !document.empty()) return last.terms;
    last.set = 0;
    last.terms = parse(document);
    if (document.size() <= k_remembered) {
        last.document = document;
        last.set = number_;
    }
    return last.terms;
}

}  // namespace sigrun
