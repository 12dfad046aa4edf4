#include "kernel/capability/probe_host.hpp"

#include "kernel/base/json.hpp"
#include "kernel/capability/probe_frames.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/log/log_relay.hpp"
#include "kernel/plugin/generation.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/probe.h>

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

namespace sigrun {
namespace {

constexpr int k_nice = 10;
constexpr rlim_t k_max_files = 256;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr rlim_t k_max_memory = 1024u * 1024 * 1024;  // of address space
#endif
constexpr rlim_t k_spare_seconds = 2;  // of processor time, beyond the hard limit of a run
constexpr std::uint32_t k_start_ms = 5000;
constexpr std::size_t k_max_log_text = 16 * 1024;

// The child's end of the socket. Several threads write, one reads.
class parent_line {
public:
    explicit parent_line(int fd) : fd_(fd) {}

    // False: nobody listens any more.
    bool say(const std::string& frame) {
        std::lock_guard lock(mutex_);
        for (std::string_view rest = frame; !rest.empty();) {
            const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return false;
            rest.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    // Nothing: the parent has closed its end, or what it says makes no sense.
    std::optional<probe_frame> hear() {
        for (;;) {
            auto frame = frames_.next();
            if (!frame) return std::nullopt;
            if (*frame) return **frame;
            char piece[16 * 1024];
            const ssize_t n = ::read(fd_, piece, sizeof piece);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return std::nullopt;
            frames_.take({piece, static_cast<std::size_t>(n)});
        }
    }

private:
    const int fd_;
    std::mutex mutex_;
    probe_frame_reader frames_;
};

void limit(__rlimit_resource what, rlim_t most) {
    const rlimit both{most, most};
    ::setrlimit(what, &both);
}

void limit_this_process() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // whoever died before this line has closed the socket
    // It ends when its parent says so, not when everybody of a service is told to stop.
    for (int each : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(each, SIG_IGN);
    ::mallopt(M_ARENA_MAX, 2);  // each thread's own would reserve address space
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, k_max_files);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    // Soft only: a program that a probe starts may reserve more than it uses, and takes the limit back.
    rlimit space{};
    if (::getrlimit(RLIMIT_AS, &space) == 0) {
        space.rlim_cur = std::min<rlim_t>(k_max_memory, space.rlim_max);
        ::setrlimit(RLIMIT_AS, &space);
    }
#endif
}

// All threads: the plugin's may be among them. Not before the probe is ready, or a busy machine would wait long for its facts.
void be_nice() {
    std::error_code ignored;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/task", ignored))
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(std::atoi(each.path().filename().c_str())), k_nice);
}

// Ends a run that spins even if nobody were left to kill it.
void allow_processor_time(std::uint32_t hard_ms) {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    // On each processor, for a probe that uses all of them.
    const auto processors = static_cast<rlim_t>(std::max(1u, std::thread::hardware_concurrency()));
    const auto seconds = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + processors * hard_ms / 1000;
    const rlimit more{seconds + k_spare_seconds, RLIM_INFINITY};
    ::setrlimit(RLIMIT_CPU, &more);
}

// One run; its sink is valid until the probe has completed the op.
struct task {
    task(parent_line& line, std::uint64_t n, std::string what, std::string root, std::uint64_t deadline)
        : parent(line), number(n), scope(std::move(what)), sysroot(std::move(root)), deadline_ns(deadline) {}

    parent_line& parent;
    std::uint64_t number;
    std::string scope, sysroot;
    std::uint64_t deadline_ns;
    sigrun_sink sink{};
    std::atomic<sigrun_op> op{0};
    std::atomic<bool> cancelled{false};

    static sigrun_result on_frame(void* ctx, const sigrun_frame* frame) noexcept {
        auto& me = *static_cast<task*>(ctx);
        if (!frame || frame->struct_size < sizeof(sigrun_frame) || frame->kind != SIGRUN_STATE) return SIGRUN_E_INVALID;
        if (frame->json.len > k_max_facts_bytes || (frame->json.len && !frame->json.ptr)) return SIGRUN_E_INVALID;
        try {
            const bool taken = me.parent.say(frame_bytes(probe_word::facts, me.number, sdk::view(frame->json)));
            return taken ? SIGRUN_OK : SIGRUN_E_CANCELLED;
        } catch (const std::bad_alloc&) {
            return SIGRUN_E_NOMEM;
        }
    }
};

class hosted_probe {
public:
    explicit hosted_probe(parent_line& parent) : parent_(parent) {}
    ~hosted_probe() {
        current_ = nullptr;
        instance_ = nullptr;
        code_ = nullptr;
        runtime_->stop();
    }

