#include "process_executor.hpp"

#include <sigrun/cpp/short_hash.hpp>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun::process {
namespace {

descriptor checked(int fd, std::string_view what) {
    if (fd < 0) throw sdk::failure(SIGRUN_E_IO, sdk::concat(what, ": ", std::strerror(errno)));
    return descriptor(fd);
}

// Agents that are older than the field do not have it.
bool has_state_dir(const sigrun_task& task) {
    return task.struct_size >= offsetof(sigrun_task, state_dir) + sizeof task.state_dir && task.state_dir.len > 0;
}

std::vector<std::string> values_of(const std::map<std::string, std::string>& secrets) {
    std::vector<std::string> values;
    for (const auto& each : secrets) values.push_back(each.second);
    return values;
}

sigrun_executor table_for(std::string_view kind) {
    return {
        sizeof(sigrun_executor),
        0,
        sdk::str(kind),
        [](sigrun_instance* i, sigrun_op op) noexcept {
            return sdk::guarded(nullptr, [&] { return sdk::self<process_executor>(i).describe(op); });
        },
        [](sigrun_instance* i, const sigrun_task* task, const sigrun_sink* sink, sigrun_op op) noexcept {
            return sdk::guarded(nullptr, [&] { return sdk::self<process_executor>(i).run(*task, *sink, op); });
        },
        [](sigrun_instance* i, const sigrun_task* task, std::uint64_t log_offset, const sigrun_sink* sink,
           sigrun_op op) noexcept {
            return sdk::guarded(nullptr,
                                [&] { return sdk::self<process_executor>(i).attach(*task, log_offset, *sink, op); });
        },
        [](sigrun_instance* i, sigrun_op op, std::uint64_t grace_ns) noexcept {
            return sdk::guarded(nullptr, [&] { return sdk::self<process_executor>(i).cancel(op, grace_ns); });
        },
        [](sigrun_instance* i, sigrun_op) noexcept { sdk::self<process_executor>(i).resume(); },
        [](sigrun_instance* i, sigrun_op op, std::uint64_t offset) noexcept {
            sdk::self<process_executor>(i).stored(op, offset);
        },
    };
}

}  // namespace

process_executor::process_executor(sdk::host host, const sdk::config_reader& config)
    : process_executor(host, config, std::make_unique<plain_jobs>(config.list("writable"))) {}

process_executor::process_executor(sdk::host host, const sdk::config_reader& config,
                                   std::unique_ptr<job_wrapper> wrapper)
    : host_(host),
      table_(table_for(wrapper->kind())),
      shim_(find_shim(config.text_or("shim", ""))),
      environment_(base_environment::of_this_process(config.text_or("path", ""))),
      kill_grace_ns_(static_cast<std::uint64_t>(config.integer("kill_grace"))),
      output_drain_ns_(static_cast<std::uint64_t>(config.integer("output_drain"))),
      orphan_grace_ns_(static_cast<std::uint64_t>(config.integer("orphan_grace"))),
      spool_limit_(static_cast<std::uint64_t>(config.integer("spool_limit"))),
      accounts_{config.list("users"), config.list("groups")},
      wrapper_(std::move(wrapper)),
      groups_(config.text_or("cgroups", "auto") == "auto"),
      controllers_(config.text_or("cgroups", "auto") == "auto"),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll")),
      wake_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
    host_.log(SIGRUN_LOG_INFO, groups_.why_not().empty() ? "each job gets a cgroup of its own" : "jobs get no cgroup: ",
              groups_.why_not());
    for (auto which : {SIGRUN_SHIM_BY_MEMORY, SIGRUN_SHIM_BY_PIDS, SIGRUN_SHIM_BY_CPUS})
        if (auto why = controllers_.why_not(which); !why.empty())
            host_.log(SIGRUN_LOG_INFO, "limits of jobs are not held by a cgroup: ", why);
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.ptr = nullptr;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &e);
    reader_ = std::thread([this] {
        sdk::thread_scope scope(host_, "process-reader");
        loop();
    });
}

process_executor::~process_executor() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake();
    reader_.join();
}

const void* process_executor::interface(std::string_view id) noexcept {
    return id == SIGRUN_KIND_EXECUTOR ? &table_ : nullptr;
}

