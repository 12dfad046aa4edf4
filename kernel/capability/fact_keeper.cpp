#include "kernel/capability/fact_keeper.hpp"

#include "kernel/guard/private_file.hpp"
#include "kernel/log/loggers.hpp"

#include <utility>

namespace sigrun {
fact_keeper::fact_keeper(std::string path, std::string boot_id) : path_(std::move(path)), boot_id_(std::move(boot_id)) {
    const auto text = read_file(path_, k_max_fact_file);
    if (!text && text.error().code == errc::not_found) return;
    auto kept = text ? kept_facts_from(*text) : result<kept_facts>(text.error());
    if (!kept) {
        SIGRUN_LOG(logs::capability, warning, "the facts of the last run are not used, ", path_, ": ",
                   kept.error().text());
        return;
    }
    same_boot_ = !boot_id_.empty() && kept->boot_id == boot_id_;
    for (auto& answer : kept->answers) known_[answer.probe] = std::move(answer);
}

std::optional<std::vector<fact>> fact_keeper::take(const std::string& probe, const std::string& code) {
    std::lock_guard lock(mutex_);
    const auto at = known_.find(probe);
    if (at == known_.end()) return std::nullopt;
    auto answer = std::move(at->second);
    known_.erase(at);
    if (answer.code != code) return std::nullopt;
    auto facts = worth_keeping(std::move(answer.facts), same_boot_);
    if (facts.empty() && !same_boot_) return std::nullopt;  // else it had nothing to say, and need not be waited for
    return facts;
}

bool fact_keeper::keep(std::vector<kept_answer> answers) {
    std::lock_guard lock(mutex_);  // one writer at a time
    for (auto& answer : answers) answer.facts = worth_keeping(std::move(answer.facts), true);
    const auto written = write_whole_file(path_, to_text({boot_id_, std::move(answers)}), 0600);
    if (written) return true;
    if (!std::exchange(warned_, true))
        SIGRUN_LOG(logs::capability, warning, "the facts are not kept for the next start: ", written.error().text());
    return false;
}

}  // namespace sigrun
