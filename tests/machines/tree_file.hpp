// A machine in one text file, tests/fixtures/machines/<name>.tree: its files, what is no file, and the facts that are true of it.
// The format is described in the README there.
#pragma once

#include "fixtures/machines/rig.hpp"

namespace machines {

/// What a machine must give for a key.
struct expectation {
    enum class how { equals, has, lacks, status };
    std::string key;
    how relation = how::equals;
    json::value want;  // of `status`: its word
};

struct machine_file {
    std::string name;
    std::string purpose;  // after "for: "
    std::string files;    // the part that unpack() reads
    json::object calls;
    std::vector<expectation> facts;
};

/// Throws std::runtime_error with file and line where the text is not of the format.
machine_file load(const std::string& path);
/// Makes the files below a folder that exists.
void unpack(const machine_file& machine, const std::string& folder);
/// "tests/fixtures/machines/*.tree", sorted.
std::vector<std::string> tree_files();

/// Whole numbers with + - * / %, parentheses and the variable n: "n/2*2+1".
long evaluate(std::string_view text, long n);

}  // namespace machines
