// The time after a swap: the old generation is kept warm, and has the work again by itself if the new one is in trouble.
#include "kernel/plugin/reloader.hpp"

#include <chrono>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_judge_again{100};

}  // namespace

call_counts reloader::counts_of(const plugin_set::replacement& what, bool old) const {
    call_counts all = (old ? what.old_code : what.code)->calls().total();
    for (const auto& [before, now] : what.instances)
        if (const swapper* how = swapper_of(*now); how && how->counts) all += how->counts(old ? before : now);
    return all;
}

void reloader::let_go(const plugin_set::replacement& what) {
    for (const auto& [old, now] : what.instances)
        if (const auto& settle = swapper_of(*now)->settle) settle(old, now);
}

bool reloader::settle(const std::string& id) {
    auto found = on_probation_.extract(id);
    if (found.empty()) return false;
    const auto& what = found.mapped().what;
    plugins_.settle(what);
    let_go(what);
    tell({plugin_event::kind::replaced, id, what.report.old_version, what.report.new_version,
          what.report.new_generation, "the probation is over"});
    return true;
}

void reloader::swap_back(const std::string& id, const std::string& why) {
    auto found = on_probation_.extract(id);
    if (found.empty()) return;
    const auto& what = found.mapped().what;
    for (const auto& [old, now] : what.instances)
        if (!swapper_of(*now)->swap(now, old)) never_let_go(now);
    plugins_.swap_back(what, why);
    for (const auto& [old, now] : what.instances)
        if (const auto& settle = swapper_of(*now)->settle) settle(now, old);
    tell({plugin_event::kind::swapped_back, id, what.report.new_version, what.report.old_version,
          what.report.old_generation, why});
}

void reloader::judge() {
    const auto now = std::chrono::steady_clock::now();
    std::vector<std::string> passed;
    std::vector<std::pair<std::string, std::string>> failed;
    for (auto& [id, each] : on_probation_) {
        if (auto why = each.judge.look(counts_of(each.what, false), counts_of(each.what, true)); !why.empty())
            failed.emplace_back(id, std::move(why));
        else if (now >= each.until)
            passed.push_back(id);
    }
    for (const auto& id : passed) settle(id);
    for (const auto& [id, why] : failed) swap_back(id, why);
    if (!passed.empty() || !failed.empty()) {
        reap();
        count_states();
    }
    if (on_probation_.empty()) return;
    judging_.expires_after(k_judge_again);
    judging_.async_wait([this](boost::system::error_code ec) {
        if (!ec && !stopped_) judge();
    });
}

}  // namespace sigrun