void process_executor::wake() noexcept {
    std::uint64_t one = 1;
    [[maybe_unused]] ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

template <class Begin>
sigrun_result process_executor::open(sigrun_op op, Begin begin) {
    auto progress = std::make_shared<log_progress>();
    {
        std::lock_guard lock(mutex_);
        if (draining_ || stopping_) return SIGRUN_E_CANCELLED;
        open_.emplace(op, progress);
    }
    try {
        begin(std::move(progress));
    } catch (const limits_refused& e) {
        finish(op, failed_early(SIGRUN_E_UNSUPPORTED, "refused", "limits", e.message));
    } catch (const setting_refused& e) {
        finish(op, failed_early(SIGRUN_E_UNSUPPORTED, "refused", e.code, e.message));
    } catch (const account_refused& e) {
        finish(op, failed_early(SIGRUN_E_UNSUPPORTED, "refused", "user", e.message));
    } catch (const job_error& e) {
        finish(op, failed_early(SIGRUN_E_INVALID, "user", e.code, e.message, e.exit_code));
    } catch (const std::exception& e) {
        finish(op, failed_early(SIGRUN_E_IO, "infra_runner", "spawn", e.what()));
    }
    return SIGRUN_PENDING;
}

sigrun_result process_executor::run(const sigrun_task& task, const sigrun_sink& sink, sigrun_op op) {
    return open(op, [&](auto progress) { launch(task, source_for(task, sink, op, std::move(progress))); });
}

sigrun_result process_executor::attach(const sigrun_task& task, std::uint64_t log_offset, const sigrun_sink& sink,
                                       sigrun_op op) {
    return open(op, [&](auto progress) {
        progress->stored = log_offset;
        find_again(task, source_for(task, sink, op, std::move(progress)));
    });
}

attempt_source process_executor::source_for(const sigrun_task& task, const sigrun_sink& sink, sigrun_op op,
                                            std::shared_ptr<log_progress> progress) const {
    attempt_source source;
    source.op = op;
    source.names = {std::string(sdk::view(task.attempt->job)), std::string(sdk::view(task.attempt->token)),
                    task.attempt->number};
    source.workspace = sdk::view(task.workspace);
    source.sink = sink;
    source.progress = std::move(progress);
    source.capacity = spool_limit_;
    // The shim keeps the deadline. One that is stuck cannot.
    if (task.deadline_ns) source.force_at_ns = task.deadline_ns + kill_grace_ns_;
    if (has_state_dir(task)) {
        std::string path(sdk::view(task.state_dir));
        source.folder = checked(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), path);
    }
    return source;
}

void process_executor::launch(const sigrun_task& task, attempt_source source) {
    auto job = read_job(sdk::view(task.json));
    std::string workspace(sdk::view(task.workspace));
    shim_plan plan;
    plan.secrets = values_of(job.secrets);
    plan.workdir = make_workdir(job.workdir, workspace);
    auto environment = environment_;
    const auto& wanted = job.setting;
    if (!wanted.user.empty() || wanted.pty || wanted.isolation.any() || !wanted.isolation.writable.empty() ||
        wrapper_->always())
        set_apart(job, workspace, environment, source, plan);
    for (const auto& s : job.steps) {
        plan.steps.push_back(s.argv);
        plan.may_fail.push_back(s.may_fail);
    }
    if (has_steps(job.steps)) plan.terms.flags |= SIGRUN_SHIM_STEPWISE;
    plan.environment = make_environment(environment, job, source.names, workspace);
    plan.terms.grace_ns = kill_grace_ns_;
    plan.terms.orphan_grace_ns = orphan_grace_ns_;
    plan.terms.deadline_ns = task.deadline_ns;
    plan.terms.drain_ns = output_drain_ns_;
    if (job.limits.any()) hold_to_limits(job.limits, workspace, source, plan);
    if (!source.group) source.group = groups_.take();
    if (source.group) plan.terms.flags |= SIGRUN_SHIM_GROUPED;
    if (source.folder && orphan_grace_ns_ > 0) plan.terms.flags |= SIGRUN_SHIM_OUTLIVES;
    auto message = encode(plan);
    if (message.empty())
        throw job_error{"too_large", sdk::concat("command and environment: expected at most ", SIGRUN_SHIM_MAX_MESSAGE,
                                                 " bytes, found more")};
    source.steps = std::move(job.steps);
    source.secrets = std::move(plan.secrets);
    source.spool =
        make_spool(source.folder, source.names.token, spool_limit_, source.group ? source.group->path : std::string());
    auto label = sdk::concat(source.names.job, "/", source.names.number);
    const auto& v1 = source.controllers.v1;
    auto shim = start_shim(shim_, label, message,
                           {source.spool.get(),
                            source.folder.get(),
                            source.group ? source.group->folder.get() : -1,
                            {v1[0].folder.get(), v1[1].folder.get(), v1[2].folder.get()}});
    // Made here, before anything can go wrong any more; from there on it belongs to the reader.
    hand_over(std::make_unique<attempt>(host_, std::move(source), std::move(shim)));
}

