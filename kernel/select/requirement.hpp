// Requirement expressions: text -> typed, three-valued predicate over a runner's facts and labels. Pure, no
// I/O. Language: jobs-and-runners.md section 4.4 and kernel/select/README.md.
#pragma once

#include "kernel/capability/fact_sheet.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun {

/// Kleene logic.
enum class truth : std::uint8_t { no, yes, unknown };

/// What an expression looks at. Pointers are borrowed.
struct match_subject {
    const fact_sheet* facts = nullptr;
    const label_map* labels = nullptr;
};

/// What a match may look at, and what it came across.
struct match_scope {
    /// Only what all runners of a cohort share: other facts, and the labels named in open_labels, count as
    /// unknown.
    bool class_only = false;
    const std::vector<std::string>* open_labels = nullptr;  // sorted

    bool hidden = false;          // out: class_only hid something
    std::int64_t expires_ns = 0;  // out: wall clock; when the first fast fact it used passes its ttl; 0 = never
};

/// Compiled once, immutable, shared between jobs. Evaluation allocates nothing for scalar terms.
class requirement {
public:
    /// The problem's field is "requires"; message, column (1-based) and a line with a caret under the text.
    /// An empty text matches every runner. At most 4096 bytes, 256 terms, depth 32.
    static result<std::shared_ptr<const requirement>> compile(std::string_view text);
    ~requirement();

    truth matches(const match_subject& subject) const noexcept;
    truth matches(const match_subject& subject, match_scope& scope) const noexcept;
    /// As it was given to compile.
    const std::string& text() const noexcept;
    /// Normal form: equal for texts that differ only in spacing or redundant parentheses.
    const std::string& canonical() const noexcept;
    std::array<std::uint64_t, 2> key() const noexcept;  // XXH3-128 of the normal form

    /// The operands of the top-level && chain, for explanations.
    struct term {
        std::string text;
        std::uint32_t column = 0;
    };
    const std::vector<term>& terms() const noexcept;
    truth term_matches(std::size_t i, const match_subject& subject) const noexcept;
    truth term_matches(std::size_t i, const match_subject& subject, match_scope& scope) const noexcept;
    const std::vector<std::string>& term_keys(std::size_t i) const noexcept;    // of facts
    const std::vector<std::string>& term_labels(std::size_t i) const noexcept;  // names
    /// What is missing on a machine that does not satisfy a term. For explanations.
    struct shortfall {
        enum class kind : std::uint8_t { none, absent, other, unknown };
        kind what = kind::none;
        std::string value{};   // other: what is there, of several the nearest to what is asked; perhaps empty
        double distance = -1;  // other: how far from it, where that can be said
        std::string why{};     // unknown: "gpu was never looked at"; absent: what is not there
    };
    shortfall term_shortfall(std::size_t i, const match_subject& subject) const;
    /// The same where the answer of term_matches is known already. Of values at least so far away the text is left out:
    /// thousands of runners are not written down when the nearest is told.
    shortfall term_shortfall(std::size_t i, const match_subject& subject, truth known, double nearer_than) const;
    /// Labels that must have one value, of the operands of the top-level && chain.
    std::vector<std::pair<std::string, std::string>> asked_labels() const;
    /// Fact keys it reads, sorted, without labels.
    const std::vector<std::string>& keys() const noexcept;

private:
    struct impl;
    explicit requirement(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};
using requirement_ptr = std::shared_ptr<const requirement>;

}  // namespace sigrun
