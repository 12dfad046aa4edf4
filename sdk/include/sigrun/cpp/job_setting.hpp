// sigrun/cpp/job_setting.hpp: the fields `user`, `pty` and `isolation` of a job document, as the controller checks them
// and an executor reads them. Needs Boost.JSON. Header-only, pure.
#pragma once

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::sdk {

/// What of the machine a job does not share. Not said: what the executor does by itself.
struct job_isolation {
    std::optional<bool> tmp;            // /tmp, /var/tmp and /dev/shm of its own
    std::optional<bool> mounts;         // what it mounts, nobody else sees
    std::optional<bool> processes;      // it sees and reaches its own processes only
    std::optional<bool> network;        // a loopback of its own and nothing else
    std::optional<bool> ipc;            // System V IPC and message queues of its own
    std::optional<bool> files;          // it writes only below its workspace
    std::optional<bool> syscalls;       // without those that change the machine
    std::optional<bool> privileges;     // no program gives it more rights (set-user-id, file capabilities)
    std::vector<std::string> writable;  // more paths that it may write to, of those that the runner allows
    bool required = true;               // refuse the job rather than run it with less

    bool any() const noexcept;
};

/// One row for each part, in the order in which they are shown.
struct job_isolation_row {
    std::string_view name;
    std::optional<bool> job_isolation::*value;
    std::string_view on, off;  // what the document says
};
inline constexpr job_isolation_row k_job_isolation[] = {
    {"tmp", &job_isolation::tmp, "private", "host"},
    {"mounts", &job_isolation::mounts, "private", "host"},
    {"processes", &job_isolation::processes, "private", "host"},
    {"network", &job_isolation::network, "none", "host"},
    {"ipc", &job_isolation::ipc, "private", "host"},
    {"files", &job_isolation::files, "read_only", "host"},
    {"syscalls", &job_isolation::syscalls, "filtered", "all"},
    {"privileges", &job_isolation::privileges, "fixed", "any"},
};

inline bool job_isolation::any() const noexcept {
    return std::any_of(std::begin(k_job_isolation), std::end(k_job_isolation),
                       [this](const job_isolation_row& row) { return (this->*(row.value)).value_or(false); });
}

struct terminal_size {
    std::uint16_t rows = 24, columns = 80;
};

/// As whom, at what kind of terminal, and apart from what a job runs.
struct job_setting {
    std::string user, group;  // names or numbers; empty: as the runner
    std::optional<terminal_size> pty;
    job_isolation isolation;
};

/// What is wrong with a field.
struct setting_fault {
    std::string field, expected, found;
};

namespace detail {

inline constexpr std::size_t k_most_writable = 64;

inline bool given(const boost::json::value* v) { return v && !v->is_null(); }

// A name as the system takes it, or a number.
inline std::optional<setting_fault> read_account(const boost::json::value& v, std::string_view field,
                                                 std::string& out) {
    if (v.is_int64() || v.is_uint64()) {
        boost::system::error_code error;
        const auto n = v.to_number<std::uint32_t>(error);
        if (!error && n < UINT32_MAX) {
            out = std::to_string(n);
            return std::nullopt;
        }
    } else if (v.is_string()) {
        const std::string_view name(v.get_string().data(), v.get_string().size());
        const auto odd = [](char c) { return c <= ' ' || c == ':' || c == '/' || c == 0x7F; };
        if (!name.empty() && name.size() <= 256 && std::none_of(name.begin(), name.end(), odd)) {
            out = name;
            return std::nullopt;
        }
    }
    return setting_fault{std::string(field), "a name or a number of the runner's machine", boost::json::serialize(v)};
}

// "NAME" or "NAME:GROUP", each a number as well.
inline std::optional<setting_fault> read_user(const boost::json::value& v, job_setting& out) {
    const auto* text = v.if_string();
    const auto colon = text ? text->find(':') : boost::json::string::npos;
    if (colon == boost::json::string::npos) return read_account(v, "user", out.user);
    if (auto fault = read_account(boost::json::value(text->subview(0, colon)), "user", out.user)) return fault;
    return read_account(boost::json::value(text->subview(colon + 1)), "user", out.group);
}

inline std::optional<setting_fault> read_pty(const boost::json::value& v, std::optional<terminal_size>& out) {
    if (v.is_bool()) {
        if (v.get_bool()) out.emplace();
        return std::nullopt;
    }
    const auto* members = v.if_object();
    if (!members) return setting_fault{"pty", "true, or an object with rows and columns", boost::json::serialize(v)};
    terminal_size size;
    for (const auto& [key, value] : *members) {
        const std::string_view name(key.data(), key.size());
        if (name != "rows" && name != "columns")
            return setting_fault{concat("pty.", name), "rows or columns", concat("\"", name, "\"")};
        boost::system::error_code error;
        const bool whole = value.is_int64() || value.is_uint64();
        const auto n = whole ? value.to_number<std::uint16_t>(error) : std::uint16_t{0};
        if (error || n == 0)
            return setting_fault{concat("pty.", name), "a whole number from 1 to 65535", boost::json::serialize(value)};
        (name == "rows" ? size.rows : size.columns) = n;
    }
    out = size;
    return std::nullopt;
}

inline std::optional<setting_fault> read_writable(const boost::json::value& v, std::vector<std::string>& out) {
    const auto* items = v.if_array();
    if (!items || items->size() > k_most_writable)
        return setting_fault{"isolation.writable", concat("an array of at most ", k_most_writable, " absolute paths"),
                             boost::json::serialize(v)};
    for (const auto& item : *items) {
        const std::string field = concat("isolation.writable[", out.size(), "]");
        const auto* text = item.if_string();
        const std::string_view path = text ? std::string_view(text->data(), text->size()) : std::string_view();
        if (path.size() < 2 || path.size() > 4096 || path[0] != '/' || path.find('\0') != path.npos ||
            concat(path, "/").find("/../") != std::string::npos)
            return setting_fault{field, "an absolute path without \"..\"", boost::json::serialize(item)};
        out.emplace_back(path);
    }
    return std::nullopt;
}

inline std::optional<setting_fault> read_isolation(const boost::json::value& v, job_isolation& out) {
    const auto* members = v.if_object();
    if (!members)
        return setting_fault{"isolation", "an object such as {\"network\": \"none\"}", boost::json::serialize(v)};
    for (const auto& [key, value] : *members) {
        const std::string_view name(key.data(), key.size());
        const std::string field = concat("isolation.", name);
        if (name == "writable") {
            if (auto fault = read_writable(value, out.writable)) return fault;
            continue;
        }
        if (name == "enforce") {
            if (value != "required" && value != "best_effort")
                return setting_fault{field, "required or best_effort", boost::json::serialize(value)};
            out.required = value == "required";
            continue;
        }
        const auto* row = std::find_if(std::begin(k_job_isolation), std::end(k_job_isolation),
                                       [&](const job_isolation_row& r) { return r.name == name; });
        if (row == std::end(k_job_isolation)) {
            std::string known;
            for (const auto& r : k_job_isolation) known += concat(r.name, ", ");
            return setting_fault{field, concat("one of ", known, "writable, enforce"), concat("\"", name, "\"")};
        }
        const std::string_view word = value.is_string()
                                          ? std::string_view(value.get_string().data(), value.get_string().size())
                                          : std::string_view();
        if (word != row->on && word != row->off)
            return setting_fault{field, concat(row->on, " or ", row->off), boost::json::serialize(value)};
        out.*(row->value) = word == row->on;
    }
    return std::nullopt;
}

}  // namespace detail

/// Reads those fields of a whole document into `out`. Returns the first fault, or nothing.
inline std::optional<setting_fault> read_job_setting(const boost::json::object& document, job_setting& out) {
    if (const auto* v = document.if_contains("user"); detail::given(v))
        if (auto fault = detail::read_user(*v, out)) return fault;
    if (const auto* v = document.if_contains("pty"); detail::given(v))
        if (auto fault = detail::read_pty(*v, out.pty)) return fault;
    if (const auto* v = document.if_contains("isolation"); detail::given(v))
        if (auto fault = detail::read_isolation(*v, out.isolation)) return fault;
    if (!out.isolation.writable.empty() && out.isolation.files == false)
        return setting_fault{"isolation.writable", "isolation.files = read_only", "isolation.files = host"};
    return std::nullopt;
}

}  // namespace sigrun::sdk
