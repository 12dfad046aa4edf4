#include "kernel/capability/probe_ticket.hpp"

#include "kernel/capability/probe_frames.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace sigrun {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t k_most_in_a_run = 4096;
constexpr milliseconds k_thread_wait{2000};  // longest wait for a worker thread
constexpr milliseconds k_default_soft{250}, k_default_hard{2000}, k_longest_limit{60'000};

milliseconds limit(std::uint32_t ms, milliseconds otherwise) {
    return ms == 0 ? otherwise : std::min(milliseconds(ms), k_longest_limit);
}

/// What a probe may not send although it is a well-formed fact; empty if it is fine.
std::string_view objection(const fact& f, const probe_lane& lane) {
    if (!lane.covers(f.key)) return "the key is not among those the probe declares";
    if (f.status == fact_status::stale) return "only the kernel says stale";
    if (f.method == "assumed") return "assumed values are not facts";
    if (f.status == fact_status::ok && f.method.empty()) return "a value needs a method";
    if (f.status == fact_status::ok && f.source.empty()) return "a value needs a source";
    return {};
}

std::uint32_t default_ttl(fact_volatility v) noexcept {
    return v == fact_volatility::slow ? 60 : v == fact_volatility::fast ? 5 : 0;
}

}  // namespace

probe_ticket::probe_ticket(std::shared_ptr<probe_lane> lane, std::string sysroot, probe_lane::done callback)
    : lane_(std::move(lane)), sysroot_(std::move(sysroot)), callback_(std::move(callback)) {
    sink_ = {sizeof sink_, 0, this, &probe_ticket::on_frame};
}

void probe_ticket::arm(std::optional<boost::asio::steady_timer>& timer, milliseconds after,
                       void (probe_ticket::*expired)()) {
    timer.emplace(lane_->host_.io(), after);
    auto presence = std::make_shared<probe_activity::presence>(lane_->activity_);
    timer->async_wait([weak = weak_from_this(), expired, presence](const boost::system::error_code& ec) {
        if (ec) return;
        if (auto me = weak.lock()) ((*me).*expired)();
    });
}

void probe_ticket::wait_for_a_thread() {
    std::lock_guard lock(mutex_);
    if (callback_) arm(queue_, k_thread_wait, &probe_ticket::no_thread);
}

void probe_ticket::execute() {
    bool wanted = false;
    {
        std::lock_guard lock(mutex_);
        started_ = true;
        wanted = static_cast<bool>(callback_);
    }
    if (!wanted) return lane_->returned(this);  // answered while it waited
    if (lane_->isolated_) {
        lane_->isolated_->run(sysroot_, shared_from_this());
        if (cancelled()) lane_->isolated_->cancel();  // while it waited for a thread
        return;
    }
    if (const auto deadline = begins())
        call(*deadline);
    else
        lane_->returned(this);
}

std::optional<std::uint64_t> probe_ticket::begins() {
    const sigrun_probe& table = *lane_->table_;
    std::lock_guard lock(mutex_);
    if (!callback_) return std::nullopt;
    const auto hard = limit(table.hard_ms, k_default_hard);
    const auto end = std::chrono::steady_clock::now() + hard;
    arm(hard_, hard, &probe_ticket::hard_limit);
    arm(soft_, std::min(limit(table.soft_ms, k_default_soft), hard), &probe_ticket::soft_limit);
    return static_cast<std::uint64_t>(std::chrono::duration_cast<nanoseconds>(end.time_since_epoch()).count());
}

void probe_ticket::call(std::uint64_t deadline_ns) {
    sigrun_probe_req req{};
    req.struct_size = sizeof req;
    req.scope = sdk::str("machine");
    req.sysroot = sdk::str(sysroot_);
    req.deadline_ns = deadline_ns;
    auto self = shared_from_this();
    lane_->host_.call_async(
        *lane_->target_,
        [&](sigrun_op op) {
            {
                std::lock_guard lock(mutex_);
                op_ = op;
            }
            if (cancelled() && SIGRUN_HAS(lane_->table_, cancel))
                lane_->table_->cancel(lane_->target_->abi(), op);  // while it waited for a thread
            return lane_->table_->run(lane_->target_->abi(), &req, &sink_, op);
        },
        [self](result<buffer_ref> outcome) { self->completed(outcome); });
}

bool probe_ticket::answer(fact_status status, std::string_view detail) {
    probe_lane::done callback;
    probe_answer said;
    {
        std::lock_guard lock(mutex_);
        if (!callback_) return false;
        callback = std::exchange(callback_, nullptr);
        said.facts = std::move(facts_);
        queue_.reset();
        soft_.reset();
        hard_.reset();
    }
    if (status != fact_status::ok) {
        add_failure(said.facts, status, detail);
        said.failures = lane_->failed_again();
    }
    const auto whole = std::make_shared<const probe_answer>(std::move(said));
    lane_->remember(sysroot_, whole);
    callback(whole);
    return true;
}

