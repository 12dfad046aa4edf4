#include "container_attempt.hpp"

#include "log_pieces.hpp"
#include "outputs.hpp"

#include <sigrun/cpp/short_hash.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace sigrun::container {
namespace {

namespace json = boost::json;
using process::outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds k_answer{30};       // for a request that an engine answers from what it knows
constexpr seconds k_pull{1800};       // for an image
constexpr seconds k_engine_away{60};  // an engine that restarts; its containers may go on meanwhile
constexpr milliseconds k_pause{200};  // between two tries
constexpr milliseconds k_look_again{300};
constexpr milliseconds k_busy{20};  // until the sink is asked again, if it says nothing
constexpr seconds k_kill_again{2};

std::uint64_t wall_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

json::object object_of(const std::string& body) {
    boost::system::error_code ec;
    auto v = json::parse(body, ec);
    return !ec && v.is_object() ? std::move(v.get_object()) : json::object();
}

bool yes(const json::object& o, std::string_view name) {
    const auto* v = o.if_contains(name);
    return v && v->is_bool() && v->get_bool();
}

std::string text(const json::object& o, std::string_view name) {
    const auto* v = o.if_contains(name);
    return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

bool says_missing(const std::string& message) {
    return message.find("executable file not found") != message.npos ||
           message.find("no such file or directory") != message.npos ||
           message.find("executable file `") != message.npos;
}

}  // namespace

struct container_attempt::ended {
    outcome how;
};

container_attempt::container_attempt(const sdk::host& host, attempt_terms terms, const container_rules& rules,
                                     std::vector<std::string> sockets)
    : host_(host),
      terms_(std::move(terms)),
      rules_(rules),
      sockets_(std::move(sockets)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void container_attempt::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

void container_attempt::stored(std::uint64_t offset) noexcept {
    auto now = stored_.load(std::memory_order_relaxed);
    while (now < offset && !stored_.compare_exchange_weak(now, offset)) {
    }
}

void container_attempt::cancel(std::chrono::nanoseconds grace) {
    {
        std::lock_guard lock(mutex_);
        order_ = order_ ? std::min(*order_, grace) : grace;
        new_order_ = true;
    }
    wake();
}

bool container_attempt::cancelled() {
    std::lock_guard lock(mutex_);
    return order_.has_value();
}

std::string container_attempt::name_of(std::size_t step) const {
    return sdk::concat("sigrun-", sdk::short_hash(terms_.names.token), "-", step);
}

outcome container_attempt::failed(std::int32_t result, std::string_view failure_class, std::string_view code,
                                  const std::string& message, std::optional<int> exit_code) const {
    json::object o{
        {"class", failure_class}, {"code", code}, {"message", message}, {"exit_code", nullptr}, {"signal", nullptr}};
    if (exit_code) o["exit_code"] = *exit_code;
    o["usage"] = json::object{{"wall_ms", std::chrono::duration_cast<milliseconds>(steady::now() - began_).count()}};
    if (auto limits = process::to_json(plan_.limits); !limits.empty()) o["limits"] = json::parse(limits);
    if (auto held = process::to_json(plan_.held); !held.empty()) o["isolation"] = json::parse(held);
    return {result, json::serialize(o)};
}

outcome container_attempt::run() {
    outcome how;
    try {
        how = go();
    } catch (const ended& e) {
        how = e.how;
    } catch (const process::limits_refused& e) {
        how = failed(SIGRUN_E_UNSUPPORTED, "refused", "limits", e.message);
    } catch (const process::setting_refused& e) {
        how = failed(SIGRUN_E_UNSUPPORTED, "refused", e.code, e.message);
    } catch (const process::job_error& e) {
        how = failed(SIGRUN_E_INVALID, "user", e.code, e.message);
    } catch (const std::exception& e) {
        how = failed(SIGRUN_E_IO, "infra_runner", "engine", e.what());
    }
    if (engine_) remove_all();
    return process::without_secrets(std::move(how), plan_.secret_values());
}

outcome container_attempt::go() {
    plan_ = plan_container(terms_.document, rules_);
    secrets_ = sdk::secret_patterns(plan_.secret_values());
    find_engine();
    if (terms_.again) {
        created_ = plan_.job.steps.size();
        if (!inspect(name_of(0)))
            return failed(SIGRUN_E_NOT_FOUND, "infra_runner", "lost", "the runner ended before it had started the job");
    } else {
        get_image();
    }
    return run_steps();
}

void container_attempt::find_engine() {
    std::string why;
    for (const auto& path : sockets_) {
        try {
            engine_http candidate(path);
            if (const auto reply = candidate.ask("GET", "/_ping", {}, seconds(5)); !reply.good())
                throw engine_error(sdk::concat(path, ": ", reply.message()));
            engine_ = candidate;
            return;
        } catch (const engine_error& e) {
            why += sdk::concat(why.empty() ? "" : "; ", e.what());
        }
    }
    throw ended{failed(SIGRUN_E_UNSUPPORTED, "refused", "container",
                       sdk::concat("this runner cannot run jobs of kind container, as no engine answers: ", why))};
}

void container_attempt::get_image() {
    const auto& wanted = plan_.container;
    if (wanted.pull != sdk::image_pull::always) {
        const auto known =
            engine_->ask("GET", sdk::concat("/images/", url_encoded(wanted.image), "/json"), {}, k_answer);
        if (known.good()) return;
        if (known.status != 404) throw engine_error(sdk::concat("image ", wanted.image, ": ", known.message()));
        if (wanted.pull == sdk::image_pull::never)
            throw ended{failed(
                SIGRUN_E_UNSUPPORTED, "refused", "image",
                sdk::concat("this runner does not have the image ", wanted.image, ", and container.pull is never"))};
    }
    const auto refuse = [&](const std::string& why) {
        return ended{failed(SIGRUN_E_IO, "infra_dependency", "pull",
                            sdk::concat("the image ", wanted.image, " cannot be pulled: ", why))};
    };
    // Without a tag every one of them would come.
    const bool named = wanted.image.find('@') != std::string::npos ||
                       wanted.image.find(':', wanted.image.rfind('/') + 1) != std::string::npos;
    engine_stream progress(
        *engine_, "POST",
        sdk::concat("/images/create?fromImage=", url_encoded(wanted.image), named ? "" : "&tag=latest"), k_pull);
    std::string all, piece;
    const auto until = steady::now() + k_pull;
    for (;;) {
        const auto now = progress.next(piece, until, wake_.get());
        if (now == engine_stream::state::over) break;
        if (now == engine_stream::state::piece) {
            all = (all + piece);
            if (all.size() > 65536) all.erase(0, all.size() - 65536);  // what went wrong is said last
            continue;
        }
        rest(steady::now());
        if (cancelled())
            throw ended{failed(SIGRUN_E_CANCELLED, "cancelled", "cancelled", "cancelled while its image was pulled")};
        if (steady::now() >= until) throw refuse("it takes longer than half an hour");
    }
    if (progress.status() >= 300) throw refuse(engine_reply{progress.status(), all}.message());
    // One object on each line; what fails in the middle is told in the last.
    if (const auto at = all.rfind("\"error\""); at != std::string::npos) {
        const auto begin = all.rfind('\n', at) == std::string::npos ? 0 : all.rfind('\n', at) + 1;
        const auto why = text(object_of(all.substr(begin, all.find('\n', at) - begin)), "error");
        throw refuse(why.empty() ? "the engine does not say why" : why);
    }
}

outcome container_attempt::run_steps() {
    container_state how;
    std::size_t step = 0;
    for (;; ++step) {
        const auto began_ns = wall_ns();
        const auto began = steady::now();
        running_ = step;
        std::optional<engine_stream> live;
        const auto begun = begin_step(step, live);
        how = follow(begun, std::move(live));
        const auto took = std::chrono::nanoseconds(steady::now() - began).count();
        ended_.push_back({how.exit_code, 0, began_ns, static_cast<std::uint64_t>(took)});
        const bool fine = how.exit_code == 0 || plan_.job.steps[step].may_fail;
        if (!fine || timed_out_ || cancelled() || step + 1 == plan_.job.steps.size()) break;
    }
    return process::with_steps(process::with_outputs(conclusion(step, how), process::read_outputs(terms_.workspace)),
                               plan_.job.steps, ended_);
}

container_attempt::container_state container_attempt::begin_step(std::size_t step, std::optional<engine_stream>& live) {
    const auto name = name_of(step);
    auto known = terms_.again ? inspect(name) : std::nullopt;
    if (!known) {
        created_ = std::max(created_, step + 1);
        const auto made = engine_->ask("POST", sdk::concat("/containers/create?name=", name),
                                       plan_.create_body(step, rules_, terms_.workspace, terms_.names), k_answer);
        if (!made.good())
            throw ended{failed(SIGRUN_E_IO, "infra_runner", "spawn",
                               sdk::concat("the container cannot be made: ", made.message()))};
        known.emplace();
        known->id = text(object_of(made.body), "Id");
        known->created = true;
    }
    if (known->created) {
        // Before it starts, so that nothing is missed.
        live.emplace(*engine_, "POST",
                     sdk::concat("/containers/", known->id, "/attach?stream=true&stdout=true&stderr=true"), k_answer);
        if (live->status() != 200 && live->status() != 101) live.reset();
        start(*known);
    }
    tell_state();
    return *known;
}

void container_attempt::start(const container_state& what) {
    const auto begun = engine_->ask("POST", sdk::concat("/containers/", what.id, "/start"), {}, k_answer);
    if (begun.good() || begun.status == 304) return;
    const auto why = begun.message();
    if (says_missing(why)) throw ended{failed(SIGRUN_E_NOT_FOUND, "user", "not_found", why, 127)};
    if (why.find("permission denied") != why.npos)
        throw ended{failed(SIGRUN_E_DENIED, "user", "not_executable", why, 126)};
    throw ended{failed(SIGRUN_E_IO, "infra_runner", "spawn", sdk::concat("the container cannot be started: ", why))};
}

void container_attempt::tell_state() {
    if (std::exchange(announced_, true) && !process::has_steps(plan_.job.steps)) return;
    std::string state = R"({"state":"running")";
    if (auto limits = process::to_json(plan_.limits); !limits.empty()) state += sdk::concat(R"(,"limits":)", limits);
    if (auto held = process::to_json(plan_.held); !held.empty()) state += sdk::concat(R"(,"isolation":)", held);
    if (process::has_steps(plan_.job.steps))
        state += sdk::concat(R"(,"steps":)", process::to_json(plan_.job.steps, {ended_, running_, false}));
    state += "}";
    sigrun_attempt who{sizeof who, terms_.names.number, sdk::str(terms_.names.job), sdk::str(terms_.names.token)};
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = SIGRUN_STATE;
    f.attempt = &who;
    f.json = sdk::str(state);
    f.time_ns = wall_ns();
    terms_.sink.on_frame(terms_.sink.ctx, &f);
}

std::optional<container_attempt::container_state> container_attempt::inspect(const std::string& name) const {
    const auto reply = engine_->ask("GET", sdk::concat("/containers/", name, "/json"), {}, k_answer);
    if (reply.status == 404) return std::nullopt;
    if (!reply.good()) throw engine_error(sdk::concat("container ", name, ": ", reply.message()));
    const auto o = object_of(reply.body);
    const auto* state = o.if_contains("State");
    if (!state || !state->is_object())
        throw engine_error(sdk::concat("container ", name, ": the engine does not tell its state"));
    const auto& s = state->get_object();
    container_state now;
    now.id = text(o, "Id");
    const auto word = text(s, "Status");
    now.created = word == "created" || word == "configured" || word == "initialized";
    now.running = yes(s, "Running") || yes(s, "Paused") || word == "stopping";
    now.oom = yes(s, "OOMKilled");
    now.error = text(s, "Error");
    if (const auto* code = s.if_contains("ExitCode"); code && code->is_int64())
        now.exit_code = static_cast<int>(code->get_int64());
    return now;
}

// An engine that is away for a moment is one that restarts.
container_attempt::container_state container_attempt::inspect_until_told(const std::string& id) {
    const auto until = steady::now() + k_engine_away;
    for (;;) {
        try {
            auto now = inspect(id);
            if (!now)
                throw ended{
                    failed(SIGRUN_E_IO, "infra_runner", "container_gone", "somebody removed the job's container")};
            return *now;
        } catch (const engine_error&) {
            if (steady::now() >= until) throw;
        }
        rest(steady::now() + k_pause);
    }
}

// Live over `live` for as long as that goes on. Without it, or if it breaks, what the engine has kept is read again and again: to
// follow that is not safe, since podman 4.3 leaves lines out when the container ends meanwhile.
container_attempt::container_state container_attempt::follow(const container_state& what,
                                                             std::optional<engine_stream> live) {
    delivered_ = {};
    redactors_.fill(sdk::redactor(secrets_));
    if (live) read_output(what, *live, false);
    for (;;) {
        const auto began = steady::now();
        const auto now = inspect_until_told(what.id);
        try {
            read_kept(what);
        } catch (const engine_error& e) {
            host_.log(SIGRUN_LOG_WARNING, "the output of job ", terms_.names.job, " is interrupted: ", e.what());
        }
        if (!now.running) {
            end_output(what.id);
            return now;
        }
        const auto pause = std::max<steady::duration>(k_look_again, 10 * (steady::now() - began));
        const auto until = steady::now() + std::min<steady::duration>(pause, seconds(30));
        while (steady::now() < until && !rest(std::min(until, next_duty()))) {
        }
        obey(what.id);
    }
}

void container_attempt::read_kept(const container_state& what) {
    engine_stream kept(*engine_, "GET", sdk::concat("/containers/", what.id, "/logs?stdout=true&stderr=true"),
                       k_answer);
    // Not every log driver of docker can be read.
    if (kept.status() == 200) read_output(what, kept, true);
}

// `again`: what has been delivered comes once more, and is skipped.
void container_attempt::read_output(const container_state& what, engine_stream& stream, bool again) {
    log_pieces pieces(plan_.job.setting.pty.has_value());
    auto skip = again ? delivered_ : std::array<std::uint64_t, 2>{};
    std::string bytes;
    for (;;) {
        obey(what.id);
        const auto now = stream.next(bytes, next_duty(), wake_.get());
        if (now == engine_stream::state::over) return;
        if (now == engine_stream::state::interrupted) {
            rest(steady::now());
            continue;
        }
        const bool good = pieces.add(bytes, [&](std::uint32_t which, std::string_view piece) {
            const std::size_t at = which == SIGRUN_STREAM_STDERR;
            const auto known = std::min<std::uint64_t>(skip[at], piece.size());
            skip[at] -= known;
            piece.remove_prefix(static_cast<std::size_t>(known));
            delivered_[at] += piece.size();
            if (!piece.empty()) tell(which, piece, what.id);
        });
        if (!good) throw engine_error("its output is not what an engine sends");
    }
}

// Until then, or until somebody wants something. True: somebody does.
bool container_attempt::rest(steady::time_point until) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady::now()).count();
    pollfd waiting{wake_.get(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
    std::uint64_t count = 0;
    return ::read(wake_.get(), &count, sizeof count) > 0;
}

void container_attempt::tell(std::uint32_t stream, std::string_view piece, const std::string& id) {
    if (secrets_.empty()) return deliver(stream, piece, id);
    std::string clean;
    redactors_[stream == SIGRUN_STREAM_STDERR].feed(piece, clean);
    deliver_all(stream, clean, id);
}

// What was held back as the beginning of a secret is none.
void container_attempt::end_output(const std::string& id) {
    for (const std::uint32_t stream : {SIGRUN_STREAM_STDOUT, SIGRUN_STREAM_STDERR}) {
        std::string rest_of_it;
        redactors_[stream == SIGRUN_STREAM_STDERR].end(rest_of_it);
        deliver_all(stream, rest_of_it, id);
    }
}

void container_attempt::deliver_all(std::uint32_t stream, std::string_view bytes, const std::string& id) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(bytes.size(), SIGRUN_LOG_MAX)))
        deliver(stream, bytes.substr(0, SIGRUN_LOG_MAX), id);
}

