// What a process job costs above a bare posix_spawn and wait of the same command, one after another: medians of the time, and
// the mean of the processor time of all processes, which other work on the machine does not change.
//
// usage: spawn_bench [ROUNDS] [FOLDER]    FOLDER: below it attempts keep their spools; without it they are in memory
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/executor.h>

#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace sigrun::sdk;

namespace {

double micros(auto begin) {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

/// Processor time of this process and of everything that was waited for, in microseconds.
double cpu_micros() {
    double all = 0;
    for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        rusage used{};
        ::getrusage(who, &used);
        for (const auto& t : {used.ru_utime, used.ru_stime})
            all += static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
    }
    return all;
}

double percentile(std::vector<double> all, double share) {
    std::sort(all.begin(), all.end());
    return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
}

void bare(const std::vector<std::string>& command) {
    std::vector<char*> argv;
    for (const auto& a : command) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    pid_t pid = 0;
    if (::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) std::abort();
    ::waitpid(pid, nullptr, 0);
}

class job_runner {
public:
    explicit job_runner(std::string folder) : folder_(std::move(folder)) {
        instance_ = host_.start(host_.create("process", {{"shim", SIGRUN_BUILD_DIR "/bin/sigrun-shim"}}));
        table_ = static_cast<const sigrun_executor*>(instance_->get_interface(instance_, str(SIGRUN_KIND_EXECUTOR)));
    }
    ~job_runner() { host_.destroy(instance_); }
    void run(const std::string& document) {
        recording_sink sink;
        auto token = concat("bench:", ++number_);
        sigrun_attempt attempt{sizeof attempt, 1, str("job"), str(token)};
        sigrun_task task{};
        task.struct_size = sizeof task;
        task.attempt = &attempt;
        task.kind = str("process");
        task.json = str(document);
        task.workspace = str("/tmp");
        keep_in(task, folder_);
        auto op = host_.mint();
        table_->run(instance_, &task, sink.abi(), op);
        if (host_.wait(op).result != SIGRUN_OK) std::abort();
    }

private:
    template <class Task>
    static void keep_in(Task& task, const std::string& folder) {
        if constexpr (requires { task.state_dir; }) task.state_dir = str(folder);
    }
    std::string folder_;
    mock_host host_;
    sigrun_instance* instance_ = nullptr;
    const sigrun_executor* table_ = nullptr;
    std::uint64_t number_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 500;
    std::string folder = argc > 2 ? argv[2] : "";
    if (!folder.empty()) {
        folder += "/attempt";
        ::mkdir(folder.c_str(), 0700);
    }
    job_runner jobs(folder);
    struct {
        const char* name;
        std::vector<std::string> command;
        const char* document;
    } cases[] = {{"true", {"true"}, R"({"command":["true"]})"},
                 {"echo", {"sh", "-c", "echo hello >/dev/null"}, R"({"command":["sh","-c","echo hello"]})"}};
    std::printf("%-6s %14s %12s %7s %14s %12s %7s\n", "", "spawn p50 us", "job p50 us", "ratio", "spawn CPU us",
                "job CPU us", "ratio");
    for (const auto& c : cases) {
        std::vector<double> plain, job;
        double plain_cpu = 0, job_cpu = 0;
        for (int i = -20; i < rounds; ++i) {  // in turns: whatever else the machine does hits both
            auto cpu = cpu_micros();
            auto begin = std::chrono::steady_clock::now();
            bare(c.command);
            auto first = micros(begin);
            auto between = cpu_micros();
            begin = std::chrono::steady_clock::now();
            jobs.run(c.document);
            auto second = micros(begin);
            auto end = cpu_micros();
            if (i < 0) continue;
            plain.push_back(first);
            job.push_back(second);
            plain_cpu += between - cpu;
            job_cpu += end - between;
        }
        std::printf("%-6s %14.0f %12.0f %7.2f %14.0f %12.0f %7.2f\n", c.name, percentile(plain, 0.5),
                    percentile(job, 0.5), percentile(job, 0.5) / percentile(plain, 0.5), plain_cpu / rounds,
                    job_cpu / rounds, job_cpu / plain_cpu);
    }
    return 0;
}
