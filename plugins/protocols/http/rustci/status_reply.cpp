#include "rustci/status_reply.hpp"

#include "wire/text.hpp"

#include <boost/json.hpp>

#include <array>

namespace sigrun::http::rustci {
namespace {
namespace json = boost::json;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    return out;
}

bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const char c = text[i];
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !hex) return false;
    }
    return true;
}

std::optional<json::object> object_of(std::string_view body) {
    boost::system::error_code ec;
    auto value = json::parse(body, ec);
    if (ec || !value.is_object()) return std::nullopt;
    return std::move(value.as_object());
}

const json::value* given(const json::object& o, std::string_view key) {
    const auto* v = o.if_contains(key);
    return v && !v->is_null() ? v : nullptr;
}

/// Collects the first fault while members are read.
struct strict {
    std::string& why;
    bool ok = true;

    void fail(std::string_view key, std::string_view expected) {
        if (ok) why = std::string(key) + ": expected " + std::string(expected);
        ok = false;
    }
    template <class T>
    void number(const json::object& o, std::string_view key, T& out) {
        const auto* v = given(o, key);
        boost::system::error_code ec;
        if (!v || (!v->is_int64() && !v->is_uint64())) return fail(key, "a whole number");
        out = v->to_number<T>(ec);
        if (ec) fail(key, "a whole number in range");
    }
    std::string text(const json::object& o, std::string_view key) {
        const auto* v = given(o, key);
        if (v && v->is_string()) return std::string(v->get_string());
        fail(key, "text");
        return {};
    }
};

void read_result(const json::object& o, status_reply& out, strict& read) {
    std::int32_t code = 0;
    read.number(o, "exit_code", code);
    out.exit_code = code;
    out.output = read.text(o, "output");
    read.number(o, "execution_time", out.used.wall_s);
    const auto* artifacts = given(o, "artifacts");
    if (!artifacts || !artifacts->is_array()) return read.fail("artifacts", "a list");
    for (const auto& a : artifacts->get_array()) {
        if (!a.is_string()) return read.fail("artifacts", "a list of texts");
        out.artifacts.emplace_back(a.get_string());
    }
    const auto* used = given(o, "resource_usage");
    if (!used || !used->is_object()) return read.fail("resource_usage", "an object");
    const auto& u = used->get_object();
    read.number(u, "cpu_time", out.used.cpu_s);
    read.number(u, "memory_peak", out.used.memory_peak_bytes);
    read.number(u, "storage_used", out.used.storage_bytes);
    read.number(u, "network_bytes", out.used.network_bytes);
}

}  // namespace

std::optional<submit_reply> read_submit_reply(std::string_view body) {
    const auto o = object_of(body);
    const auto* id = o ? given(*o, "job_id") : nullptr;
    const auto* status = o ? given(*o, "status") : nullptr;
    if (!id || !id->is_string() || !status || !status->is_string()) return std::nullopt;
    const auto& said = status->get_string();
    return submit_reply{lower(std::string_view(id->get_string())),
                        said == "completed" || said == "failed" || said == "cancelled"};
}

std::optional<status_reply> read_status_reply(std::string_view body, std::string& why) {
    status_reply out;
    const auto clean = with_valid_utf8(body, out.replaced);
    const auto o = object_of(clean);
    if (!o) {
        why = "expected a JSON object";
        return std::nullopt;
    }
    strict read{why};
    out.job_id = lower(read.text(*o, "job_id"));
    if (read.ok && !is_uuid(out.job_id)) read.fail("job_id", "a UUID");
    constexpr std::array<std::string_view, 5> words{"queued", "running", "completed", "failed", "cancelled"};
    const auto status = read.text(*o, "status");
    std::size_t i = 0;
    while (i < words.size() && words[i] != status) ++i;
    if (i == words.size()) {
        read.fail("status", "queued, running, completed, failed or cancelled");
        return std::nullopt;
    }
    out.status = static_cast<word>(i);
    if (const auto* at = given(*o, "started_at")) out.started = at->is_string();
    if (const auto* error = given(*o, "error"); error && error->is_string())
        out.error = std::string(error->get_string());
    if (const auto* result = given(*o, "result")) {
        if (!result->is_object()) {
            read.fail("result", "an object");
        } else {
            read_result(result->get_object(), out, read);
        }
    } else if (out.status == word::completed) {
        read.fail("result", "an object, as status is completed");
    }
    if (!read.ok) return std::nullopt;
    return out;
}

}  // namespace sigrun::http::rustci