void container_attempt::deliver(std::uint32_t stream, std::string_view piece, const std::string& id) {
    sigrun_attempt who{sizeof who, terms_.names.number, sdk::str(terms_.names.job), sdk::str(terms_.names.token)};
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = SIGRUN_LOG;
    f.attempt = &who;
    f.stream = stream;
    f.time_ns = wall_ns();
    f.offset = total_;
    const bool wanted = !discard_ && total_ + piece.size() > stored_.load(std::memory_order_relaxed);
    total_ += piece.size();
    if (!wanted) return;
    const sdk::buffer content(host_, piece);
    f.payload = content.get();
    for (;;) {
        const auto r = terms_.sink.on_frame(terms_.sink.ctx, &f);
        if (r != SIGRUN_E_BUSY) {
            discard_ = r < 0;
            return;
        }
        rest(steady::now() + k_busy);
        obey(id);
    }
}

steady::time_point container_attempt::next_duty() {
    auto at = steady::now() + std::chrono::hours(1);
    if (kill_at_) at = std::min(at, *kill_at_);
    if (terms_.deadline_ns && !timed_out_)
        at = std::min(at, steady::time_point(std::chrono::nanoseconds(static_cast<std::int64_t>(terms_.deadline_ns))));
    return at;
}

// TERM when somebody asks for the end or the time is over, KILL after the grace and again until it is gone.
void container_attempt::obey(const std::string& id) {
    const auto now = steady::now();
    std::optional<std::chrono::nanoseconds> grace;
    {
        std::lock_guard lock(mutex_);
        if (std::exchange(new_order_, false)) grace = order_;
    }
    const auto deadline = steady::time_point(std::chrono::nanoseconds(static_cast<std::int64_t>(terms_.deadline_ns)));
    if (terms_.deadline_ns && !timed_out_ && now >= deadline) {
        timed_out_ = !cancelled();
        terms_.deadline_ns = timed_out_ ? terms_.deadline_ns : 0;
        if (timed_out_) grace = terms_.kill_grace;
    }
    if (grace) {
        const auto at = now + std::min<std::chrono::nanoseconds>(*grace, std::chrono::hours(24));
        kill_at_ = kill_at_ ? std::min(*kill_at_, at) : at;
        signal(id, "SIGTERM");
    }
    if (kill_at_ && now >= *kill_at_) {
        signal(id, "SIGKILL");
        kill_at_ = now + k_kill_again;
    }
}

