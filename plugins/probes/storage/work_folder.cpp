// The folder that jobs get their own folders in: on what it lies, and how much room it has.
#include "storage_probe.hpp"

#include <deque>

namespace sigrun::storage {
namespace {

constexpr std::string_view k_keys[] = {"work.fs", "work.exec", "work.tmpfs", "work.available_bytes",
                                       "work.quota_bytes"};

void push_parts(std::deque<std::string>& to, std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        const auto slash = path.find('/');
        if (const auto part = path.substr(0, slash); !part.empty() && part != ".") parts.emplace_back(part);
        path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
    }
    to.insert(to.begin(), parts.begin(), parts.end());
}

/// Where a path leads, as far as it exists. Each step is only taken on a file system that cannot block.
struct real_place {
    std::string path = "/";
    bool complete = false;  // all of it exists
    bool blocked = false;   // it goes on where a look could block
};
real_place follow(const sdk::sysroot& root, const mount_table& mounts, std::string_view wanted) {
    real_place at;
    std::deque<std::string> rest;
    push_parts(rest, wanted);
    int links = 40;  // as the kernel allows
    while (!rest.empty()) {
        const auto part = std::move(rest.front());
        rest.pop_front();
        if (part == "..") {
            at.path.resize(std::max<std::size_t>(1, at.path.rfind('/')));
            continue;
        }
        const std::string next = (at.path == "/" ? "" : at.path) + "/" + part;
        if (const auto kind = mounts.waits_for(next); kind == mount_kind::remote || kind == mount_kind::automount) {
            at.path = next;
            at.blocked = true;
            return at;
        }
        if (const auto link = root.link(next)) {
            if (--links < 0) return at;
            if (link.text.starts_with('/')) at.path = "/";
            push_parts(rest, link.text);
            continue;
        }
        if (root.probe(next) != sdk::read_status::ok) return at;
        at.path = next;
    }
    at.complete = true;
    return at;
}

void quota(const machine_calls& calls, const real_place& at, sdk::fact_writer& facts, sdk::fact_info info) {
    info.source = "quotactl";
    if (!calls.quota_of) {
        info.detail = "not told by a file";
        return facts.none("work.quota_bytes", "absent", info);
    }
    const auto limit = calls.quota_of(at.path);
    if (limit.error == 0 && limit.value > 0) return facts.ok("work.quota_bytes", limit.value, info);
    if (limit.error == 0 || limit.error == ESRCH) {
        info.detail = limit.error == 0 ? "no limit for this user" : "quotas are not in use";
        return facts.none("work.quota_bytes", "absent", info);
    }
    char room[128] = {};
    const std::string why = strerror_r(limit.error, room, sizeof room);
    info.detail = why;
    const auto status = limit.error == ENOTSUP || limit.error == ENOTTY ? sdk::read_status::unsupported
                                                                        : sdk::status_of_errno(limit.error);
    facts.none("work.quota_bytes", sdk::fact_writer::word(status), info);
}

}  // namespace

void read_work(const sdk::sysroot& root, const mount_table& mounts, const machine_calls& calls, const work_place& place,
               sdk::fact_writer& facts) {
    const sdk::fact_info about{.source = "/proc/self/mountinfo", .method = "derived", .volatility = "slow"};
    const bool known = place.path.starts_with('/');
    if (known)
        facts.ok("work.path", place.path, {.source = place.source, .method = place.method, .unique = true});
    else
        facts.none("work.path", "absent",
                   {.source = "option work_path", .unique = true, .detail = "no absolute path is set"});
    if (!known || mounts.way_to("/").empty()) {
        for (auto key : k_keys)
            facts.missing(key, mounts.file(), about, known ? "no mount at /" : "work.path is not known");
        return;
    }
    const auto at = follow(root, mounts, place.path);
    const auto* mount = mounts.way_to(at.path).back();
    const std::string detail = at.blocked
                                   ? sdk::concat("on ", mount->type, " at ", mount->mount_point, ", not looked at")
                               : at.complete ? std::string()
                                             : sdk::concat("not there yet; the values are of ", at.path);
    auto described = about;
    described.detail = detail;
    facts.ok("work.fs", mount->type, described);
    facts.ok("work.exec", !mount->has_option("noexec"), about);
    facts.ok("work.tmpfs", mount->type == "tmpfs" || mount->type == "ramfs", about);

    const sdk::fact_info info{.source = "statvfs", .volatility = "fast", .ttl_s = 60, .detail = detail};
    auto unknown = info;
    if (mounts.waits_for(at.path) != mount_kind::local) {
        if (detail.empty()) unknown.detail = "not on a local file system";
        facts.none("work.available_bytes", "error", unknown);
        unknown.source = "quotactl";
        return facts.none("work.quota_bytes", "error", unknown);
    }
    if (!calls.space_of) {
        unknown.detail = "not told by a file";
        facts.none("work.available_bytes", "absent", unknown);
    } else if (const auto room = calls.space_of(at.path); room.error != 0 || room.value.total_bytes == 0) {
        unknown.detail = room.error ? "statvfs failed" : "no size is told";
        facts.none("work.available_bytes",
                   room.error ? sdk::fact_writer::word(sdk::status_of_errno(room.error)) : "unsupported", unknown);
    } else {
        facts.ok("work.available_bytes", room.value.available_bytes, info);
    }
    quota(calls, at, facts, {.volatility = "slow"});
}

}  // namespace sigrun::storage
