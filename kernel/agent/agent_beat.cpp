// What the agent does by the clock: beats, silent links, changed facts.
#include "kernel/agent/agent.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_tick{50};
constexpr std::chrono::seconds k_longest_patience{8};

}  // namespace

void agent::arm_tick() {
    tick_.expires_after(k_tick);
    tick_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        auto self = weak.lock();
        if (!self || ec) return;
        self->tick();
    });
}

void agent::tick() {
    auto now = clock::system().now();
    std::vector<link_ptr> beats, silent;
    std::vector<agent_link_ptr> doubted, trusted;
    {
        std::lock_guard lock(mutex_);
        if (stopped_) return;
        // A link can be lost before it was noted here; then nobody else removes it.
        std::erase_if(links_, [](const agent_link_ptr& l) {
            auto via = l->via.lock();
            return !via || !via->alive();
        });
        for (const auto& l : links_) {
            auto via = l->via.lock();
            if (!via) continue;
            if (l->heard.exchange(false, std::memory_order_relaxed)) {
                l->last_heard = now;
                l->asked = {};
                if (std::exchange(l->doubted, false)) {
                    // A stall of a moment: next time it is given more.
                    l->patience = std::min<nanoseconds>(2 * l->patience, k_longest_patience);
                    trusted.push_back(l);
                }
            }
            // The controller answers each beat: this long without a word and the link is dead.
            auto limit = std::max<nanoseconds>(std::chrono::seconds(10), 3 * l->beat + std::chrono::seconds(1));
            if (now - l->last_heard > limit) {
                silent.push_back(via);
            } else if (now >= l->next_beat) {
                l->next_beat = now + l->beat;
                beats.push_back(via);
                if (l->asked == time_point{}) l->asked = now;
                if (l->doubted) doubted.push_back(l);  // no other way was found; perhaps there is one now
            } else if (l->asked != time_point{} && !l->doubted && now - l->asked > l->patience) {
                l->doubted = true;
                beats.push_back(via);  // one more chance to answer
                doubted.push_back(l);
            }
        }
    }
    look_at_machine();
    look_at_job_keys(now);
    for (const auto& via : beats) send_beat(via);
    table_->keep_ends(now);
    tell_minor_changes(now);
    for (const auto& l : trusted)
        if (auto up = l->dialled.lock()) up->trust(l);
    for (const auto& l : doubted)
        if (auto up = l->dialled.lock()) up->doubt(l);
    for (const auto& via : silent) {
        SIGRUN_LOG(logs::agent, warning, "the controller is silent over ", via->protocol_name(), "; connecting again");
        via->close(SIGRUN_E_TIMEOUT);
        on_lost(via, "no frame from the controller");
    }
    arm_tick();
}

void agent::send_beat(const link_ptr& via) const {
    auto used = std::min(table_->used(), slots());
    auto text = sdk::concat(R"({"free":)", slots() - used, R"(,"live":)", used);
    if (const auto trouble = machine_->trouble()) {
        text += R"(,"not_ready":)";
        text += json::serialize(json::value(trouble->text()));
    }
    text += "}";
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_BEAT;
    frame.time_ns = static_cast<std::uint64_t>(clock::system().wall_ns());
    frame.json = sdk::str(text);
    via->send(frame);
}

// What stands against jobs is told at once, and so is that nothing does any more.
void agent::look_at_machine() {
    machine_->tick();
    const auto trouble = machine_->trouble();
    const auto text = trouble ? trouble->text() : std::string();
    const bool news = trouble_told_.empty() != text.empty();
    trouble_told_ = text;
    if (!news) return;
    if (trouble)
        SIGRUN_LOG(logs::agent, warning, "no jobs are taken: ", text);
    else
        SIGRUN_LOG(logs::agent, info, "jobs are taken again");
    for (const auto& l : links())
        if (auto via = l->via.lock()) send_beat(via);
}

void agent::compare_clocks(const sigrun_frame& answer) const {
    if (answer.json.len == 0 || answer.time_ns == 0) return;  // of a controller that does not tell its time
    const auto o = parse_object(sdk::view(answer.json));
    const auto theirs = o ? number_or<std::int64_t>(*o, "wall_ns", 0) : 0;
    if (theirs > 0) machine_->heard(static_cast<std::int64_t>(answer.time_ns), clock::system().wall_ns(), theirs);
}

void agent::arm_facts() {
    facts_timer_.expires_after(options_.facts_interval);
    facts_timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        auto self = weak.lock();
        if (!self || ec) return;
        self->refresh_facts(nullptr);
        self->read_all_facts();
        self->look_at_path();
        self->arm_facts();
    });
}

void agent::refresh_facts(const agent_link_ptr& asker, std::uint64_t knows) {
    detect_options what;
    what.fresh = asker != nullptr;
    // Nobody is held up by a probe that takes its time: its answer is one of the changes that the detector tells of.
    what.patience = asker ? options_.facts_patience : nanoseconds(0);
    detector_.detect(what, [weak = weak_from_this(), asker, knows](capability_ptr found) {
        if (auto self = weak.lock()) self->facts_found(found, asker, knows);
    });
}

// And then, when an interval was idle as a whole, measures: after the other facts, so that nothing else is measured then.
void agent::read_all_facts() {
    detector_.detect({}, [weak = weak_from_this()](const capability_ptr& found) {
        auto self = weak.lock();
        if (!self) return;
        self->facts_found(found, nullptr, 0);
        self->look_at_benchmark();
    });
}

fact_revisions::change agent::take_facts(std::vector<fact> now) {
    path_->complete(now);
    benchmark_->complete(now);
    auto next = std::make_shared<const capability_document>(std::move(now));
    const auto what = revisions_.note(*facts_, *next);
    facts_ = std::move(next);
    if (what == fact_revisions::change::minor) minor_untold_ = true;
    return what;
}

void agent::facts_found(const capability_ptr& found, const agent_link_ptr& asker, std::uint64_t knows) {
    if (!found) return;
    {
        std::lock_guard lock(mutex_);
        if (stopped_) return;
    }
    const auto what = renew_facts(found);
    // Whoever asked is answered in any case, also before its WELCOME has been read here.
    if (what == fact_revisions::change::major) tell_all({}, asker);
    if (asker) tell_since(asker, {}, true, knows);
}

void agent::look_at_path() {
    for (const auto& l : links()) {
        const auto via = l->via.lock();
        if (!via || !via->alive()) continue;
        return path_->look(via, table_->used() == 0, [weak = weak_from_this()] {
            if (auto self = weak.lock()) self->plugins_changed(false);
        });
    }
}

void agent::look_at_benchmark() {
    capability_ptr facts;
    bool idle = false;
    {
        std::lock_guard lock(mutex_);
        facts = facts_;
        idle = !stopped_ && !draining_ && !probing_;
    }
    benchmark_->look(idle && table_->used() == 0, *facts, [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->plugins_changed(false);
    });
}

}  // namespace sigrun
