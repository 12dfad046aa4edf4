// What the agent does by the clock: beats, silent links, changed facts.
#include "kernel/agent/agent.hpp"
#include "kernel/agent/own_facts.hpp"
#include "kernel/log/log.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

const auto k_log = logger::get("agent");
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
    for (const auto& via : beats) send_beat(via);
    for (const auto& l : trusted)
        if (auto up = l->dialled.lock()) up->trust(l);
    for (const auto& l : doubted)
        if (auto up = l->dialled.lock()) up->doubt(l);
    for (const auto& via : silent) {
        SIGRUN_LOG(k_log, warning, "the controller is silent over ", via->protocol_name(), "; connecting again");
        via->close(SIGRUN_E_TIMEOUT);
        on_lost(via, "no frame from the controller");
    }
    arm_tick();
}

void agent::send_beat(const link_ptr& via) const {
    auto used = std::min(table_->used(), slots());
    auto text = sdk::concat(R"({"free":)", slots() - used, R"(,"live":)", used, "}");
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_BEAT;
    frame.time_ns = static_cast<std::uint64_t>(clock::system().wall_ns());
    frame.json = sdk::str(text);
    via->send(frame);
}

void agent::arm_facts() {
    facts_timer_.expires_after(options_.facts_interval);
    facts_timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        auto self = weak.lock();
        if (!self || ec) return;
        self->refresh_facts(nullptr);
        self->look_at_path();
        self->arm_facts();
    });
}

void agent::refresh_facts(const link_ptr& asker) {
    detect_options what;
    {
        std::lock_guard lock(mutex_);
        what.only = keys_to_read_again(*facts_);
    }
    what.fresh = true;
    detector_.detect(what, [weak = weak_from_this(), asker](capability_ptr found) {
        if (auto self = weak.lock()) self->facts_found(found, asker);
    });
}

namespace {

// Key, status and value of everything but what changes all the time by nature.
std::string what_matters(const capability_document& facts) {
    std::string all;
    for (const auto& f : facts.facts()) {
        if (f.volatility == fact_volatility::fast) continue;
        all += sdk::concat(f.key, " ", to_string(f.status), " ", json::serialize(f.value), "\n");
    }
    return all;
}

}  // namespace

void agent::facts_found(const capability_ptr& found, const link_ptr& asker) {
    if (!found) return;
    bool changed = false;
    {
        std::lock_guard lock(mutex_);
        if (stopped_) return;
        auto before = what_matters(*facts_);
        auto all = updated_facts(*facts_, *found);
        benchmark_->complete(all);
        facts_ = std::make_shared<const capability_document>(std::move(all));
        changed = what_matters(*facts_) != before;
    }
    // Whoever asked is answered in any case, also before its WELCOME has been read here.
    if (changed) send_to_all(SIGRUN_HELLO, json::serialize(facts_document(false)), asker);
    if (asker) send_text(asker, SIGRUN_HELLO, json::serialize(facts_document(true)));
    look_at_benchmark();
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

// After the other facts: nothing else is measured then.
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

json::object agent::facts_document(bool with_attempts) const {
    capability_ptr facts;
    {
        std::lock_guard lock(mutex_);
        facts = facts_;
    }
    const auto kinds = table_->executors().kinds();
    json::object o{{"facts", facts->to_json()},
                   {"inventory_hash", facts->inventory_hash()},
                   {"slots", slots()},
                   {"kinds", json::array(kinds.begin(), kinds.end())}};
    if (with_attempts) o["inventory"] = table_->inventory();
    return o;
}

}  // namespace sigrun
