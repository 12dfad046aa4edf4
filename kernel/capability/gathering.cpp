#include "kernel/capability/gathering.hpp"

#include "kernel/capability/tiers.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

bool wanted(std::string_view key, const std::vector<std::string>& only) {
    if (only.empty()) return true;
    const bool pattern = key.ends_with('*');
    if (pattern) key.remove_suffix(1);
    return std::any_of(only.begin(), only.end(), [&](const std::string& prefix) {
        return key.starts_with(prefix) || (pattern && prefix.starts_with(key));
    });
}

}  // namespace

wanted_keys::wanted_keys(std::vector<std::string> asked, bool with_tiers)
    : only(std::move(asked)), needed(only), tiers(with_tiers) {
    if (only.empty() || !wanted("tier.*", only)) return;
    for (auto& key : tier_evidence()) needed.push_back(std::move(key));
}

capability_ptr document_shelf::get(const std::string& question, const std::vector<probe_answer_ptr>& answers) const {
    std::lock_guard lock(mutex_);
    const auto at = made_.find(question);
    return at != made_.end() && at->second.answers == answers ? at->second.document : nullptr;
}

void document_shelf::put(const std::string& question, std::vector<probe_answer_ptr> answers, capability_ptr document) {
    std::lock_guard lock(mutex_);
    if (made_.size() >= k_max && !made_.count(question)) made_.clear();
    made_[question] = {std::move(answers), std::move(document)};
}

void document_shelf::clear() {
    std::lock_guard lock(mutex_);
    made_.clear();
}

gathering::gathering(std::string question, wanted_keys keys, std::size_t parts, std::shared_ptr<document_shelf> shelf,
                     const clock& clk, std::function<void(capability_ptr)> callback)
    : question_(std::move(question)),
      keys_(std::move(keys)),
      shelf_(std::move(shelf)),
      clock_(clk),
      callback_(std::move(callback)),
      missing_(parts),
      parts_(parts) {}

void gathering::take(std::size_t which, probe_answer_ptr answer, bool past_its_time) {
    std::function<void()> late;
    std::vector<part> all;
    stand_in unneeded;
    {
        std::lock_guard lock(mutex_);
        --missing_;
        if (made_) {
            late = late_;
        } else {
            parts_[which] = {std::move(answer), past_its_time ? standing::past_its_time : standing::good};
            if (missing_ > 0) return;
            made_ = true;
            timer_.reset();
            all = std::move(parts_);
            unneeded = std::exchange(meanwhile_, nullptr);
        }
    }
    if (late) return late();
    callback_(document(all));
}

void gathering::limit(boost::asio::io_context& io, std::chrono::steady_clock::time_point end,
                      const std::shared_ptr<probe_activity>& activity, stand_in meanwhile, std::function<void()> late) {
    {
        std::lock_guard lock(mutex_);
        if (made_) return;
        meanwhile_ = std::move(meanwhile);
        late_ = std::move(late);
        if (end > std::chrono::steady_clock::now()) {
            timer_.emplace(io, end);
            auto presence = std::make_shared<probe_activity::presence>(activity);
            timer_->async_wait([weak = weak_from_this(), presence](const boost::system::error_code& ec) {
                const auto self = ec ? nullptr : weak.lock();
                if (self) self->patience_over();
            });
            return;
        }
    }
    patience_over();
}

void gathering::patience_over() {
    std::vector<part> all;
    stand_in meanwhile;  // what it holds of the probes goes with the document: a late one may be late for a minute
    {
        std::lock_guard lock(mutex_);
        if (made_) return;
        made_ = true;
        timer_.reset();
        all = std::move(parts_);
        meanwhile = std::exchange(meanwhile_, nullptr);
    }
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].state == standing::missing) all[i].answer = meanwhile(i);
    callback_(document(all));
}

capability_ptr gathering::document(const std::vector<part>& parts) const {
    const bool all_good =
        std::all_of(parts.begin(), parts.end(), [](const part& p) { return p.state == standing::good; });
    std::vector<probe_answer_ptr> answers;
    if (all_good) {
        for (const part& p : parts) answers.push_back(p.answer);
        if (auto made = shelf_->get(question_, answers)) return made;
    }
    const auto now = all_good ? 0 : clock_.wall_ns();
    fact_merge best;
    for (const part& p : parts) {
        if (!p.answer) continue;
        // What is being read again is as it was until then; but nobody here has found out what is from before a restart.
        const bool told_as_stale = p.state == standing::missing && p.answer->suggested;
        for (fact& f : facts_of(*p.answer, p.state == standing::past_its_time, now))
            if (wanted(f.key, keys_.needed)) best.add(std::move(f), told_as_stale);
    }
    auto facts = std::move(best).take();
    if (keys_.tiers) add_tiers(facts);
    std::erase_if(facts, [&](const fact& f) { return !wanted(f.key, keys_.only); });
    auto made = std::make_shared<const capability_document>(std::move(facts));
    if (all_good) shelf_->put(question_, std::move(answers), made);
    return made;
}

}  // namespace sigrun
