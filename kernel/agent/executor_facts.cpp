#include "kernel/agent/executor_facts.hpp"

#include "kernel/base/clock.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>
#include <memory>
#include <mutex>

namespace sigrun {
namespace {

constexpr std::size_t k_most_facts = 256;

std::vector<fact> facts_in(std::string_view answer, const std::string& who) {
    std::vector<fact> all;
    const auto complain = [&](const std::string& why) {
        SIGRUN_LOG(logs::agent, warning, "executor ", who, " says something of itself that cannot be used: ", why);
    };
    const auto o = parse_object(answer);
    const auto* list = o ? array_or_null(*o, "facts") : nullptr;
    if (!list || list->size() > k_most_facts) {
        complain(o ? "expected at most " + std::to_string(k_most_facts) + " facts" : o.error().text());
        return all;
    }
    for (const auto& item : *list) {
        auto f = fact_from_json(item);
        if (!f || f->key.starts_with("runner.")) {
            complain(f ? "the key " + f->key : f.error().text());
            continue;
        }
        if (f->observed_ns == 0) f->observed_ns = clock::system().wall_ns();
        all.push_back(std::move(*f));
    }
    return all;
}

// One round of questions; kept alive by those who are asked.
struct round {
    std::mutex mutex;
    std::vector<std::vector<fact>> answers;  // by executor
    std::size_t missing = 0;
    std::function<void(std::vector<fact>)> done;

    void answered(std::size_t which, std::vector<fact> said) {
        std::vector<fact> all;
        {
            std::lock_guard lock(mutex);
            answers[which] = std::move(said);
            if (--missing > 0) return;
            for (auto& one : answers)
                for (auto& f : one)
                    if (std::none_of(all.begin(), all.end(), [&](const fact& known) { return known.key == f.key; }))
                        all.push_back(std::move(f));
        }
        done(std::move(all));
    }
};

void ask_one(plugin_host& host, const executor_ptr& whom, const std::shared_ptr<round>& of, std::size_t which) {
    host.call_async(
        *whom->owner, [&](sigrun_op op) { return whom->table->describe(whom->owner->abi(), op); },
        [of, which, whom](const result<buffer_ref>& answer) {
            const auto& name = whom->owner->name();
            if (!answer)
                SIGRUN_LOG(logs::agent, warning, "executor ", name,
                           " does not say what it can do: ", answer.error().text());
            of->answered(which, answer ? facts_in(answer->view(), name) : std::vector<fact>());
        });
}

}  // namespace

void ask_executors(plugin_host& host, const std::vector<executor_ptr>& whom,
                   std::function<void(std::vector<fact>)> done) {
    std::vector<executor_ptr> asked;
    for (const auto& e : whom)
        if (SIGRUN_HAS(e->table, describe)) asked.push_back(e);
    auto one = std::make_shared<round>();
    one->done = std::move(done);
    one->missing = asked.size();
    one->answers.resize(asked.size());
    host.post_work([&host, one, asked] {
        if (asked.empty()) return one->done({});
        for (std::size_t i = 0; i < asked.size(); ++i) ask_one(host, asked[i], one, i);
    });
}

}  // namespace sigrun
