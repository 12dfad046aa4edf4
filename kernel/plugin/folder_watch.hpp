// Follows the plugin folder and the folders directly in it (protocols/, balancers/, ...), and tells of each plugin file that is
// new, changed or gone, once it has come to rest.
//
// inotify says that something happens, never what: cp ends in CLOSE_WRITE, a rename is one MOVED_TO, `install` changes the
// mode later. So every event only marks a name; a name is told when device, inode, size, times and mode were equal twice,
// `quiet` apart. A look at the whole folder replaces what inotify cannot promise: after a queue overflow, when a folder comes or
// goes, and every `rescan`. Which names count is the catalogue's rule: *.so, nothing that begins with a dot.
//
// All of it runs on the one thread of the given io_context; destroy it there or when that thread has ended.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"
#include "kernel/plugin/watch_times.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <sys/stat.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

namespace sigrun {

class folder_watch {
public:
    /// Called with the path; whether the file is there, and what it holds, is for the callee to see.
    using notice = std::function<void(const std::string& path)>;

    /// What lies in the folder is taken as known, but for files that changed after `since`: they are told.
    folder_watch(boost::asio::io_context& io, std::string folder, std::int64_t since_wall_ns, notice tell,
                 watch_times times = {});
    folder_watch(const folder_watch&) = delete;
    folder_watch& operator=(const folder_watch&) = delete;
    /// A problem if the system gives no inotify; looking every `rescan` goes on without it.
    result<void> begin();
    void end();

private:
    /// What is compared to see whether a file has come to rest; all zero = not there.
    using signature = std::tuple<dev_t, ino_t, off_t, std::int64_t, mode_t, uid_t>;
    struct mark {
        signature seen;
        time_point due;
        bool happened = false;  // told even if it looks as before: it may have been away in between
    };

    static signature look_at(const std::string& path);
    void wait_for_events();
    void read_events();
    void on_event(int watch, std::uint32_t mask, std::string_view name);
    void follow(const std::string& folder);
    void scan();
    void plan_scan(nanoseconds after);
    void touch(const std::string& path, bool happened);
    void plan_marks();
    void settle_marks();

    const std::string folder_;
    const std::int64_t since_;
    const notice tell_;
    const watch_times times_;
    boost::asio::posix::stream_descriptor events_;
    boost::asio::steady_timer marks_due_, scan_due_;
    std::map<int, std::string> followed_;     // watch descriptor -> folder
    std::map<std::string, signature> known_;  // what is there, as last told
    std::map<std::string, mark> marks_;
    std::string complaint_;  // of the last scan, logged once
    bool first_ = true, ended_ = false;
};

}  // namespace sigrun
