#include "kernel/capability/detector.hpp"

#include "kernel/capability/fact_keeper.hpp"
#include "kernel/capability/gathering.hpp"
#include "kernel/capability/probe_lane.hpp"
#include "kernel/capability/tiers.hpp"
#include "kernel/plugin/generation.hpp"

#include <sigrun/cpp/sysroot.hpp>

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace sigrun {
namespace {

constexpr std::size_t k_max_answers = 4096;
constexpr auto k_parting = std::chrono::milliseconds(500);
constexpr auto k_before_keeping = std::chrono::seconds(1), k_between_keeping = std::chrono::seconds(60);
constexpr auto k_before_notice = std::chrono::milliseconds(20);  // probes that run together are told of together
constexpr std::string_view k_not_yet = "not known yet: its probe has not answered";

/// Sorted, without duplicates and without a trailing "*".
std::vector<std::string> normal_prefixes(std::vector<std::string> only) {
    for (auto& prefix : only)
        if (prefix.ends_with('*')) prefix.pop_back();
    std::sort(only.begin(), only.end());
    only.erase(std::unique(only.begin(), only.end()), only.end());
    if (!only.empty() && only.front().empty()) only.clear();  // everything begins with nothing
    return only;
}

std::string question_of(const detect_options& options, const std::vector<std::string>& only) {
    std::string key = options.on_request ? "+" + options.sysroot : options.sysroot;
    for (const auto& prefix : only) (key += '\0') += prefix;
    return key;
}

/// Of each key the answer that counts.
std::vector<fact> merged(const std::vector<probe_evidence>& all) {
    fact_merge best;
    for (const auto& probe : all)
        for (const fact& f : probe.facts) best.add(f);
    return std::move(best).take();
}

/// Nothing: there is no end.
std::optional<std::chrono::steady_clock::time_point> deadline_of(nanoseconds patience) {
    const auto now = std::chrono::steady_clock::now();
    if (patience >= std::chrono::steady_clock::time_point::max() - now) return std::nullopt;
    return now + patience;
}

/// Another file of the plugin may say other things.
const std::string& code_of(const instance& probe) { return probe.code()->sha256(); }

std::string answer_key(const probe_lane& lane, const std::string& sysroot) {
    return std::to_string(lane.number()) + '\0' + sysroot;
}

}  // namespace

struct detector::impl : std::enable_shared_from_this<impl> {
    using cache = ttl_cache<probe_answer>;
    using lane_ptr = std::shared_ptr<probe_lane>;

    impl(plugin_host& host, const clock& clk, std::string program)
        : host_(host),
          clock_(clk),
          program_(std::move(program)),
          answers_(clk, &good_for, k_max_answers),
          notice_(host.io()),
          keep_timer_(host.io()) {}

    /// The probes of this moment, by name; those that are gone lose their lane.
    std::vector<lane_ptr> lanes() {
        std::vector<lane_ptr> now, gone;  // the gone ones end outside the lock
        std::lock_guard lock(mutex_);
        if (stopped_) return {};
        // Asked under the lock: two runs that begin at once must not leave the lanes of the one that asked earlier.
        auto present = host_.instances(SIGRUN_KIND_PROBE);
        std::sort(present.begin(), present.end(), [](const auto& a, const auto& b) { return a->name() < b->name(); });
        for (auto& target : present) {
            auto at = std::find_if(lanes_.begin(), lanes_.end(), [&](const auto& l) { return l->target() == target; });
            auto lane = at != lanes_.end() ? *at : probe_lane::make(host_, clock_, target, activity_, program_);
            if (!lane) continue;
            if (keeper_ && at == lanes_.end() && !lane->on_request()) remember(*lane);
            now.push_back(std::move(lane));
        }
        for (const auto& old : lanes_)
            if (std::find(now.begin(), now.end(), old) == now.end()) runs_of_the_gone_ += old->runs();
        gone = std::exchange(lanes_, now);
        return now;
    }
    std::vector<lane_ptr> known_lanes() const {
        std::lock_guard lock(mutex_);
        return lanes_;
    }

    /// What was known of a new lane's probe before this program started.
    void remember(const probe_lane& lane) {
        auto kept = keeper_->take(lane.target()->name(), code_of(*lane.target()));
        if (kept)
            answers_.suggest(answer_key(lane, ""),
                             std::make_shared<const probe_answer>(probe_answer{std::move(*kept), 0, true}));
    }

    void run(const lane_ptr& lane, const std::string& sysroot, cache::finish finish) {
        auto key = answer_key(*lane, sysroot);
        lane->run(sysroot,
                  [weak = weak_from_this(), key = std::move(key), finish = std::move(finish)](probe_answer_ptr now) {
                      const auto self = weak.lock();
                      const auto before = self ? self->answers_.look(key) : nullptr;
                      finish(now);
                      if (!self) return;
                      const bool news = !before || before->suggested || differs(*before, *now);
                      if (news && before) self->note_change();
                      if (news) self->keep_soon();
                  });
    }

    /// What a document has of a probe that has not answered yet.
    probe_answer_ptr meanwhile(const probe_lane& lane, const std::string& sysroot) const {
        if (auto said = lane.last(sysroot)) return said;
        if (auto known = answers_.look(answer_key(lane, sysroot))) return known;
        return std::make_shared<const probe_answer>(
            probe_answer{lane.nothing_known(fact_status::timeout, k_not_yet), 1, false});
    }

    void note_change() {
        std::lock_guard lock(mutex_);
        if (stopped_ || !observer_ || noticed_) return;
        noticed_ = true;
        notice_.expires_after(k_before_notice);
        auto presence = std::make_shared<probe_activity::presence>(activity_);  // an end waits for the observer
        notice_.async_wait([weak = weak_from_this(), presence](const boost::system::error_code& ec) {
            const auto self = weak.lock();
            if (ec || !self) return;
            std::function<void()> tell;
            {
                std::lock_guard guard(self->mutex_);
                if (self->stopped_) return;
                self->noticed_ = false;
                tell = self->observer_;
            }
            tell();
        });
    }

    void keep_soon() {
        std::lock_guard lock(mutex_);
        if (stopped_ || !keeper_ || keeping_) return;
        keeping_ = true;
        keep_timer_.expires_after(kept_once_ ? k_between_keeping : k_before_keeping);
        auto presence = std::make_shared<probe_activity::presence>(activity_);
        keep_timer_.async_wait([weak = weak_from_this(), presence](const boost::system::error_code& ec) {
            const auto self = weak.lock();
            if (ec || !self) return;
            self->host_.post_work([weak, presence] {
                if (const auto me = weak.lock()) me->keep();
            });
        });
    }
    void keep() {
        std::vector<lane_ptr> lanes;
        {
            std::lock_guard lock(mutex_);
            if (stopped_) return;
            keeping_ = false;
            kept_once_ = true;
            lanes = lanes_;
        }
        std::vector<kept_answer> all;
        for (const auto& lane : lanes)
            if (const auto said = lane->on_request() ? nullptr : answers_.look(answer_key(*lane, "")))
                all.push_back({lane->target()->name(), code_of(*lane->target()), said->facts});
        keeper_->keep(std::move(all));
    }

    plugin_host& host_;
    const clock& clock_;
    const std::string program_;
    cache answers_;
    const std::shared_ptr<document_shelf> shelf_ = std::make_shared<document_shelf>();
    const std::shared_ptr<probe_activity> activity_ = std::make_shared<probe_activity>();
    mutable std::mutex mutex_;
    std::vector<lane_ptr> lanes_;
    std::uint64_t runs_of_the_gone_ = 0;
    std::function<void()> observer_;
    boost::asio::steady_timer notice_, keep_timer_;
    bool noticed_ = false, keeping_ = false, kept_once_ = false, stopped_ = false;
    std::unique_ptr<fact_keeper> keeper_;  // set before the first detect
};

detector::detector(plugin_host& host, const clock& clk, std::string program)
    : impl_(std::make_shared<impl>(host, clk, std::move(program))) {}

detector::~detector() {
    std::vector<std::shared_ptr<probe_lane>> lanes;
    {
        std::lock_guard lock(impl_->mutex_);
        impl_->stopped_ = true;
        impl_->notice_.cancel();
        impl_->keep_timer_.cancel();
        lanes.swap(impl_->lanes_);
    }
    for (auto& lane : lanes) lane->stop();
    impl_->activity_->wait_idle(k_parting);
}

void detector::detect(const detect_options& options, std::function<void(capability_ptr)> callback) {
    const auto end = deadline_of(options.patience);
    auto only = normal_prefixes(options.only);
    auto chosen = impl_->lanes();
    auto question = question_of(options, only);
    // On request there is but a part of what tiers come from.
    wanted_keys keys(std::move(only), !options.on_request);
    std::erase_if(chosen, [&](const auto& lane) {
        return lane->on_request() != options.on_request || !lane->overlaps(keys.needed);
    });
    // The extra part keeps it open until every probe was asked.
    auto parts = std::make_shared<gathering>(std::move(question), std::move(keys), chosen.size() + 1, impl_->shelf_,
                                             impl_->clock_, std::move(callback));
    const auto how = options.fresh           ? impl::cache::patience::fresh
                     : options.stale_will_do ? impl::cache::patience::none
                                             : impl::cache::patience::current;
    for (std::size_t i = 0; i < chosen.size(); ++i)
        impl_->answers_.ask(
            answer_key(*chosen[i], options.sysroot),
            [&](impl::cache::finish finish) { impl_->run(chosen[i], options.sysroot, std::move(finish)); },
            [parts, i](const result<impl::cache::known>& said) {
                parts->take(i, said ? said->value : nullptr, said && said->stale);
            },
            how);
    parts->take(chosen.size(), nullptr, false);
    if (!end) return;
    std::weak_ptr<impl> weak = impl_;
    auto meanwhile = [weak, chosen = std::move(chosen), sysroot = options.sysroot](std::size_t part) {
        const auto self = weak.lock();
        return self ? self->meanwhile(*chosen[part], sysroot) : nullptr;
    };
    auto late = [weak] {
        if (const auto self = weak.lock()) self->note_change();
    };
    parts->limit(impl_->host_.io(), *end, impl_->activity_, std::move(meanwhile), std::move(late));
}

std::vector<probe_evidence> detector::evidence(const std::string& sysroot) const {
    std::map<std::string, std::string> about;
    for (const auto& plugin : impl_->host_.plugins())
        for (const auto& component : plugin.components)
            for (const auto& instance : component.instances) about[instance] = component.doc;
    std::vector<probe_evidence> all;
    for (const auto& lane : impl_->known_lanes()) {
        const auto said = impl_->answers_.look(answer_key(*lane, sysroot));
        if (!said) continue;
        const auto& table = lane->table();
        all.push_back({lane->target()->name(), lane->target()->plugin_id(), about[lane->target()->name()],
                       lane->patterns(), lane->isolated(), table.soft_ms, table.hard_ms,
                       facts_of(*said, true, impl_->clock_.wall_ns())});
    }
    // Tiers are no probe's; they come from what counts of all the others.
    auto best = merged(all);
    add_tiers(best);
    std::erase_if(best, [](const fact& f) { return !f.key.starts_with("tier.") || f.method == "declared"; });
    if (!best.empty())
        all.push_back({"tiers",
                       "sigrun",
                       "Gates per axis over what was measured and read",
                       {"tier.*"},
                       false,
                       0,
                       0,
                       std::move(best)});
    return all;
}

void detector::interrupt() {
    for (const auto& lane : impl_->known_lanes())
        if (lane->on_request()) lane->cancel();
}

void detector::forget() {
    impl_->answers_.clear();
    impl_->shelf_->clear();
    for (auto& lane : impl_->known_lanes()) lane->forgive();
}

void detector::expire(const std::vector<std::string>& prefixes) {
    for (const auto& lane : impl_->known_lanes())
        if (lane->overlaps(prefixes)) impl_->answers_.expire(answer_key(*lane, ""));
}

void detector::set_observer(std::function<void()> changed) {
    std::lock_guard lock(impl_->mutex_);
    impl_->observer_ = std::move(changed);
}

void detector::keep_in(const std::string& file) {
    const auto boot = sdk::sysroot().read("/proc/sys/kernel/random/boot_id");
    impl_->keeper_ = std::make_unique<fact_keeper>(file, std::string(boot.trim()));
}

detector::counters detector::stats() const {
    counters c;
    static_cast<cache_stats&>(c) = impl_->answers_.stats();
    c.now = impl_->answers_.census();
    std::lock_guard lock(impl_->mutex_);
    c.runs = impl_->runs_of_the_gone_;
    for (const auto& lane : impl_->lanes_) c.runs += lane->runs();
    return c;
}

}  // namespace sigrun
