#include "kernel/base/split_words.hpp"

#include <optional>

namespace sigrun {

result<std::vector<std::string>> split_words(std::string_view text) {
    std::vector<std::string> out;
    std::optional<std::string> word;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool last = i + 1 == text.size();
        if (quote && c == quote) {
            quote = 0;
        } else if (c == '\\' && quote != '\'') {
            if (last) return bad_value("", "a character behind \\", "the end");
            const char next = text[++i];
            if (!word) word.emplace();
            if (quote && next != '"' && next != '\\') *word += c;
            *word += next;
        } else if (quote) {
            *word += c;
        } else if (c == '\'' || c == '"') {
            quote = c;
            if (!word) word.emplace();
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            if (word) out.push_back(std::move(*word));
            word.reset();
        } else {
            if (!word) word.emplace();
            *word += c;
        }
    }
    if (quote) return bad_value("", std::string("a closing ") + quote, "the end");
    if (word) out.push_back(std::move(*word));
    return out;
}

}  // namespace sigrun
