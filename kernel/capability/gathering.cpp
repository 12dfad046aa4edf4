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
      answers_(parts),
      past_their_time_(parts) {}

void gathering::take(std::size_t part, probe_answer_ptr answer, bool past_its_time) {
    {
        std::lock_guard lock(mutex_);
        answers_[part] = std::move(answer);
        past_their_time_[part] = past_its_time;
        if (--missing_ > 0) return;
    }
    callback_(document());
}

capability_ptr gathering::document() {
    const bool some_old = std::find(past_their_time_.begin(), past_their_time_.end(), true) != past_their_time_.end();
    if (!some_old)
        if (auto made = shelf_->get(question_, answers_)) return made;
    const auto now = some_old ? clock_.wall_ns() : 0;
    fact_merge best;
    for (std::size_t i = 0; i < answers_.size(); ++i) {
        if (!answers_[i]) continue;
        for (fact& f : facts_of(*answers_[i], past_their_time_[i], now))
            if (wanted(f.key, keys_.needed)) best.add(std::move(f));
    }
    auto facts = std::move(best).take();
    if (keys_.tiers) add_tiers(facts);
    std::erase_if(facts, [&](const fact& f) { return !wanted(f.key, keys_.only); });
    auto made = std::make_shared<const capability_document>(std::move(facts));
    if (!some_old) shelf_->put(question_, std::move(answers_), made);
    return made;
}

}  // namespace sigrun
