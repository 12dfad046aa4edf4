#include "kernel/capability/detector.hpp"

#include "kernel/capability/probe_lane.hpp"
#include "kernel/capability/tiers.hpp"
#include "kernel/capability/ttl_cache.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace sigrun {
namespace {

constexpr std::size_t k_max_documents = 64;
constexpr auto k_parting = std::chrono::milliseconds(500);

/// Sorted, without duplicates and without a trailing "*".
std::vector<std::string> normal_prefixes(std::vector<std::string> only) {
    for (auto& prefix : only)
        if (prefix.ends_with('*')) prefix.pop_back();
    std::sort(only.begin(), only.end());
    only.erase(std::unique(only.begin(), only.end()), only.end());
    if (!only.empty() && only.front().empty()) only.clear();  // everything begins with nothing
    return only;
}

std::string cache_key(const std::string& sysroot, bool on_request, const std::vector<std::string>& only) {
    std::string key = on_request ? "+" + sysroot : sysroot;
    for (const auto& prefix : only) (key += '\0') += prefix;
    return key;
}

bool wanted(std::string_view key, const std::vector<std::string>& only) {
    if (only.empty()) return true;
    const bool pattern = key.ends_with('*');
    if (pattern) key.remove_suffix(1);
    return std::any_of(only.begin(), only.end(), [&](const std::string& prefix) {
        return key.starts_with(prefix) || (pattern && prefix.starts_with(key));
    });
}

/// What has to be found out for what is asked for: tiers come from other facts.
std::vector<std::string> with_evidence(std::vector<std::string> only) {
    if (only.empty() || !wanted("tier.*", only)) return only;
    for (auto& key : tier_evidence()) only.push_back(std::move(key));
    return only;
}

int weight(fact_status s) { return s == fact_status::ok ? 2 : s == fact_status::stale ? 1 : 0; }

/// Several probes may answer one key: an answer beats an old one, and that none; then what the operator declares wins, then the
/// surer one, then the later probe.
bool better(const fact& challenger, const fact& holder) {
    const int answers = weight(challenger.status), held = weight(holder.status);
    if (answers != held) return answers > held;
    const bool declares = answers > 0 && challenger.method == "declared",
               declared = held > 0 && holder.method == "declared";
    if (declares != declared) return declares;
    return challenger.confidence >= holder.confidence;
}

}  // namespace

struct detector::impl {
    using cache = ttl_cache<capability_document>;

    /// One detection under way: waits for its probes and makes the document.
    struct gathering {
        std::mutex mutex;
        std::size_t missing = 0;
        std::vector<std::string> only, needed;  // asked for; and what that comes from
        bool tiers = false;
        std::vector<std::vector<fact>> parts;
        cache::finish finish;

        void take(std::size_t part, std::vector<fact> facts) {
            {
                std::lock_guard lock(mutex);
                parts[part] = std::move(facts);
                if (--missing > 0) return;
            }
            finish(merged());
        }
        std::shared_ptr<const capability_document> merged() {
            std::map<std::string, fact, std::less<>> best;
            for (auto& facts : parts)
                for (fact& f : facts) {
                    if (!wanted(f.key, needed)) continue;
                    auto at = best.find(f.key);
                    if (at == best.end())
                        best.emplace(f.key, std::move(f));
                    else if (better(f, at->second))
                        at->second = std::move(f);
                }
            std::vector<fact> facts;
            facts.reserve(best.size());
            for (auto& [key, f] : best) facts.push_back(std::move(f));
            if (tiers) add_tiers(facts);
            std::erase_if(facts, [&](const fact& f) { return !wanted(f.key, only); });
            return std::make_shared<const capability_document>(std::move(facts));
        }
    };

    impl(plugin_host& host, const clock& clk, nanoseconds ttl, std::string program)
        : host_(host), clock_(clk), program_(std::move(program)), documents_(clk, ttl, k_max_documents) {}

