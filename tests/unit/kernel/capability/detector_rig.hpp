// A plugin host with chosen probe plugins, for tests of the detector.
#pragma once

#include "kernel/capability/detector.hpp"

#include <sigrun/probe.h>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <future>

namespace sigrun {

/// Gives a folder that is removed at the end.
class scratch_folder {
public:
    scratch_folder() {
        std::string name = std::filesystem::temp_directory_path() / "sigrun-detector-XXXXXX";
        if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
        path_ = name;
    }
    scratch_folder(const scratch_folder&) = delete;
    ~scratch_folder() { std::filesystem::remove_all(path_); }
    const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

/// The host runs `plugins` (files) with `ini`; everything is gone when the rig is. `program`: see detector.
class detector_rig {
public:
    detector_rig(const std::vector<std::string>& plugins, std::string_view ini, const std::string& program = {}) {
        const auto folder = dir_.path() + "/probes";
        std::filesystem::create_directories(folder);
        for (const auto& file : plugins)
            std::filesystem::copy_file(file, folder + "/" + std::filesystem::path(file).filename().string());
        plugin_host_options options;
        options.plugin_dir = dir_.path();
        options.state_dir = dir_.path() + "/state";
        options.program = "unit_capability";
        host_ = std::make_unique<plugin_host>(options, settings::parse(ini, "test.ini").value(), metrics_);
        host_->load_all().value();
        host_->start_all().value();
        detector_ = std::make_unique<detector>(*host_, clock_, program);
    }
    ~detector_rig() {
        open_gates();
        detector_.reset();
        host_->shutdown();
    }

    std::string state_dir() const { return dir_.path() + "/state"; }
    manual_clock& clock() noexcept { return clock_; }
    plugin_host& host() noexcept { return *host_; }
    detector& subject() noexcept { return *detector_; }
    void destroy_detector() noexcept { detector_.reset(); }

    std::future<capability_ptr> ask(detect_options options = {}) {
        auto promise = std::make_shared<std::promise<capability_ptr>>();
        auto future = promise->get_future();
        detector_->detect(options, [promise](capability_ptr facts) { promise->set_value(std::move(facts)); });
        return future;
    }
    /// The answer, within a deadline that only a hang can miss.
    static capability_ptr wait(std::future<capability_ptr> answer) {
        if (answer.wait_for(std::chrono::seconds(60)) != std::future_status::ready)
            throw std::runtime_error("the detector did not answer");
        return answer.get();
    }
    capability_ptr detect(detect_options options = {}) { return wait(ask(std::move(options))); }
    /// Past the cache.
    capability_ptr refresh(std::vector<std::string> only = {}) {
        detect_options options;
        options.only = std::move(only);
        options.fresh = true;
        return detect(std::move(options));
    }

    /// A pipe at which a hanging probe waits until the gates are opened.
    static std::string make_gate(const scratch_folder& folder, const std::string& name) {
        const auto path = folder.path() + "/" + name;
        if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo failed");
        return path;
    }
    void add_gate(std::string path) { gates_.push_back(std::move(path)); }
    /// Lets hanging probes go, also those that come later.
    void open_gates() {
        for (const auto& gate : gates_) fds_.push_back(::open(gate.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
        gates_.clear();
    }
    void close_gates() {
        for (int fd : fds_) ::close(fd);
        fds_.clear();
    }

private:
    scratch_folder dir_;
    manual_clock clock_;
    metrics metrics_;
    std::vector<std::string> gates_;
    std::vector<int> fds_;
    std::unique_ptr<plugin_host> host_;
    std::unique_ptr<detector> detector_;
};

inline const std::string k_unruly = SIGRUN_BUILD_DIR "/tests/fixtures/plugins/unruly_probe.so";

/// Does nothing but run_as_probe_host.
inline const std::string k_probe_host = SIGRUN_BUILD_DIR "/tests/fixtures/probe_host";

inline std::string fact_text(const std::string& key, const std::string& value, const std::string& more = "") {
    return R"({"key":")" + key + R"(","value":)" + value + R"(,"method":"read","source":"test")" + more + "}";
}
inline json::value value_of(const capability_ptr& facts, std::string_view key) {
    const fact* f = facts->find(key);
    return f ? f->value : json::value();
}

/// One [instance] section of the unruly probe.
inline std::string unruly(const std::string& name, const std::string& settings) {
    return "[instance " + name + "]\ncomponent = test.unruly:unruly\n" + settings + "\n";
}

}  // namespace sigrun
