// Compiled requirements by their text: jobs that ask for the same share one.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/base/shared_by_text.hpp"
#include "kernel/select/requirement.hpp"

namespace sigrun {

/// [any]
class requirement_texts {
public:
    /// One that somebody holds; null: none.
    requirement_ptr find(std::string_view text) const { return known_.find(text); }
    /// As requirement::compile.
    result<requirement_ptr> compile(std::string_view text) {
        if (auto known = find(text)) return known;
        auto made = requirement::compile(text);
        if (made) known_.keep(*made);
        return made;
    }

private:
    struct text_of {
        std::string_view operator()(const requirement& r) const noexcept { return r.text(); }
    };
    shared_by_text<requirement, text_of> known_;
};

}  // namespace sigrun
