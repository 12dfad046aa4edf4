#include "words.hpp"

#include <sigrun/cpp/fact_writer.hpp>

namespace line {

std::optional<std::vector<std::string>> split_words(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool inside = false, quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quoted && c == '\\' && i + 1 < line.size()) {
            word += line[++i];
        } else if (c == '"') {
            quoted = !quoted;
            inside = true;
        } else if (!quoted && (c == ' ' || c == '\t')) {
            if (inside) words.push_back(std::move(word));
            word.clear();
            inside = false;
        } else {
            word += c;
            inside = true;
        }
    }
    if (quoted) return std::nullopt;
    if (inside) words.push_back(std::move(word));
    return words;
}

std::string job_document(const std::vector<std::string>& command) {
    std::string json = "{\"kind\":\"process\",\"command\":[";
    for (const auto& word : command) (json += json.back() == '[' ? "" : ",") += sigrun::sdk::json_text(word);
    return json + "]}";
}

}  // namespace line
