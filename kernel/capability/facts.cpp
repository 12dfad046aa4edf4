#include "kernel/capability/facts.hpp"

#include "kernel/capability/canonical_key.hpp"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

/// Compact JSON with the members of objects in key order, so that equal values give equal bytes.
void append_canonical(std::string& out, const json::value& v) {
    if (const json::array* a = v.if_array()) {
        out += '[';
        for (const json::value& item : *a) {
            append_canonical(out, item);
            out += ',';
        }
        out += ']';
    } else if (const json::object* o = v.if_object()) {
        std::vector<const json::key_value_pair*> members;
        members.reserve(o->size());
        for (const auto& member : *o) members.push_back(&member);
        std::sort(members.begin(), members.end(), [](auto* x, auto* y) { return x->key() < y->key(); });
        out += '{';
        for (const auto* member : members) {
            out += json::serialize(json::string_view(member->key()));
            out += ':';
            append_canonical(out, member->value());
            out += ',';
        }
        out += '}';
    } else {
        out += json::serialize(v);
    }
}

std::string hash_of(const std::vector<fact>& facts, bool with_unique) {
    std::string text;
    for (const fact& f : facts) {
        if (f.volatility != fact_volatility::fixed && f.volatility != fact_volatility::boot) continue;
        if (f.unique && !with_unique) continue;
        // A machine stays of its class while one of its probes fails: no requirement tells the difference.
        if (!with_unique && f.key.ends_with('*')) continue;
        text += f.key;
        text += '\0';
        const bool old_value = f.status == fact_status::stale && !with_unique;
        text += to_string(old_value ? fact_status::ok : f.status);
        text += '\0';
        append_canonical(text, f.value);
        text += '\0';
    }
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, XXH3_128bits(text.data(), text.size()));
    static constexpr char k_digits[] = "0123456789abcdef";
    std::string hex;
    hex.reserve(2 * sizeof bytes.digest);
    for (unsigned char byte : bytes.digest) {
        hex += k_digits[byte >> 4];
        hex += k_digits[byte & 15];
    }
    return hex;
}

}  // namespace

std::string_view canonical_key(std::string_view key) noexcept { return key == "os.arch" ? "host.arch" : key; }

capability_document::capability_document(std::vector<fact> facts) {
    for (fact& f : facts)
        if (auto key = canonical_key(f.key); key != f.key) f.key = std::string(key);
    std::stable_sort(facts.begin(), facts.end(), [](const fact& a, const fact& b) { return a.key < b.key; });
    for (fact& f : facts) {
        if (facts_.empty() || facts_.back().key != f.key)
            facts_.push_back(std::move(f));
        else if (f.confidence >= facts_.back().confidence)
            facts_.back() = std::move(f);
    }
    facts_.shrink_to_fit();
    inventory_hash_ = hash_of(facts_, true);
    class_hash_ = hash_of(facts_, false);
}

const fact* capability_document::find(std::string_view key) const noexcept {
    key = canonical_key(key);
    auto at = std::lower_bound(facts_.begin(), facts_.end(), key,
                               [](const fact& f, std::string_view k) { return f.key < k; });
    return at != facts_.end() && at->key == key ? &*at : nullptr;
}

json::array capability_document::to_json() const {
    json::array out;
    out.reserve(facts_.size());
    for (const fact& f : facts_) out.emplace_back(sigrun::to_json(f));
    return out;
}

}  // namespace sigrun
