#include "kernel/capability/events/change_source.hpp"
#include "kernel/guard/private_file.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>
#include <set>
#include <string>

namespace sigrun {
namespace {

constexpr std::uint32_t k_events = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR;

// Folders are watched, never files: a file that is replaced is another one. Each path is watched for in its parent, and a folder
// from inside, too.
class file_source final : public change_source {
public:
    file_source(boost::asio::io_context& io, std::vector<watched_path> paths) : paths_(std::move(paths)), events_(io) {}
    std::string_view name() const noexcept override { return "inotify"; }
    bool start(notice changed) override {
        owned_fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
        if (!fd) return false;
        events_.assign(fd.release());
        changed_ = std::move(changed);
        add_watches();
        wait();
        return !watched_.empty();
    }

private:
    struct interest {
        std::string name;  // of an entry; empty: any
        std::size_t path;  // in paths_
        auto operator<=>(const interest&) const = default;
    };

    /// Also of what has appeared since; what is watched already stays as it is.
    void add_watches() {
        for (std::size_t i = 0; i < paths_.size(); ++i) {
            const std::string& path = paths_[i].path;
            const auto slash = path.rfind('/');
            if (slash == path.npos || slash + 1 == path.size()) continue;
            add(slash ? path.substr(0, slash) : "/", {path.substr(slash + 1), i});
            add(path, {"", i});
        }
    }
    void add(const std::string& folder, interest what) {
        const int watch = ::inotify_add_watch(events_.native_handle(), folder.c_str(), k_events);
        if (watch >= 0) watched_[watch].insert(std::move(what));
    }

    void wait() {
        const std::weak_ptr<bool> life = life_;
        events_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this, life](const boost::system::error_code& ec) {
                               if (ec || !life.lock()) return;
                               const auto prefixes = drain();
                               wait();  // first, so that what comes now is either told later or seen by who is told now
                               if (!prefixes.empty()) changed_(prefixes);
                           });
    }
    std::vector<std::string> drain() {
        std::set<std::size_t> touched;
        bool all = false;
        alignas(inotify_event) std::array<char, 16 * 1024> room;
        for (int i = 0; i < 64; ++i) {
            const auto n = ::read(events_.native_handle(), room.data(), room.size());
            if (n <= 0) break;
            for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(n);) {
                inotify_event e;
                std::memcpy(&e, room.data() + at, sizeof e);
                const char* name = e.len ? room.data() + at + sizeof e : "";
                at += sizeof e + e.len;
                if (e.mask & IN_Q_OVERFLOW) all = true;
                if (e.mask & IN_IGNORED) watched_.erase(e.wd);  // the folder is gone
                note(e.wd, name, touched);
            }
        }
        if (!touched.empty() || all) add_watches();
        std::set<std::string> prefixes;
        for (std::size_t i = 0; i < paths_.size(); ++i)
            if (all || touched.count(i)) prefixes.insert(paths_[i].prefixes.begin(), paths_[i].prefixes.end());
        return {prefixes.begin(), prefixes.end()};
    }
    void note(int watch, std::string_view name, std::set<std::size_t>& touched) const {
        const auto at = watched_.find(watch);
        if (at == watched_.end()) return;
        for (const auto& what : at->second)
            if (what.name.empty() || what.name == name) touched.insert(what.path);
    }

    const std::vector<watched_path> paths_;
    boost::asio::posix::stream_descriptor events_;
    std::map<int, std::set<interest>> watched_;
    notice changed_;
    const std::shared_ptr<bool> life_ = std::make_shared<bool>();
};

}  // namespace

std::unique_ptr<change_source> watch_files(boost::asio::io_context& io, std::vector<watched_path> paths) {
    return std::make_unique<file_source>(io, std::move(paths));
}

}  // namespace sigrun
