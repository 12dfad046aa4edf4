// sigrun/cpp/mismatch.hpp: why text from a peer was refused: what was expected of which part, and what was found. Pure.
#pragma once

#include <string>

namespace sigrun::sdk {

struct mismatch {
    std::string field;  // "frame.seq"; empty: the whole
    std::string expected;
    std::string found;  // UTF-8

    std::string text() const {
        return (field.empty() ? "" : field + ": ") + "expected " + expected + ", found " + found;
    }
};

}  // namespace sigrun::sdk
