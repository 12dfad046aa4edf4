// A process executor with a mock host, a workspace, and a way to count the processes that an attempt left.
#pragma once

#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/executor.h>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sigrun::process_test {

namespace json = boost::json;
using namespace sigrun::sdk;
using std::chrono::milliseconds;

inline constexpr std::uint64_t k_ms = 1'000'000;

inline std::uint64_t monotonic_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

/// Processes whose environment has this token. Zombies have none.
inline std::vector<pid_t> processes_with(const std::string& token) {
    std::vector<pid_t> found;
    std::string wanted = "SIGRUN_FENCING_TOKEN=" + token;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream file(entry.path() / "environ", std::ios::binary);
        std::string text((std::istreambuf_iterator<char>(file)), {});
        if (text.find(wanted + '\0') != std::string::npos) found.push_back(std::stoi(name));
    }
    return found;
}

/// Waits until `done` holds; false on the deadline.
template <class Done>
bool eventually(Done done, milliseconds deadline = std::chrono::seconds(10)) {
    auto until = std::chrono::steady_clock::now() + deadline;
    while (!done()) {
        if (std::chrono::steady_clock::now() > until) return false;
        ::poll(nullptr, 0, 2);
    }
    return true;
}

class executor_rig : public testing::Test {
protected:
    struct running {
        std::string token;
        std::unique_ptr<recording_sink> sink = std::make_unique<recording_sink>();
        sigrun_op op = 0;
    };

    void SetUp() override {
        char folder[] = "/tmp/sigrun-process-XXXXXX";
        ASSERT_NE(::mkdtemp(folder), nullptr);
        workspace_ = folder;
        start({{"kill_grace", "200ms"}});
    }
    void TearDown() override {
        if (instance_) host_.destroy(instance_);
        EXPECT_EQ(host_.double_completions(), 0u);
        EXPECT_EQ(host_.open_ops(), 0u);
        EXPECT_EQ(host_.live_threads(), 0u);
        std::filesystem::remove_all(workspace_);
    }
    void start(std::map<std::string, std::string> options) {
        if (instance_) host_.destroy(instance_);
        if (has_shim_) options.try_emplace("shim", SIGRUN_BUILD_DIR "/bin/sigrun-shim");
        instance_ = host_.start(host_.create(component_, options));
        table_ = static_cast<const sigrun_executor*>(instance_->get_interface(instance_, str(SIGRUN_KIND_EXECUTOR)));
    }

    running begin(const json::object& document, std::uint64_t deadline_ns = 0) {
        running r;
        begin(r, document, deadline_ns);
        return r;
    }
    void begin(running& r, const json::object& document, std::uint64_t deadline_ns = 0) {
        static std::atomic<int> counter{0};
        r.token = concat("test:", ::getpid(), ":", ++counter);
        sigrun_attempt attempt{sizeof attempt, 3, str("018f-job"), str(r.token)};
        auto text = json::serialize(document);
        sigrun_task task{sizeof task, 0, &attempt, str(component_), str(text), str(workspace_), nullptr, deadline_ns};
        r.op = host_.mint();
        EXPECT_EQ(table_->run(instance_, &task, r.sink->abi(), r.op), SIGRUN_PENDING);
    }
    running shell(std::string_view script, std::uint64_t deadline_ns = 0) {
        return begin({{"command", {"sh", "-c", script}}}, deadline_ns);
    }
    mock_host::outcome wait(const running& r, milliseconds deadline = std::chrono::seconds(30)) {
        return host_.wait(r.op, deadline);
    }
    void wait_output(const running& r, const std::string& text) {
        EXPECT_TRUE(eventually([&] { return output(r).find(text) != std::string::npos; })) << output(r);
    }
    static json::object parsed(const mock_host::outcome& o) { return json::parse(o.text).as_object(); }
    static std::string output(const running& r, std::uint32_t stream = SIGRUN_STREAM_STDOUT) {
        std::string all;
        for (const auto& f : r.sink->frames())
            if (f.kind == SIGRUN_LOG && f.stream == stream) all += f.payload;
        return all;
    }

    std::string component_ = "process";
    bool has_shim_ = true;
    std::string workspace_;
    mock_host host_;
    sigrun_instance* instance_ = nullptr;
    const sigrun_executor* table_ = nullptr;
};

}  // namespace sigrun::process_test