// As whom, at what terminal and apart from what it runs.
void process_executor::set_apart(process_job& job, const std::string& workspace, base_environment& environment,
                                 attempt_source& source, shim_plan& plan) const {
    std::optional<account> who;
    if (!job.setting.user.empty()) {
        who = find_account(job.setting.user, job.setting.group, accounts_);
        hand_workspace_to(*who, workspace, plan.workdir);
        environment.home = who->home.empty() ? workspace : who->home;
        environment.more = {{"USER", who->name}, {"LOGNAME", who->name}, {"SHELL", who->shell}};
        std::erase_if(environment.more, [](const auto& variable) { return variable.second.empty(); });
    }
    if (job.setting.pty) environment.more["TERM"] = "xterm-256color";
    const auto path = job.environment.find("PATH");
    const wrap_place place{workspace, plan.workdir, who ? who->uid : ::geteuid(),
                           path == job.environment.end() ? environment.path : path->second, environment};
    auto how = wrapper_->wrap(job.setting, place, job.steps);
    if (!how.refusal.empty()) throw setting_refused{"isolation", how.refusal};
    if (who) put_account(*who, job.setting.user, how);
    source.setting = how.held;
    if (how.any()) plan.setting = std::move(how);
    plan.workspace = workspace;
}

// By what the limits of a job are held, of every executor here.
void process_executor::describe_limits(sdk::fact_writer& facts) const {
    static constexpr struct {
        std::string_view key;
        std::uint32_t which;
        std::string_view otherwise;
    } k_limits[] = {{"limits.memory", SIGRUN_SHIM_BY_MEMORY, "rlimit"},
                    {"limits.pids", SIGRUN_SHIM_BY_PIDS, "rlimit"},
                    {"limits.cpus", SIGRUN_SHIM_BY_CPUS, "none"}};
    for (const auto& [key, which, otherwise] : k_limits) {
        const auto why = controllers_.why_not(which);
        const auto by = !why.empty() ? otherwise : controllers_.version() == 1 ? "cgroup_v1" : "cgroup_v2";
        facts.ok(key, by, {.source = "cgroup", .method = "derived", .detail = why});
    }
}

sigrun_result process_executor::describe(sigrun_op op) const {
    sdk::fact_writer facts;
    wrapper_->describe(facts);
    if (wrapper_->kind() == "process") describe_limits(facts);
    host_.complete_text(op, SIGRUN_OK, facts.take());
    return SIGRUN_PENDING;
}

void process_executor::hold_to_limits(const sdk::job_limits& limits, const std::string& workspace,
                                      attempt_source& source, shim_plan& plan) const {
    limit_rights rights;
    rights.exempt = ::geteuid() == 0;
    rights.why_not = [this](std::uint32_t which) { return controllers_.why_not(which); };
    auto made = controllers_.take(limits, sdk::short_hash(source.names.token));
    if (limits.pids && !(made.held & SIGRUN_SHIM_BY_PIDS) && !rights.exempt) rights.user_tasks = count_own_tasks();
    auto how = plan_limits(limits, made.held, rights);
    if (!how.refusal.empty()) throw limits_refused{how.refusal};
    if (made.v2.folder) {
        source.group = open_group(made.v2.path);
        if (!source.group) throw sdk::failure(SIGRUN_E_IO, sdk::concat("cannot use ", made.v2.path));
    }
    source.controllers = std::move(made);
    source.asked = limits;
    source.limits = std::move(how.limits);
    plan.limits = how.shim;
    plan.workspace = workspace;
}

void process_executor::find_again(const sigrun_task& task, attempt_source source) {
    auto job = read_job(sdk::view(task.json));
    source.steps = std::move(job.steps);
    source.asked = job.limits;
    source.secrets = values_of(job.secrets);
    auto found = source.folder ? find_spool(source.folder, source.names.token) : std::nullopt;
    if (!found)
        return finish(source.op, failed_early(SIGRUN_E_NOT_FOUND, "infra_runner", "lost",
                                              "the runner ended before it had started the job"));
    source.spool = std::move(found->file);
    source.capacity = found->capacity;
    if (!found->group.empty()) source.group = open_group(found->group);
    hand_over(std::make_unique<attempt>(host_, std::move(source), std::move(*found)));
}

void process_executor::hand_over(std::unique_ptr<attempt> made) {
    {
        std::lock_guard lock(mutex_);
        arriving_.push_back(std::move(made));
    }
    wake();
}

