// Commands that other plugins added through "example.line.commands/1". [any]
#pragma once

#include <example/line_commands.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace line {

class command_table {
public:
    sigrun_result add(std::string_view word, line_handler handler, void* ctx, std::uint64_t* token);
    void remove(std::uint64_t token);
    /// Lets the newest handler of the word answer; nothing if there is none.
    std::optional<sigrun_result> answer(std::string_view word, std::string_view arguments, const line_reply& reply);
    std::vector<std::string> words() const;

private:
    struct command {
        std::string word;
        line_handler handler;
        void* ctx;
        std::mutex running;    // held while the handler runs: who removes it waits here
        bool removed = false;  // under `running`
    };
    mutable std::mutex mutex_;                                    // never held while a handler runs
    std::map<std::uint64_t, std::shared_ptr<command>> commands_;  // by token: the newest last
    std::uint64_t next_ = 1;
};

/// A word of the protocol itself.
bool is_own_word(std::string_view word) noexcept;

}  // namespace line