    result<void> load(const json::object& words, int copy) {
        SIGRUN_TRY(code, generation::open_copy(copy, text_or(words, "sha256"), runtime_, "sigrun probe host"));
        code_ = std::move(code);
        SIGRUN_CHECK_OK(code_->start());
        const std::string wanted(text_or(words, "component"));
        for (const auto& component : code_->descriptor().components)
            if (component.id == wanted) return make(component, words);
        return bad_value("component", wanted, "a plugin without it");
    }
    void run(std::uint64_t number, const json::object& words) {
        auto fresh = std::make_shared<task>(parent_, number, std::string(text_or(words, "scope")),
                                            std::string(text_or(words, "sysroot")),
                                            number_or<std::uint64_t>(words, "deadline_ns", 0));
        fresh->sink = {sizeof fresh->sink, 0, fresh.get(), &task::on_frame};
        current_ = fresh;
        allow_processor_time(table_->hard_ms);
        runtime_->work.post([this, fresh] { execute(fresh); }, false);
    }
    void cancel(std::uint64_t number) {
        if (!current_ || current_->number != number || !SIGRUN_HAS(table_, cancel)) return;
        current_->cancelled = true;
        if (const auto op = current_->op.load()) table_->cancel(instance_->abi(), op);
    }

private:
    result<void> make(const component_record& component, const json::object& words) {
        const std::string name(text_or(words, "name"));
        config_section section{"instance " + name, "the parent", {}};
        if (const auto* values = object_or_null(words, "values"))
            for (const auto& each : *values)
                if (each.value().is_string())
                    section.values[std::string(each.key())] = {std::string(each.value().get_string()), "the parent"};
        SIGRUN_TRY(values, bound_section::bind(&section, component.options));
        SIGRUN_TRY(made, generation::create(code_, component, name, *values->abi()));
        instance_ = std::move(made);
        instance_->set_values(values);
        auto* abi = instance_->abi();
        sdk::error_text text;
        if (SIGRUN_HAS(abi, start))
            if (const auto r = abi->start(abi, &text.abi); r < 0) return problem::from_abi(r, text.text());
        table_ = instance_->table<sigrun_probe>(SIGRUN_KIND_PROBE);
        if (!SIGRUN_HAS(table_, run)) return bad_value("interface " SIGRUN_KIND_PROBE, "a table with run", "none");
        return {};
    }
    void execute(const std::shared_ptr<task>& what) {
        const sigrun_op op = runtime_->ops.mint(
            code_->number(), [this, what](const result<buffer_ref>& outcome) { done(*what, outcome); });
        what->op = op;
        // What arrives from here on finds the op; what came before was for this one, too.
        if (what->cancelled && SIGRUN_HAS(table_, cancel)) table_->cancel(instance_->abi(), op);
        sigrun_probe_req req{};
        req.struct_size = sizeof req;
        req.scope = sdk::str(what->scope);
        req.sysroot = sdk::str(what->sysroot);
        req.deadline_ns = what->deadline_ns;
        const auto r = table_->run(instance_->abi(), &req, &what->sink, op);
        if (r < 0 && runtime_->ops.revoke(op)) done(*what, problem::from_abi(r, ""));
    }
    void done(const task& what, const result<buffer_ref>& outcome) {
        const std::string text = outcome ? std::string() : outcome.error().text().substr(0, 1024);
        parent_.say(frame_bytes(probe_word::done, what.number, outcome || !text.empty() ? text : "it failed"));
    }

    parent_line& parent_;
    metrics numbers_;
    std::shared_ptr<runtime> runtime_ = std::make_shared<runtime>(numbers_);
    std::shared_ptr<generation> code_;
    std::shared_ptr<instance> instance_;
    const sigrun_probe* table_ = nullptr;
    std::shared_ptr<task> current_;
};

void relay_log_to(parent_line& parent, int level) {
    set_log_level(static_cast<log_level>(level));
    relay_log_lines([&parent](log_level of, std::string_view text) {
        std::string payload(1, static_cast<char>(of));
        payload += text.substr(0, k_max_log_text);
        parent.say(frame_bytes(probe_word::log, payload));
    });
}

// Until the parent has closed its end.
void serve(parent_line& parent, int copy) {
    const auto first = parent.hear();
    auto words = first && first->word == probe_word::load ? parse_object(first->payload) : parse_object("");
    if (!words) return;
    relay_log_to(parent, number_or<int>(*words, "log_level", 0));
    allow_processor_time(k_start_ms);
    hosted_probe probe(parent);
    if (auto loaded = probe.load(*words, copy); !loaded) {
        parent.say(frame_bytes(probe_word::refused, loaded.error().text().substr(0, 1024)));
        return;
    }
    ::close(copy);
    be_nice();
    parent.say(frame_bytes(probe_word::ready, {}));
    while (const auto frame = parent.hear()) {
        const auto part = split_number(frame->payload);
        if (!part) return;
        if (frame->word == probe_word::cancel) probe.cancel(part->number);
        if (frame->word != probe_word::run) continue;
        auto task = parse_object(part->rest);
        if (!task) return;
        probe.run(part->number, *task);
    }
}

}  // namespace

int run_as_probe_host(int argc, char** argv) {
    if (argc != 2 || argv[1] != k_probe_host_flag) return -1;
    limit_this_process();
    // The parent's socket and the plugin came as the standard streams; a plugin that reads or prints must not meet them there.
    const int line = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), copy = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (line < 0 || copy < 0 || nowhere < 0) return 1;
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, fd);
    ::close(nowhere);
    auto& parent = *new parent_line(line);  // threads that a plugin left may still log
    serve(parent, copy);
    ::_exit(0);
}

}  // namespace sigrun