void process_executor::stored(sigrun_op op, std::uint64_t log_offset) noexcept {
    bool wanted = false;
    {
        std::lock_guard lock(mutex_);
        auto at = open_.find(op);
        if (at == open_.end()) return;
        auto& progress = *at->second;
        if (log_offset > progress.stored.load(std::memory_order_relaxed))
            progress.stored.store(log_offset, std::memory_order_release);
        wanted = progress.room_wanted.load(std::memory_order_acquire);
    }
    if (wanted) wake();
}

sigrun_result process_executor::cancel(sigrun_op op, std::uint64_t grace_ns) {
    {
        std::lock_guard lock(mutex_);
        if (!open_.contains(op)) return SIGRUN_E_NOT_FOUND;
        orders_.push_back({op, grace_ns});
    }
    wake();
    return SIGRUN_OK;
}

void process_executor::drain(std::uint64_t deadline_ns, sdk::op done) {
    {
        std::lock_guard lock(mutex_);
        draining_ = true;
        drain_deadline_ns_ = deadline_ns;
        drained_ = std::move(done);
    }
    wake();
}

void process_executor::finish(sigrun_op op, const outcome& how) {
    {
        std::lock_guard lock(mutex_);
        open_.erase(op);
    }
    host_.complete_text(op, how.result, how.json);
}

void process_executor::loop() {
    epoll_event events[64];
    while (take_in()) {
        auto now = monotonic_ns();
        int timeout = -1;
        if (next_tick_ != k_never)
            timeout = next_tick_ <= now
                          ? 0
                          : static_cast<int>(std::min<std::uint64_t>((next_tick_ - now) / 1'000'000 + 1, 60'000));
        int n = ::epoll_wait(epoll_.get(), events, 64, timeout);
        bool arrived = false;
        for (int i = 0; i < n; ++i) {
            auto* w = static_cast<attempt::watch*>(events[i].data.ptr);
            if (w) {
                w->owner->on_ready(w->what);
            } else {
                std::uint64_t count = 0;
                [[maybe_unused]] ssize_t r = ::read(wake_.get(), &count, sizeof count);
                arrived = true;
            }
        }
        if (arrived) continue;
        tick_all();
        retire_finished();
    }
}

bool process_executor::take_in() {
    std::vector<std::unique_ptr<attempt>> arrived;
    std::vector<order> orders;
    bool stopping = false;
    bool force = false;
    bool idle = false;
    {
        std::lock_guard lock(mutex_);
        arrived.swap(arriving_);
        std::erase_if(orders_, [&](const order& o) { return !open_.contains(o.op); });
        orders.swap(orders_);
        stopping = stopping_;
        force = draining_ && !drain_forced_ && monotonic_ns() >= drain_deadline_ns_;
        idle = open_.empty();
    }
    for (auto& a : arrived) {
        a->begin(epoll_.get());
        running_.push_back(std::move(a));
    }
    for (const auto& o : orders) {
        auto at = std::find_if(running_.begin(), running_.end(), [&](const auto& a) { return a->op() == o.op; });
        if (at != running_.end()) {
            (*at)->kill(o.grace_ns);
        } else {  // its run is still starting it
            std::lock_guard lock(mutex_);
            orders_.push_back(o);
        }
    }
    drain_forced_ = drain_forced_ || force;
    if (stopping || drain_forced_)
        for (auto& a : running_) {
            if (stopping) a->discard_output();
            a->abort();
        }
    tick_all();
    retire_finished();
    settle_drain();
    return !(stopping && idle && running_.empty());
}

void process_executor::tick_all() {
    auto now = monotonic_ns();
    next_tick_ = k_never;
    for (auto& a : running_) next_tick_ = std::min(next_tick_, a->tick(now));
}

void process_executor::retire_finished() {
    for (auto at = running_.begin(); at != running_.end();) {
        if (!(*at)->finished()) {
            ++at;
            continue;
        }
        auto over = std::move(*at);
        at = running_.erase(at);
        auto how = over->conclusion();
        auto op = over->op();
        bool killed = over->group_was_killed();
        auto group = over->take_group();
        const bool had_limits = over->source().asked.any();
        if (over->source().controllers.v2.folder) group = nullptr;
        over.reset();  // and its groups with it
        groups_.give_back(std::move(group), killed);
        if (had_limits) controllers_.sweep();  // of one that was found again they have another's name
        finish(op, how);
    }
}

void process_executor::settle_drain() {
    sdk::op done;
    {
        std::lock_guard lock(mutex_);
        if (!drained_) return;
        if (!open_.empty()) {
            if (!drain_forced_) next_tick_ = std::min(next_tick_, drain_deadline_ns_);
            return;
        }
        done = std::move(drained_);
    }
    done.ok();
}

}  // namespace sigrun::process
