// Tells when the configuration file or a file in its plugins.d is another one than before: written in place, renamed over,
// added, removed, or reached through a symlink that was changed. Waits until it is quiet, so that an editor that writes in
// several steps is seen once. The folders are watched, not the files; a look every 30 s finds what no event told.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace sigrun {

class config_watch {
public:
    /// `changed` runs on the watching thread and must not end the watch.
    config_watch(std::string file, std::string drop_in_dir, std::function<void()> changed);
    ~config_watch();
    config_watch(const config_watch&) = delete;
    config_watch& operator=(const config_watch&) = delete;

private:
    void run();
    void watch_folders();
    bool drain_events();
    std::string signature() const;

    const std::string file_, drop_in_dir_;
    const std::function<void()> changed_;
    int events_ = -1, end_ = -1;
    std::string seen_;
    std::thread thread_;
};

}  // namespace sigrun
