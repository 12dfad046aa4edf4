#include "kernel/agent/artifact_files.hpp"

#include "kernel/guard/sha256.hpp"

#include <sigrun/cpp/text.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>

namespace sigrun {
namespace {

constexpr std::size_t k_deepest = 64;
constexpr std::size_t k_most_looked_at = 200'000;  // entries of folders, for all wishes together
constexpr std::size_t k_hash_piece = 256 * 1024;

struct folder_closer {
    void operator()(DIR* d) const noexcept { ::closedir(d); }
};
using folder_ptr = std::unique_ptr<DIR, folder_closer>;

std::vector<std::string> parts_of(std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        const auto end = path.find('/');
        if (end != 0) parts.emplace_back(path.substr(0, end));
        path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    }
    return parts;
}

owned_fd open_folder(int at, const std::string& name) {
    return owned_fd(::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

// Where wishes begin. A relative workdir was made by the executor, and may have been replaced by the job.
owned_fd open_base(const std::string& workspace, const std::string& workdir) {
    owned_fd at(::open(workspace.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (workdir.empty() || workdir.front() == '/') return at;
    for (const auto& part : parts_of(workdir)) {
        if (!at || part == ".") continue;
        if (part == "..") return owned_fd();
        at = open_folder(at.get(), part);
    }
    return at;
}

// A plain file below `base`; errno says why not.
owned_fd open_file(int base, const std::string& path) {
    auto parts = parts_of(path);
    owned_fd at;
    int from = base;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        owned_fd next = open_folder(from, parts[i]);
        if (!next) return next;
        at = std::move(next);
        from = at.get();
    }
    owned_fd file(::openat(from, parts.back().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat about {};
    if (!file || ::fstat(file.get(), &about) != 0) return owned_fd();
    if (S_ISREG(about.st_mode)) return file;
    errno = S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
    return owned_fd();
}

class search {
public:
    explicit search(std::vector<std::string> parts) : parts_(std::move(parts)) {}
    std::vector<std::string> found;
    std::size_t looked_at = 0;
    bool cut_short = false;

    void walk(int folder, const std::string& path, std::size_t part, std::size_t depth) {
        if (depth > k_deepest || cut_short) return;
        if (parts_[part] == "**") {
            if (part + 1 < parts_.size()) walk(folder, path, part + 1, depth);
            return each(folder, [&](const std::string& name, bool is_folder) {
                if (name.front() == '.') return;  // as of any wildcard
                if (is_folder) return descend(folder, path, name, part, depth);
                if (part + 1 == parts_.size()) found.push_back(path + name);
            });
        }
        const bool last = part + 1 == parts_.size();
        each(folder, [&](const std::string& name, bool is_folder) {
            if (::fnmatch(parts_[part].c_str(), name.c_str(), FNM_PERIOD | FNM_NOESCAPE) != 0) return;
            if (is_folder && !last) return descend(folder, path, name, part + 1, depth);
            if (!is_folder && last) found.push_back(path + name);
        });
    }

private:
    void descend(int folder, const std::string& path, const std::string& name, std::size_t part, std::size_t depth) {
        if (const owned_fd next = open_folder(folder, name)) walk(next.get(), path + name + "/", part, depth + 1);
    }

    template <class Take>
    void each(int folder, Take take) {
        // A descriptor of its own: the folder may be read again for another part of the pattern.
        const int own = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const folder_ptr entries(own < 0 ? nullptr : ::fdopendir(own));
        if (!entries) {
            if (own >= 0) ::close(own);
            return;
        }
        while (const dirent* e = ::readdir(entries.get())) {
            const std::string name = e->d_name;
            if (name == "." || name == "..") continue;
            if (++looked_at > k_most_looked_at || found.size() > k_most_artifacts) {
                cut_short = true;
                return;
            }
            auto type = e->d_type;
            if (type == DT_UNKNOWN) {
                struct stat about {};
                if (::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) continue;
                type = S_ISDIR(about.st_mode) ? DT_DIR : S_ISREG(about.st_mode) ? DT_REG : DT_LNK;
            }
            if (type == DT_DIR || type == DT_REG) take(name, type == DT_DIR);
        }
    }

    const std::vector<std::string> parts_;
};

std::string words_of(const artifact_wish& wish) { return sdk::concat("artifact ", wish.path, ": "); }

bool read_whole(int fd, artifact& into) {
    sha256_stream hash;
    std::string room(k_hash_piece, '\0');
    into.size = 0;
    for (;;) {
        const ssize_t n = ::read(fd, room.data(), room.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        if (n == 0) break;
        hash.feed({room.data(), static_cast<std::size_t>(n)});
        into.size += static_cast<std::uint64_t>(n);
    }
    into.sha256 = hash.hex();
    return true;
}

class finding {
public:
    finding(int base, artifact_findings& into) : base_(base), into_(into) {}

    void look_for(const artifact_wish& wish) {
        if (!wish.has_wildcards()) {
            if (const auto why = add(wish.path, wish.name.empty() ? wish.path : wish.name); !why.empty())
                if (!(wish.optional && errno_ == ENOENT)) into_.amiss.push_back(words_of(wish) + why);
            return;
        }
        search s(parts_of(wish.path));
        s.looked_at = looked_at_;
        s.walk(base_, "", 0, 0);
        looked_at_ = s.looked_at;
        if (s.cut_short)
            into_.amiss.push_back(sdk::concat(words_of(wish), "more than ", k_most_artifacts, " files, or more than ",
                                              k_most_looked_at, " to look at; put them into an archive"));
        if (s.found.empty() && !wish.optional && !s.cut_short)
            into_.amiss.push_back(words_of(wish) + "no file matches");
        std::sort(s.found.begin(), s.found.end());
        for (const auto& path : s.found)
            if (const auto why = add(path, path); !why.empty())
                into_.amiss.push_back(words_of(wish) + path + ": " + why);
    }

private:
    // Empty: it is among them.
    std::string add(const std::string& path, const std::string& name) {
        if (!is_artifact_name(name)) return "its name cannot be that of an artifact";
        if (const auto known = by_name_.find(name); known != by_name_.end())
            return into_.paths[known->second] == path ? "" : "another artifact has this name";
        if (into_.all.size() >= k_most_artifacts) return sdk::concat("there are more than ", k_most_artifacts);
        const owned_fd file = open_file(base_, path);
        errno_ = errno;
        if (!file && errno_ == ENOENT) return "there is no such file";
        if (!file && errno_ == ELOOP) return "it is, or lies behind, a symbolic link";
        if (!file && errno_ == EISDIR) return "it is a folder; its files are " + path + "/**";
        if (!file && errno_ == EINVAL) return "it is no plain file";
        artifact what;
        what.name = name;
        if (!file || !read_whole(file.get(), what)) return sdk::concat("it cannot be read: ", std::strerror(errno));
        by_name_.emplace(name, into_.all.size());
        into_.all.push_back(std::move(what));
        into_.paths.push_back(path);
        return "";
    }

    const int base_;
    artifact_findings& into_;
    std::map<std::string, std::size_t> by_name_;
    std::size_t looked_at_ = 0;
    int errno_ = 0;
};

}  // namespace

artifact_findings find_artifacts(const std::string& workspace, const std::string& workdir,
                                 const std::vector<artifact_wish>& wishes) {
    artifact_findings found;
    const owned_fd base = open_base(workspace, workdir);
    if (!base) {
        found.amiss.push_back(sdk::concat("artifacts: the working directory cannot be read: ", std::strerror(errno)));
        return found;
    }
    finding all(base.get(), found);
    for (const auto& wish : wishes) all.look_for(wish);
    return found;
}

artifact_reader::artifact_reader(std::string workspace, const std::string& workdir, const artifact_findings& found)
    : workspace_(std::move(workspace)), workdir_(workdir) {
    std::uint64_t begin = 0;
    for (std::size_t i = 0; i < found.all.size(); ++i) {
        files_.push_back({found.paths[i], begin, begin + found.all[i].size});
        begin = files_.back().end;
    }
}

result<buffer_ref> artifact_reader::read(std::uint64_t position, std::size_t most) {
    const auto at = std::find_if(files_.begin(), files_.end(), [&](const file& f) { return position < f.end; });
    if (at == files_.end()) return make_problem(errc::internal, "there are no more artifacts");
    const auto index = static_cast<std::size_t>(at - files_.begin());
    if (index != open_) {
        const owned_fd base = open_base(workspace_, workdir_);
        fd_ = base ? open_file(base.get(), at->path) : owned_fd();
        if (!fd_) return system_problem("cannot open the artifact", at->path);
        open_ = index;
    }
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(most, at->end - position));
    auto content = buffer_ref::with_capacity(wanted);
    std::size_t got = 0;
    while (got < wanted) {
        const ssize_t n = ::pread(fd_.get(), content.get()->bytes() + got, wanted - got,
                                  static_cast<off_t>(position - at->begin + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_problem("cannot read the artifact", at->path);
        if (n == 0) return make_problem(errc::io, sdk::concat("the artifact ", at->path, " has become shorter"));
        got += static_cast<std::size_t>(n);
    }
    content.get()->length = wanted;
    return content;
}

}  // namespace sigrun