    /// The probes of this moment, by name; those that are gone lose their lane.
    std::vector<std::shared_ptr<probe_lane>> lanes() {
        std::vector<std::shared_ptr<probe_lane>> now, gone;  // the gone ones end outside the lock
        std::lock_guard lock(mutex_);
        // Asked under the lock: two runs that begin at once must not leave the lanes of the one that asked earlier.
        auto present = host_.instances(SIGRUN_KIND_PROBE);
        std::sort(present.begin(), present.end(), [](const auto& a, const auto& b) { return a->name() < b->name(); });
        for (auto& target : present) {
            auto at = std::find_if(lanes_.begin(), lanes_.end(), [&](const auto& l) { return l->target() == target; });
            auto lane = at != lanes_.end() ? *at : probe_lane::make(host_, clock_, target, activity_, program_);
            if (lane) now.push_back(std::move(lane));
        }
        for (const auto& old : lanes_)
            if (std::find(now.begin(), now.end(), old) == now.end()) runs_of_the_gone_ += old->runs();
        gone = std::exchange(lanes_, now);
        return now;
    }

    void gather(const detect_options& options, const std::vector<std::string>& only, cache::finish finish) {
        auto g = std::make_shared<gathering>();
        g->only = only;
        g->needed = with_evidence(only);
        g->tiers = !options.on_request;  // else there is but a part of what they come from
        auto chosen = lanes();
        std::erase_if(chosen, [&](const auto& lane) {
            return lane->on_request() != options.on_request || !lane->overlaps(g->needed);
        });
        g->missing = chosen.size() + 1;  // the extra part keeps it open until every probe was asked
        g->parts.resize(chosen.size() + 1);
        g->finish = std::move(finish);
        for (std::size_t i = 0; i < chosen.size(); ++i)
            chosen[i]->run(options.sysroot, [g, i](std::vector<fact> facts) { g->take(i, std::move(facts)); });
        g->take(chosen.size(), {});
    }

    plugin_host& host_;
    const clock& clock_;
    const std::string program_;
    cache documents_;
    mutable std::mutex mutex_;
    const std::shared_ptr<probe_activity> activity_ = std::make_shared<probe_activity>();
    std::vector<std::shared_ptr<probe_lane>> lanes_;
    std::uint64_t runs_of_the_gone_ = 0;
};

detector::detector(plugin_host& host, const clock& clk, nanoseconds ttl, std::string program)
    : impl_(std::make_unique<impl>(host, clk, ttl, std::move(program))) {}

detector::~detector() {
    std::vector<std::shared_ptr<probe_lane>> lanes;
    {
        std::lock_guard lock(impl_->mutex_);
        lanes.swap(impl_->lanes_);
    }
    for (auto& lane : lanes) lane->stop();
    impl_->activity_->wait_idle(k_parting);
}

void detector::detect(const detect_options& options, std::function<void(capability_ptr)> callback) {
    auto only = normal_prefixes(options.only);
    const auto key = cache_key(options.sysroot, options.on_request, only);
    impl_->documents_.get(
        key, [&](impl::cache::finish finish) { impl_->gather(options, only, std::move(finish)); },
        [callback = std::move(callback)](result<capability_ptr> document) {
            callback(document ? *document : std::make_shared<const capability_document>());
        },
        options.fresh);
}

void detector::forget() {
    impl_->documents_.clear();
    std::vector<std::shared_ptr<probe_lane>> lanes;
    {
        std::lock_guard lock(impl_->mutex_);
        lanes = impl_->lanes_;
    }
    for (auto& lane : lanes) lane->forgive();
}

void detector::interrupt() {
    std::vector<std::shared_ptr<probe_lane>> lanes;
    {
        std::lock_guard lock(impl_->mutex_);
        lanes = impl_->lanes_;
    }
    for (auto& lane : lanes)
        if (lane->on_request()) lane->cancel();
}

detector::counters detector::stats() const noexcept {
    const auto s = impl_->documents_.stats();
    counters c{s.hits, s.misses, s.shared, 0};
    std::lock_guard lock(impl_->mutex_);
    c.runs = impl_->runs_of_the_gone_;
    for (const auto& lane : impl_->lanes_) c.runs += lane->runs();
    return c;
}

}  // namespace sigrun
