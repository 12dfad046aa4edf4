#include "command_table.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace line {
namespace {
constexpr std::string_view k_own[] = {"RUN", "PING", "HELP", "QUIT"};
}

bool is_own_word(std::string_view word) noexcept {
    return std::find(std::begin(k_own), std::end(k_own), word) != std::end(k_own);
}

sigrun_result command_table::add(std::string_view word, line_handler handler, void* ctx, std::uint64_t* token) {
    const bool letters = std::all_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (word.empty() || word.size() > 32 || !letters || !handler || !token) return SIGRUN_E_INVALID;
    if (is_own_word(word)) return SIGRUN_E_EXISTS;
    auto made = std::make_shared<command>();
    made->word = word;
    made->handler = handler;
    made->ctx = ctx;
    std::lock_guard lock(mutex_);
    *token = next_++;
    commands_.emplace(*token, std::move(made));
    return SIGRUN_OK;
}

void command_table::remove(std::uint64_t token) {
    std::shared_ptr<command> gone;
    {
        std::lock_guard lock(mutex_);
        auto found = commands_.find(token);
        if (found == commands_.end()) return;
        gone = std::move(found->second);
        commands_.erase(found);
    }
    std::lock_guard wait(gone->running);
    gone->removed = true;
}

std::optional<sigrun_result> command_table::answer(std::string_view word, std::string_view arguments,
                                                   const line_reply& reply) {
    for (;;) {
        std::shared_ptr<command> chosen;
        {
            std::lock_guard lock(mutex_);
            for (const auto& [token, each] : commands_)
                if (each->word == word) chosen = each;
        }
        if (!chosen) return std::nullopt;
        std::lock_guard lock(chosen->running);
        if (chosen->removed) continue;  // between our look and now; perhaps there is another
        return chosen->handler(chosen->ctx, sigrun::sdk::str(arguments), &reply);
    }
}

std::vector<std::string> command_table::words() const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [token, each] : commands_)
        if (std::find(all.begin(), all.end(), each->word) == all.end()) all.push_back(each->word);
    return all;
}

}  // namespace line
