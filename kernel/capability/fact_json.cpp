// Facts as JSON: what probes send, what runners report, what the API shows. Everything read here is
// untrusted.
#include "kernel/base/clock.hpp"
#include "kernel/capability/facts.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace sigrun {
namespace {

constexpr std::size_t k_max_facts = 4096;
constexpr std::size_t k_max_value_bytes = 64 * 1024;
constexpr std::size_t k_max_key_bytes = 256;
constexpr std::size_t k_max_text_bytes = 1024;  // source and detail

constexpr std::array<std::string_view, 7> k_statuses{"ok",      "absent", "denied", "unsupported",
                                                     "timeout", "error",  "stale"};
constexpr std::array<std::string_view, 4> k_volatilities{"static", "boot", "slow", "fast"};
constexpr std::array<std::string_view, 5> k_methods{"read", "derived", "measured", "declared", "assumed"};

template <std::size_t N>
std::optional<std::size_t> index_of(const std::array<std::string_view, N>& words, std::string_view word) {
    for (std::size_t i = 0; i < N; ++i)
        if (words[i] == word) return i;
    return std::nullopt;
}
template <std::size_t N>
std::string one_of(const std::array<std::string_view, N>& words) {
    std::string text = "one of";
    for (std::string_view word : words) text.append(" ").append(word);
    return text;
}

/// What a problem quotes of a wrong value: short, and never the whole input.
std::string shown(const json::value* v) {
    if (!v) return "nothing";
    if (const json::array* a = v->if_array()) return "an array of " + std::to_string(a->size());
    if (const json::object* o = v->if_object()) return "an object of " + std::to_string(o->size());
    std::string text = json::serialize(*v);
    if (text.size() > 80) text = text.substr(0, 77) + "...";
    return text;
}

bool lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
bool digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Dotted lower-case words, each with an optional index: "gpu[0].memory_bytes". Below custom. the words are
/// free. `pattern`: may also end in ".*", as in "memory.*" of a probe that did not answer.
bool valid_key(std::string_view key, bool pattern) noexcept {
    if (key.empty() || key.size() > k_max_key_bytes) return false;
    if (pattern && key.ends_with(".*")) key.remove_suffix(2);
    const bool custom = key.starts_with("custom.");
    bool start = true;
    for (std::size_t i = 0; i < key.size(); ++i) {
        const char c = key[i];
        if (c == '.') {
            if (start) return false;
            start = true;
        } else if (c == '[') {
            std::size_t end = i + 1;
            while (end < key.size() && digit(key[end])) ++end;
            if (start || end == i + 1 || end >= key.size() || key[end] != ']') return false;
            if (end + 1 < key.size() && key[end + 1] != '.') return false;
            i = end;
        } else {
            const bool word = lower(c) || digit(c) || c == '_';
            if (!word && !(custom && ((c >= 'A' && c <= 'Z') || c == '-'))) return false;
            if (start && !custom && !lower(c)) return false;
            start = false;
        }
    }
    return !start;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t n) {
    int value = 0;
    if (at + n > text.size()) return std::nullopt;
    auto [end, ec] = std::from_chars(text.data() + at, text.data() + at + n, value);
    if (ec != std::errc{} || end != text.data() + at + n || value < 0) return std::nullopt;
    return value;
}

/// Reads what to_rfc3339 writes, with 0 to 9 digits of a second's fraction.
std::optional<std::int64_t> parse_rfc3339(std::string_view t) {
    using namespace std::chrono;
    if (t.size() < 20 || t.size() > 30 || t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':' ||
        t.back() != 'Z')
        return std::nullopt;
    const auto y = digits(t, 0, 4), mo = digits(t, 5, 2), d = digits(t, 8, 2), h = digits(t, 11, 2),
               mi = digits(t, 14, 2), s = digits(t, 17, 2);
    if (!y || !mo || !d || !h || !mi || !s || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
    const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
    if (!date.ok() || *y < 1970 || *y > 2261) return std::nullopt;
    std::int64_t ns = 0;
    if (std::string_view fraction = t.substr(19, t.size() - 20); !fraction.empty()) {
        if (fraction.front() != '.' || fraction.size() < 2) return std::nullopt;
        std::int64_t unit = 100'000'000;
        for (char c : fraction.substr(1)) {
            if (!digit(c)) return std::nullopt;
            ns += (c - '0') * unit;
            unit /= 10;
        }
    }
    const auto whole = sys_days{date}.time_since_epoch() + hours{*h} + minutes{*mi} + seconds{*s};
    return duration_cast<std::chrono::nanoseconds>(whole).count() + ns;
}

/// Scalars at the top, scalars or one level of records in a list: what schema v1 knows, and nothing deeper.
bool shape_allowed(const json::value& v, int depth = 0) {
    if (const json::array* a = v.if_array()) {
        if (depth > 3) return false;
        for (const json::value& item : *a)
            if (!shape_allowed(item, depth + 1)) return false;
        return true;
    }
    if (const json::object* o = v.if_object()) {
        if (depth > 3) return false;
        for (const auto& member : *o)
            if (!shape_allowed(member.value(), depth + 1)) return false;
        return true;
    }
    return !v.is_null();
}

result<std::string> text_of(const json::object& o, std::string_view name) {
    const json::value* v = o.if_contains(name);
    if (!v) return std::string();
    if (!v->is_string()) return bad_value(std::string(name), "text", shown(v));
    if (v->get_string().size() > k_max_text_bytes)
        return bad_value(std::string(name), "at most 1024 bytes", std::to_string(v->get_string().size()) + " bytes");
    return std::string(v->get_string());
}

template <class Number>
result<Number> number_of(const json::object& o, std::string_view name, Number otherwise, Number max) {
    const json::value* v = o.if_contains(name);
    if (!v) return otherwise;
    boost::system::error_code ec;
    const auto n = v->is_number() ? v->to_number<std::uint64_t>(ec) : 0;
    if (!v->is_number() || ec || n > max)
        return bad_value(std::string(name), "a whole number from 0 to " + std::to_string(max), shown(v));
    return static_cast<Number>(n);
}

}  // namespace

std::string_view to_string(fact_status s) noexcept { return k_statuses[static_cast<std::size_t>(s)]; }

json::object to_json(const fact& f) {
    json::object o;
    o["key"] = f.key;
    if (f.status == fact_status::ok || f.status == fact_status::stale) o["value"] = f.value;
    o["status"] = to_string(f.status);
    if (!f.method.empty()) o["method"] = f.method;
    if (!f.source.empty()) o["source"] = f.source;
    o["confidence"] = f.confidence;
    o["ttl_s"] = f.ttl_s;
    o["volatility"] = k_volatilities[static_cast<std::size_t>(f.volatility)];
    if (f.unique) o["unique"] = true;
    if (f.observed_ns) o["observed_at"] = to_rfc3339(f.observed_ns);
    if (!f.detail.empty()) o["detail"] = f.detail;
    return o;
}

result<fact> fact_from_json(const json::value& v) {
    const json::object* o = v.if_object();
    if (!o) return bad_value("", "an object", shown(&v));
    fact f;
    if (const json::value* status = o->if_contains("status")) {
        auto i = index_of(k_statuses, text_or(*o, "status"));
        if (!i) return bad_value("status", one_of(k_statuses), shown(status));
        f.status = static_cast<fact_status>(*i);
    }
    const bool known = f.status == fact_status::ok || f.status == fact_status::stale;
    const json::value* key = o->if_contains("key");
    if (!key || !key->is_string() || !valid_key(key->get_string(), !known))
        return bad_value("key", "dotted lower-case words such as memory.total_bytes", shown(key));
    f.key = std::string(key->get_string());
    if (const json::value* volatility = o->if_contains("volatility")) {
        auto i = index_of(k_volatilities, text_or(*o, "volatility"));
        if (!i) return bad_value("volatility", one_of(k_volatilities), shown(volatility));
        f.volatility = static_cast<fact_volatility>(*i);
    }
    SIGRUN_TRY(method, text_of(*o, "method"));
    if (!method.empty() && !index_of(k_methods, method))
        return bad_value("method", one_of(k_methods), shown(o->if_contains("method")));
    SIGRUN_TRY(source, text_of(*o, "source"));
    SIGRUN_TRY(detail, text_of(*o, "detail"));
    SIGRUN_TRY(confidence, number_of<std::uint8_t>(*o, "confidence", 100, 100));
    SIGRUN_TRY(ttl, number_of<std::uint32_t>(*o, "ttl_s", 0, std::numeric_limits<std::uint32_t>::max()));
    f.method = std::move(method);
    f.source = std::move(source);
    f.detail = std::move(detail);
    f.confidence = confidence;
    f.ttl_s = ttl;
    if (const json::value* unique = o->if_contains("unique")) {
        if (!unique->is_bool()) return bad_value("unique", "true or false", shown(unique));
        f.unique = unique->get_bool();
    }
    if (const json::value* at = o->if_contains("observed_at")) {
        auto ns = at->is_string() ? parse_rfc3339(at->get_string()) : std::nullopt;
        if (!ns) return bad_value("observed_at", "a time such as 2026-01-05T10:00:00.123Z", shown(at));
        f.observed_ns = *ns;
    }

    const json::value* value = o->if_contains("value");
    if (value && value->is_null()) value = nullptr;
    if (known && !value)
        return bad_value("value", "a value, because the status is " + std::string(to_string(f.status)), "nothing");
    if (!known && value)
        return bad_value("value", "none, because the status is " + std::string(to_string(f.status)), shown(value));
    if (value) {
        if (!shape_allowed(*value))
            return bad_value("value", "a scalar, a list or records, without null", shown(value));
        if (auto n = json::serialize(*value).size(); n > k_max_value_bytes)
            return problem{errc::too_large, "the value is too large", "value", "at most 65536 bytes of JSON",
                           std::to_string(n) + " bytes"};
        f.value = *value;
    }
    return f;
}

result<std::shared_ptr<const capability_document>> capability_document::from_json(const json::array& facts) {
    if (facts.size() > k_max_facts)
        return problem{errc::too_large, "too many facts", "facts", "at most " + std::to_string(k_max_facts),
                       std::to_string(facts.size())};
    std::vector<fact> read;
    read.reserve(facts.size());
    for (std::size_t i = 0; i < facts.size(); ++i) {
        auto f = fact_from_json(facts[i]);
        if (!f) {
            problem p = f.error();
            std::string where = "facts[" + std::to_string(i) + "]";
            p.field = p.field.empty() ? std::move(where) : where + "." + p.field;
            return p;
        }
        read.push_back(std::move(*f));
    }
    return std::make_shared<const capability_document>(std::move(read));
}

}  // namespace sigrun
