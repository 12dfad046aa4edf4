#include "kernel/agent/assignment_table.hpp"

#include "kernel/base/read_section.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <optional>

namespace sigrun {
namespace {

// How long after a full link its attempts try again; an ACK that makes room comes through pump() and is sooner.
constexpr std::chrono::milliseconds k_retry{20};
// A machine that loses its power sooner than this after an attempt ended may run it again.
constexpr std::chrono::milliseconds k_unacknowledged{200};

std::string key_of(std::string_view job, std::uint32_t number) { return sdk::concat(job, "/", number); }

// They are written into files and the log.
bool is_plain(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool valid(const sigrun_attempt* a) noexcept {
    return a && a->job.len > 0 && a->job.len <= 128 && a->token.len > 0 && a->token.len <= 256 && a->number > 0 &&
           is_plain(sdk::view(a->job)) && is_plain(sdk::view(a->token));
}

}  // namespace

assignment_table::assignment_table(plugin_host& host, agent_options options, std::uint32_t slots)
    : host_(host),
      options_(std::move(options)),
      slots_(slots),
      executors_(host),
      store_(options_.state_dir.empty() ? std::string() : options_.state_dir + "/attempts"),
      signatures_(options_.signatures, options_.state_dir.empty() ? std::string() : options_.state_dir + "/signed_jobs",
                  clock::system()),
      refusals_(clock::system()),
      retry_(host.io()) {}

std::vector<std::string> assignment_table::restore() {
    std::vector<std::string> workspaces;
    for (auto& before : store_.restore()) {
        const auto& what = before.what;
        offer_terms terms;
        executor_ptr executor;
        {
            const read_section reading;
            terms = executors_.read(what.document);
            if (terms.executor) executor = terms.executor->shared_from_this();
            terms.executor = nullptr;
        }
        terms.in_memory = what.in_memory;
        const bool able = executor && SIGRUN_HAS(executor->table, attach);
        if (able)
            workspaces.push_back(what.workspace);
        else
            store_.give_back(before.place);
        auto made = std::make_shared<assignment>(
            weak_from_this(), host_, assignment_offer{what.names, std::move(terms), what.document, what.payload},
            able ? executor : nullptr);
        if (able) made->restore(before);
        {
            std::lock_guard lock(mutex_);
            open_.insert_or_assign(key_of(what.names.job, what.names.number), made);
        }
        used_.fetch_add(1, std::memory_order_acq_rel);
        SIGRUN_LOG(logs::agent, info, "found job ", what.names.job, " attempt ", what.names.number, " again");
        if (able)
            host_.post_work([made] { made->take_over(); });
        else
            made->begin_ended(ended_as("infra_runner", "lost", "the executor that ran it is not here any more"));
    }
    return workspaces;
}

void assignment_table::refuse(const link_ptr& via, const sigrun_frame& frame, errc code, std::string_view message) {
    const auto& a = *frame.attempt;
    refuse(via, {std::string(sdk::view(a.job)), std::string(sdk::view(a.token)), a.number},
           json::serialize(json::object{{"code", to_string(code)}, {"message", message}}));
}

void assignment_table::refuse(const link_ptr& via, const assignment_names& whom, std::string text) {
    if (!refusals_.tell(via, whom, std::move(text))) retry_soon();
}

bool assignment_table::take_place() noexcept {
    auto used = used_.load(std::memory_order_relaxed);
    while (used < slots_)
        if (used_.compare_exchange_weak(used, used + 1, std::memory_order_acq_rel)) return true;
    return false;
}

sigrun_result assignment_table::on_offer(const link_ptr& via, const sigrun_frame& frame, bool accepting) {
    if (!valid(frame.attempt)) return SIGRUN_E_INVALID;
    if (!accepting || draining_.load(std::memory_order_acquire)) {
        refuse(via, frame, errc::unavailable, "the runner is draining");
        return SIGRUN_OK;
    }
    std::optional<result<buffer_ref>> answer;
    offer_terms terms;
    executor_ptr executor;
    {
        // The executor may be replaced at any time; one that is found here is there until the section ends.
        const read_section reading;
        const auto& read = executors_.read(sdk::view(frame.json));
        if (read.executor && read.executor->is_inline && read.in_memory && read.fault.empty() &&
            !signatures_.asked_for()) {
            answer.emplace(run_inline(*read.executor, read.kind, frame));
        } else {
            terms = read;
            if (read.executor) executor = read.executor->shared_from_this();
            terms.executor = nullptr;
        }
    }
    if (answer) return report_inline(via, frame, true, *answer);
    const auto& a = *frame.attempt;
    assignment_names names{std::string(sdk::view(a.job)), std::string(sdk::view(a.token)), a.number};
    if (auto known = find(a)) {
        if (known->names().token == names.token)
            known->offered_again(via);
        else
            refuse(via, frame, errc::conflict, "this attempt runs here under another token");
        return SIGRUN_OK;
    }
    if (!terms.fault.empty() || !executor) {
        refuse(via, frame, executor ? errc::invalid : errc::unsupported,
               terms.fault.empty() ? "no executor here runs jobs of kind \"" + terms.kind + "\"" : terms.fault);
        return SIGRUN_OK;
    }
    // Signatures take too long for this stack, and what is remembered of them is written to the disk.
    if (executor->is_inline && !signatures_.asked_for())
        return report_inline(via, frame, terms.in_memory, run_inline(*executor, terms.kind, frame));
    if (const auto trouble = gate_ ? gate_->trouble() : std::nullopt) {
        refuse(via, frame, trouble->code, trouble->text());
        return SIGRUN_OK;
    }
    if (!take_place()) {
        refuse(via, frame, errc::busy, sdk::concat("all ", slots_, " places are taken"));
        return SIGRUN_OK;
    }

    auto made = std::make_shared<assignment>(
        weak_from_this(), host_,
        assignment_offer{names, std::move(terms), std::string(sdk::view(frame.json)), buffer_ref::share(frame.payload)},
        std::move(executor));
    bool full = false, ended = false;
    assignment_ptr same;  // it came over two links at once
    {
        std::lock_guard lock(mutex_);
        full = open_.size() >= k_max_open;
        ended = ended_.contains(names.token);
        if (!full && !ended) {
            auto [at, inserted] = open_.emplace(key_of(names.job, names.number), made);
            if (!inserted) same = at->second;
        }
    }
    if (same) {
        place_freed();
        if (same->names().token == names.token) same->offered_again(via);
        return SIGRUN_OK;
    }
    if (ended) {
        place_freed();
        refuse(via, frame, errc::conflict, "this attempt has been here and is over");
        return SIGRUN_OK;
    }
    if (full) {
        place_freed();
        refuse(via, frame, errc::busy, "too many ended attempts wait for their acknowledgement");
        return SIGRUN_OK;
    }
    refusals_.forget(made->names().job, made->names().number);
    made->resume(via, 0);
    host_.post_work(
        [made, root = options_.workspace_dir, min = options_.needs.min_free_disk] { made->begin(root, min); });
    return SIGRUN_OK;
}

/// On the stack of the I/O thread that brought the offer: no entry, no hop, no allocation of our own.
result<buffer_ref> assignment_table::run_inline(const executor_entry& executor, std::string_view kind,
                                                const sigrun_frame& frame) {
    std::optional<result<buffer_ref>> said;
    sigrun_op op = host_.ops().mint(executor.owner->generation_number(),
                                    [&said](result<buffer_ref> answer) { said.emplace(std::move(answer)); });
    sigrun_task task{sizeof(sigrun_task), 0, frame.attempt, sdk::str(kind), frame.json, {nullptr, 0}, frame.payload, 0};
    sigrun_sink none{sizeof(sigrun_sink), 0, nullptr,
                     [](void*, const sigrun_frame*) noexcept -> sigrun_result { return SIGRUN_E_UNSUPPORTED; }};
    auto r = executor.table->run(executor.owner->abi(), &task, &none, op);
    if (said) return std::move(*said);
    host_.ops().revoke(op);
    return problem::from_abi(r < 0 ? r : SIGRUN_E_INTERNAL, "the inline executor gave no answer");
}

sigrun_result assignment_table::report_inline(const link_ptr& via, const sigrun_frame& frame, bool in_memory,
                                              const result<buffer_ref>& answer) {
    final_state how = conclude(answer, true);
    if (in_memory) {
        sigrun_frame state{};
        state.struct_size = sizeof state;
        state.kind = SIGRUN_STATE;
        state.flags = SIGRUN_FRAME_LAST;
        state.attempt = frame.attempt;
        state.json = sdk::str(how.json);
        state.payload = how.payload.get();
        if (via->send(state) >= 0) return SIGRUN_OK;
    }
    // To be acknowledged, or the link is full or gone: kept until it has arrived.
    const auto& a = *frame.attempt;
    assignment_offer over;
    over.names = {std::string(sdk::view(a.job)), std::string(sdk::view(a.token)), a.number};
    over.terms.in_memory = in_memory;
    auto made = std::make_shared<assignment>(weak_from_this(), host_, std::move(over), nullptr);
    {
        std::lock_guard lock(mutex_);
        if (open_.size() >= k_max_open) return SIGRUN_E_BUSY;
        open_.insert_or_assign(key_of(sdk::view(a.job), a.number), made);
    }
    used_.fetch_add(1, std::memory_order_acq_rel);  // given back by begin_ended
    made->begin_ended(std::move(how));
    made->resume(via, 0);
    return SIGRUN_OK;
}

sigrun_result assignment_table::on_ack(const sigrun_frame& frame) {
    if (!valid(frame.attempt)) return SIGRUN_E_INVALID;
    auto known = find(*frame.attempt);
    if (!known || known->names().token != sdk::view(frame.attempt->token)) return SIGRUN_OK;
    if (frame.stream == SIGRUN_ARTIFACT) {
        const auto fault = frame.flags & SIGRUN_FRAME_ERROR ? sdk::view(frame.json) : std::string_view();
        known->artifacts_answered(frame.offset, fault);
    } else if (frame.stream == SIGRUN_LOG) {
        known->log_acked(frame.offset);
    } else if (frame.stream == SIGRUN_STATE) {
        // A refused state or a stale token: the attempt is nobody's any more.
        known->state_acked();
    }
    return SIGRUN_OK;
}

sigrun_result assignment_table::on_cancel(const link_ptr& via, const sigrun_frame& frame) {
    if (!valid(frame.attempt)) return SIGRUN_E_INVALID;
    constexpr std::uint64_t k_longest_grace = 3'600'000'000'000;
    nanoseconds grace(static_cast<std::int64_t>(std::min(frame.time_ns, k_longest_grace)));
    auto known = find(*frame.attempt);
    if (known && known->names().token == sdk::view(frame.attempt->token)) {
        known->cancel(grace, end_cause::cancelled);
        return SIGRUN_OK;
    }
    auto how = ended_as("cancelled", "not_running", "this runner does not have the attempt");
    sigrun_frame state{};
    state.struct_size = sizeof state;
    state.kind = SIGRUN_STATE;
    state.flags = SIGRUN_FRAME_LAST;
    state.attempt = frame.attempt;
    state.json = sdk::str(how.json);
    via->send(state);
    return SIGRUN_OK;
}

void assignment_table::on_link_lost(const link_ptr& via) {
    for (const auto& a : all()) a->link_lost(via);
    refusals_.link_lost(via);
}

json::array assignment_table::inventory() {
    json::array items;
    for (const auto& a : all()) {
        auto s = a->inventory();
        items.push_back(json::object{{"job", a->names().job},
                                     {"attempt", a->names().number},
                                     {"token", a->names().token},
                                     {"state", s.finished ? "finished" : "running"},
                                     {"begun", s.finished || s.begun},
                                     {"log_bytes", s.log_bytes}});
    }
    refusals_.list(items, k_max_open);
    return items;
}

void assignment_table::apply(const link_ptr& via, const json::array& verdicts) {
    for (const auto& v : verdicts) {
        const auto* o = v.if_object();
        if (!o) continue;
        const auto job = text_or(*o, "job"), what = text_or(*o, "verdict");
        const auto number = number_or<std::uint32_t>(*o, "attempt", 0);
        assignment_ptr known;
        {
            std::lock_guard lock(mutex_);
            auto it = open_.find(key_of(job, number));
            if (it != open_.end()) known = it->second;
        }
        const bool go_on = what == "keep" || what == "report";
        if (go_on && known && known->resume(via, number_or<std::uint64_t>(*o, "log_offset", 0))) continue;
        if (go_on || !known) {
            // It may have been refused, also since it was listed.
            if (!refusals_.answered(via, job, number, go_on)) retry_soon();
        } else if (what == "kill" || what == "forget") {
            SIGRUN_LOG(logs::agent, info, "job ", known->names().job, " attempt ", known->names().number,
                       ": the controller says ", what);
            // What is to be killed may hold a place in a group until it has ended.
            if (what == "kill")
                known->stop(via, options_.kill_grace);
            else
                known->abandon(options_.kill_grace);
        } else {
            SIGRUN_LOG(logs::agent, warning, "unknown verdict \"", what, "\"");
        }
    }
}

void assignment_table::keep_ends(time_point now) {
    if (open() <= used()) return;  // none waits
    for (const auto& a : all()) a->keep_end(now - k_unacknowledged);
}

void assignment_table::cancel_all(nanoseconds grace, end_cause cause) {
    for (const auto& a : all())
        if (!a->ended()) a->cancel(grace, cause);
}

void assignment_table::set_observer(std::function<void()> on_change) {
    std::lock_guard lock(mutex_);
    observer_ = std::move(on_change);
}

void assignment_table::notify() {
    std::function<void()> observer;
    {
        std::lock_guard lock(mutex_);
        observer = observer_;
    }
    if (observer) observer();
}

void assignment_table::place_freed() {
    used_.fetch_sub(1, std::memory_order_acq_rel);
    notify();
}

void assignment_table::abandon_older(const assignment_names& than) {
    std::vector<assignment_ptr> stale;
    {
        std::lock_guard lock(mutex_);
        for (auto it = open_.lower_bound(than.job + "/"); it != open_.end() && it->second->names().job == than.job;
             ++it)
            if (it->second->names().number < than.number) stale.push_back(it->second);
    }
    for (const auto& old : stale) old->abandon(options_.kill_grace);
}

void assignment_table::forget(const assignment& which) {
    assignment_ptr keep;
    {
        std::lock_guard lock(mutex_);
        auto it = open_.find(key_of(which.names().job, which.names().number));
        if (it == open_.end() || it->second.get() != &which) return;
        keep = std::move(it->second);
        open_.erase(it);
        ended_.add(which.names().token);
    }
    notify();
}

void assignment_table::retry_soon() {
    if (retry_armed_.exchange(true)) return;
    boost::asio::post(host_.io(), [weak = weak_from_this()] {
        auto self = weak.lock();
        if (!self) return;
        self->retry_.expires_after(k_retry);
        self->retry_.async_wait([weak](boost::system::error_code ec) {
            auto table = weak.lock();
            if (!table || ec) return;
            table->retry_armed_ = false;
            for (const auto& a : table->all()) a->pump();
            if (!table->refusals_.flush()) table->retry_soon();
        });
    });
}

assignment_ptr assignment_table::find(const sigrun_attempt& which) const {
    std::lock_guard lock(mutex_);
    auto it = open_.find(key_of(sdk::view(which.job), which.number));
    return it == open_.end() ? nullptr : it->second;
}

std::vector<assignment_ptr> assignment_table::all() const {
    std::lock_guard lock(mutex_);
    std::vector<assignment_ptr> out;
    out.reserve(open_.size());
    for (const auto& [key, a] : open_) out.push_back(a);
    return out;
}

std::size_t assignment_table::open() const {
    std::lock_guard lock(mutex_);
    return open_.size();
}

}  // namespace sigrun