void container_attempt::signal(const std::string& id, const char* name) const {
    try {
        // 409: it does not run any more, which is what was wanted.
        engine_->ask("POST", sdk::concat("/containers/", id, "/kill?signal=", name), {}, k_answer);
    } catch (const engine_error& e) {
        host_.log(SIGRUN_LOG_WARNING, "job ", terms_.names.job, " cannot be sent ", name, ": ", e.what());
    }
}

void container_attempt::remove_all() noexcept {
    for (std::size_t step = 0; step < created_; ++step) try {
            engine_->ask("DELETE", sdk::concat("/containers/", name_of(step), "?force=true&v=true"), {}, k_answer);
        } catch (const std::exception& e) {
            host_.log(SIGRUN_LOG_WARNING, "container ", name_of(step), " cannot be removed: ", e.what());
        }
}

outcome container_attempt::conclusion(std::size_t step, const container_state& how) {
    const auto& steps = plan_.job.steps;
    auto what = steps.size() < 2 ? std::string("the command") : sdk::concat("step ", step + 1, " of ", steps.size());
    if (steps.size() > 1 && !steps[step].name.empty()) what += sdk::concat(" (", steps[step].name, ")");
    if (timed_out_)
        return failed(SIGRUN_E_TIMEOUT, "user_timeout", "run", sdk::concat(what, " ran longer than its run timeout"),
                      how.exit_code);
    if (cancelled())
        return failed(SIGRUN_E_CANCELLED, "cancelled", "cancelled", "cancelled while it ran", how.exit_code);
    if (how.exit_code != 0 && how.oom && !steps[step].may_fail)
        return failed(SIGRUN_E_NOMEM, "resource", "oom",
                      sdk::concat(what, " exited with code ", how.exit_code,
                                  ": the kernel killed a process of it for lack of memory",
                                  plan_.job.limits.memory
                                      ? sdk::concat(", limits.memory is ", process::size_text(*plan_.job.limits.memory))
                                      : ""),
                      how.exit_code);
    auto o = object_of(failed(SIGRUN_OK, "", "", "").json);
    for (const char* name : {"class", "code", "message"}) o.erase(name);
    if (how.exit_code != 0 && steps[step].may_fail) {
        o["exit_code"] = 0;
        return {SIGRUN_OK, json::serialize(o)};
    }
    o["exit_code"] = how.exit_code;
    constexpr int k_killed = 128 + 9;
    if (how.exit_code != 0)
        o["message"] = sdk::concat(
            what, " exited with code ", how.exit_code, how.error.empty() ? "" : ": ", how.error,
            how.exit_code == k_killed ? ", which is what a kill looks like, and Sigrun did not send it" : "",
            how.exit_code == k_killed && plan_.job.limits.memory
                ? sdk::concat("; limits.memory is ", process::size_text(*plan_.job.limits.memory))
                : "");
    return {SIGRUN_OK, json::serialize(o)};
}

}  // namespace sigrun::container
