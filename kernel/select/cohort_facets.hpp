// The cohorts by what terms of requirements look at: the facts that the runners of a cohort share, and single labels. A term
// that looks at one of these is judged once per value of it instead of once per cohort: thousands of kinds of machines that
// differ in a rack's label have the same facts. [one writer]
#pragma once

#include "kernel/select/requirement.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace sigrun {

struct cohort;
class fact_block;

class cohort_facets {
public:
    void add(std::uint32_t id, const cohort& c);
    void remove(std::uint32_t id, const cohort& c);

    /// A bit per cohort.
    struct answer {
        std::vector<std::uint64_t> all;    // every runner satisfies the requirement
        std::vector<std::uint64_t> mixed;  // some may
    };
    answer judge(const requirement& r) const;

private:
    using members = std::vector<std::uint32_t>;  // ids
    /// A label: the cohorts of each value, and those whose runners have values of their own.
    struct label_facet {
        std::map<std::string, members, std::less<>> values;
        members open;
        members with;  // all of these
    };
    struct verdict;
    void judge_facts(const requirement& r, std::size_t term, verdict& out) const;
    void judge_label(const requirement& r, std::size_t term, const std::string& label, verdict& out) const;
    void judge_each(const requirement& r, std::size_t term, verdict& out) const;

    std::vector<const cohort*> cohorts_;  // by id; null: there is none
    std::size_t count_ = 0;
    std::unordered_map<const fact_block*, members> by_facts_;
    std::map<std::string, label_facet, std::less<>> by_label_;
};

}  // namespace sigrun
