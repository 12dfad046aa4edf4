#include "kernel/select/observe.hpp"

#include "kernel/base/clock.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sigrun::expr {
namespace {

constexpr std::size_t k_key_room = 600;  // two keys of 256 and an index

/// base + "[index]" + rest
std::string_view compose(char (&room)[k_key_room], std::string_view base, std::uint32_t index,
                         std::string_view rest) noexcept {
    if (base.size() + rest.size() + 16 > sizeof room) return {};
    char* at = room;
    std::memcpy(at, base.data(), base.size());
    at += base.size();
    *at++ = '[';
    at = std::to_chars(at, at + 12, index).ptr;
    *at++ = ']';
    if (!rest.empty()) std::memcpy(at, rest.data(), rest.size());
    at += rest.size();
    return {room, static_cast<std::size_t>(at - room)};
}

sighting walk(sighting s, const std::vector<step>& steps) noexcept {
    for (const step& st : steps) {
        if (s.state != standing::known) return s;
        if (st.member.empty()) {
            s.value = s.value.element(st.index);
            // Past the end, or no list at all: it is known that there is no such element.
            if (!s.value) return {standing::absent};
        } else {
            if (s.value.what() != packed_value::kind::record) return {standing::absent};
            s.value = s.value.member(st.member);
            // A probe leaves out what it could not read, so a missing member says nothing.
            if (!s.value) return {standing::unknown};
        }
    }
    return s;
}

}  // namespace

std::int64_t observer::now() noexcept {
    if (!now_) now_ = clock::system().wall_ns();
    return now_;
}

sighting observer::judge(const fact_view& f) noexcept {
    if (!f) return {standing::unknown};  // never probed
    const fact_kind& kind = *f.kind;
    const bool fast = kind.volatility() == fact_volatility::fast;
    if (scope_.class_only && !kind.of_class()) {
        scope_.hidden = true;
        return {standing::unknown};
    }
    switch (kind.status()) {
        case fact_status::absent:
        case fact_status::unsupported: return {standing::absent};
        case fact_status::stale:
            if (fast) return {standing::unknown};
            break;
        case fact_status::ok: break;
        default: return {standing::unknown};
    }
    if (kind.assumed()) return {standing::unknown};
    if (fast && kind.ttl_s() && f.observed_ns) {
        const std::int64_t end = f.observed_ns + static_cast<std::int64_t>(kind.ttl_s()) * 1'000'000'000;
        if (now() >= end) return {standing::unknown};
        if (!scope_.expires_ns || end < scope_.expires_ns) scope_.expires_ns = end;
    }
    return {standing::known, f.value};
}

sighting observer::look_element(const path& p) noexcept {
    const element& e = variables[p.variable];
    if (e.value) return walk({standing::known, e.value}, p.steps);
    char room[k_key_room];
    const std::string_view key = compose(room, e.base, e.index, p.rest);
    return key.empty() ? sighting{} : judge(find(key));
}

sighting observer::look(const path& p) noexcept {
    switch (p.from) {
        case path::root::label: {
            if (scope_.class_only && scope_.open_labels &&
                std::binary_search(scope_.open_labels->begin(), scope_.open_labels->end(), p.base)) {
                scope_.hidden = true;
                return {standing::unknown};
            }
            if (!subject_.labels) return {standing::absent};
            const auto at = subject_.labels->find(p.base);
            if (at == subject_.labels->end()) return {standing::absent};
            return {standing::known, {}, &at->second};
        }
        case path::root::variable: return look_element(p);
        default: break;
    }
    if (const fact_view f = find(p.text)) return judge(f);
    if (p.steps.empty()) return {standing::unknown};
    return walk(judge(find(p.base)), p.steps);
}

list_view observer::flattened(std::string_view base) noexcept {
    list_view l;
    l.base = base;
    if (!subject_.facts) return l;
    const fact_sheet& facts = *subject_.facts;
    char room[k_key_room];
    for (;; ++l.size) {
        const std::string_view prefix = compose(room, base, l.size, {});
        const auto at = facts.first_not_before(prefix);
        if (prefix.empty() || at == facts.size() || !facts.at(at).kind->key().starts_with(prefix)) break;
    }
    if (l.size) l.state = standing::known;
    return l;
}

list_view observer::list(const path& p) noexcept {
    const bool plain = p.from == path::root::fact && p.steps.empty();
    if (plain && !find(p.text)) {
        list_view l = flattened(p.text);
        if (l.size) return l;
        // No element: the probe says so by a count of 0, or by the status of the count.
        char room[k_key_room];
        if (p.text.size() + 7 > sizeof room) return l;
        std::memcpy(room, p.text.data(), p.text.size());
        std::memcpy(room + p.text.size(), ".count", 6);
        const sighting count = judge(find({room, p.text.size() + 6}));
        const packed_value n = count.value;
        const bool zero = n && n.what() == packed_value::kind::integer && n.integer() == 0;
        if (count.state == standing::absent || zero) l.state = standing::absent;
        return l;
    }
    const sighting s = look(p);
    list_view l;
    l.state = s.state;
    if (s.state != standing::known) return l;
    if (s.value && s.value.what() == packed_value::kind::list) l.items = s.value;
    l.wrong_shape = !l.items;
    l.size = l.items ? l.items.size() : 0;
    return l;
}

}  // namespace sigrun::expr