// Of what has not arrived: the values of before, as stale; and the patterns of all keys.
void probe_ticket::add_failure(std::vector<fact>& facts, fact_status status, std::string_view detail) const {
    auto known = lane_->remembered(sysroot_);
    const auto has = [](const std::vector<fact>& list, std::string_view key) {
        return std::any_of(list.begin(), list.end(), [&](const fact& f) { return f.key == key; });
    };
    std::erase_if(known, [&](const fact& old) { return has(facts, old.key); });
    for (fact& old : known) old.detail = std::string(detail.substr(0, 256));
    for (fact& f : lane_->nothing_known(status, detail))
        if (!has(known, f.key)) facts.push_back(std::move(f));
    std::move(known.begin(), known.end(), std::back_inserter(facts));
}

void probe_ticket::no_thread() {
    {
        std::lock_guard lock(mutex_);
        if (started_) return;
    }
    if (answer(fact_status::timeout, "no worker thread was free")) lane_->overdue(this);
}

void probe_ticket::soft_limit() {
    sigrun_op op = 0;
    {
        std::lock_guard lock(mutex_);
        if (callback_) op = op_;
        cancelled_ = true;
    }
    if (lane_->isolated_) return lane_->isolated_->cancel();
    if (op && SIGRUN_HAS(lane_->table_, cancel)) lane_->table_->cancel(lane_->target_->abi(), op);
}

bool probe_ticket::cancelled() {
    std::lock_guard lock(mutex_);
    return cancelled_;
}

void probe_ticket::hard_limit() {
    if (!answer(fact_status::timeout, "the probe did not answer within its hard limit")) return;
    SIGRUN_LOG(logs::capability, warning, "probe ", lane_->target_->name(),
               " missed its hard limit; its facts are unknown");
    if (lane_->isolated_)
        lane_->isolated_->give_up();
    else
        lane_->overdue(this);
}

void probe_ticket::sent(std::string_view json) { take(json); }

void probe_ticket::over(fact_status status, std::string_view detail) {
    answer(status, detail);
    lane_->returned(this);
}

void probe_ticket::completed(const result<buffer_ref>& outcome) {
    if (outcome)
        answer(fact_status::ok, {});
    else
        answer(fact_status::error, outcome.error().text());
    lane_->returned(this);
}

sigrun_result probe_ticket::on_frame(void* ctx, const sigrun_frame* frame) noexcept {
    try {
        if (!frame || frame->struct_size < sizeof(sigrun_frame) || frame->kind != SIGRUN_STATE) return SIGRUN_E_INVALID;
        return static_cast<probe_ticket*>(ctx)->take(sdk::view(frame->json));
    } catch (const std::bad_alloc&) {
        return SIGRUN_E_NOMEM;
    } catch (...) {
        return SIGRUN_E_INTERNAL;
    }
}

sigrun_result probe_ticket::take(std::string_view json) {
    {
        std::lock_guard lock(mutex_);
        if (!callback_) return SIGRUN_E_CANCELLED;
    }
    const auto refuse = [&](std::string_view why) {
        SIGRUN_LOG(logs::capability, warning, "probe ", lane_->target_->name(),
                   " sent something that is no fact: ", why);
        return SIGRUN_E_INVALID;
    };
    if (json.size() > k_max_facts_bytes) return refuse("a frame larger than 1 MiB");
    auto object = parse_object(json);
    if (!object) return refuse(object.error().text());
    const json::array* list = array_or_null(*object, "facts");
    if (!list) return refuse("no array \"facts\"");

    std::vector<fact> good;
    sigrun_result verdict = SIGRUN_OK;
    for (const json::value& v : *list) {
        auto f = fact_from_json(v);
        const std::string why = f ? std::string(objection(*f, *lane_)) : f.error().text();
        if (!why.empty())
            verdict = refuse(f ? f->key + ": " + why : why);
        else
            good.push_back(std::move(*f));
    }
    std::lock_guard lock(mutex_);
    if (!callback_) return SIGRUN_E_CANCELLED;
    if (facts_.size() + good.size() > k_most_in_a_run) return refuse("more than 4096 facts in one run");
    for (fact& f : good) {
        // Milliseconds, as JSON carries them: a document reads back equal.
        if (f.observed_ns == 0) f.observed_ns = lane_->clock_.wall_ns() / 1'000'000 * 1'000'000;
        if (f.ttl_s == 0) f.ttl_s = default_ttl(f.volatility);
        facts_.push_back(std::move(f));
    }
    return verdict;
}

}  // namespace sigrun
