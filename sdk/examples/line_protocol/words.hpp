// The protocol's text: lines into words, and a job out of them. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace line {

/// The first line of every connection; by it the daemon knows whose connection it is.
inline constexpr std::string_view k_greeting = "line/1\n";

/// Words between blanks; "..." keeps blanks, and \" and \\ stand for themselves in it. Nothing if a quote is not closed.
std::optional<std::vector<std::string>> split_words(std::string_view line);

/// The job document that runs a command.
std::string job_document(const std::vector<std::string>& command);

}  // namespace line
