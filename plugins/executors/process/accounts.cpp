#include "accounts.hpp"

#include "process_job.hpp"

#include <sigrun/cpp/text.hpp>

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

namespace sigrun::process {
namespace {

constexpr std::size_t k_entry = 64 * 1024;

std::optional<std::uint32_t> number_of(const std::string& text) {
    std::uint32_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(n) : std::nullopt;
}

account user_named(const std::string& user) {
    account who;
    passwd entry{}, *found = nullptr;
    std::vector<char> room(k_entry);
    const auto number = number_of(user);
    const int error = number ? ::getpwuid_r(*number, &entry, room.data(), room.size(), &found)
                             : ::getpwnam_r(user.c_str(), &entry, room.data(), room.size(), &found);
    if (found) {
        who.uid = found->pw_uid;
        who.gid = found->pw_gid;
        who.name = found->pw_name;
        who.home = found->pw_dir;
        who.shell = found->pw_shell;
        return who;
    }
    if (!number)
        throw job_error{"user", sdk::concat("user: expected one of the runner's machine, found \"", user, "\"",
                                            error ? sdk::concat(" (", std::strerror(error), ")") : "")};
    who.uid = who.gid = *number;
    return who;
}

std::uint32_t group_named(const std::string& group) {
    if (const auto number = number_of(group)) return *number;
    ::group entry{}, *found = nullptr;
    std::vector<char> room(k_entry);
    ::getgrnam_r(group.c_str(), &entry, room.data(), room.size(), &found);
    if (!found)
        throw job_error{"user", sdk::concat("group: expected one of the runner's machine, found \"", group, "\"")};
    return found->gr_gid;
}

std::vector<std::uint32_t> groups_of(const account& who) {
    std::vector<gid_t> all(64);
    int n = static_cast<int>(all.size());
    if (who.name.empty()) return {who.gid};
    if (::getgrouplist(who.name.c_str(), who.gid, all.data(), &n) < 0) {
        all.resize(static_cast<std::size_t>(n));
        if (::getgrouplist(who.name.c_str(), who.gid, all.data(), &n) < 0) n = 0;
    }
    all.resize(static_cast<std::size_t>(std::max(n, 0)));
    return {all.begin(), all.end()};
}

bool lists(const std::vector<std::string>& allowed, const std::string& name, std::uint32_t number) {
    return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& one) {
        return (!name.empty() && one == name) || number_of(one) == number;
    });
}

bool has(const std::vector<std::uint32_t>& all, std::uint32_t one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

account find_account(const std::string& user, const std::string& group, const account_rules& rules) {
    auto who = user_named(user);
    const bool any = lists(rules.users, "*", UINT32_MAX) && who.uid != 0;
    const bool itself = who.uid == ::geteuid();
    if (!itself && !any && !lists(rules.users, who.name, who.uid))
        throw account_refused{sdk::concat("this runner does not run jobs as user \"", user,
                                          "\": its process executor has the option users for that")};
    who.groups = groups_of(who);
    if (!group.empty()) {
        const auto gid = group_named(group);
        if (gid != who.gid && !has(who.groups, gid) && !lists(rules.groups, group, gid))
            throw account_refused{sdk::concat("group \"", group, "\" is none of user \"", user,
                                              "\", and this runner's option groups does not allow it")};
        who.gid = gid;
        if (!has(who.groups, gid)) who.groups.push_back(gid);
    }
    const bool as_it_is = itself && (who.gid == ::getegid());
    if (!as_it_is && ::geteuid() != 0)
        throw account_refused{sdk::concat("only a runner that is root can run a job as user \"", user,
                                          "\", and this one has uid ", ::geteuid())};
    return who;
}

void hand_workspace_to(const account& who, const std::string& workspace, const std::string& workdir) {
    if (workspace.empty()) return;
    for (auto folder = std::filesystem::path(workspace).parent_path();; folder = folder.parent_path()) {
        struct stat about {};
        if (::stat(folder.c_str(), &about) != 0)
            throw account_refused{sdk::concat(folder.string(), ": ", std::strerror(errno))};
        const mode_t needed = who.uid == 0                                               ? 0
                              : about.st_uid == who.uid                                  ? S_IXUSR
                              : has(who.groups, about.st_gid) || about.st_gid == who.gid ? S_IXGRP
                                                                                         : S_IXOTH;
        if (needed && !(about.st_mode & needed))
            throw account_refused{
                sdk::concat("user ", who.name.empty() ? std::to_string(who.uid) : who.name,
                            " cannot get to its workspace, since ", folder.string(),
                            " is closed to it: the runner's workspace_dir has to be a folder that its jobs' "
                            "users may pass through")};
        if (folder == folder.parent_path()) break;
    }
    const auto give = [&](const std::string& folder) {
        if (::lchown(folder.c_str(), who.uid, who.gid) != 0)
            throw account_refused{
                sdk::concat(folder, " cannot be given to user ", who.uid, ": ", std::strerror(errno))};
    };
    give(workspace);
    if (!workdir.starts_with(workspace + "/")) return;
    for (auto end = workspace.size(); end != std::string::npos;) {
        end = workdir.find('/', end + 1);
        give(workdir.substr(0, end));
    }
}

}  // namespace sigrun::process
