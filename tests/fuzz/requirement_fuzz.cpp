// Any bytes as a requirement: refused with a text, or compiled to a canonical form that compiles to itself
// and judges alike.
#include "kernel/select/requirement.hpp"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace sigrun;

void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "requirement_fuzz: %s\n", what);
    std::abort();
}

const fact_sheet& fuzzed_machine() {
    static const auto document = [] {
        json::array facts = json::parse(R"([
            {"key":"a","value":1},{"key":"cpu.cores","value":8},{"key":"arch","value":"x86_64"},{"key":"flag","value":true},
            {"key":"t_ms","value":2.5},{"key":"secret","status":"denied"},{"key":"none","status":"absent"},
            {"key":"gpu","value":[{"m":1,"n":"x"},{"m":40}]},{"key":"l[0].x","value":1}])")
                                .as_array();
        return fact_sheet::of(*capability_document::from_json(facts).value());
    }();
    return *document;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto first = requirement::compile(text);
    if (!first) {
        check(!first.error().text().empty(), "a refusal has a text");
        return 0;
    }
    const label_map labels{{"zone", "eu"}};
    const match_subject subject{&fuzzed_machine(), &labels};
    const truth verdict = (*first)->matches(subject);
    for (std::size_t i = 0; i < (*first)->terms().size(); ++i) (*first)->term_matches(i, subject);
    // The canonical form of a text at the limit may be longer than the limit.
    if ((*first)->canonical().size() > 4096) return 0;
    const auto second = requirement::compile((*first)->canonical());
    check(second.has_value(), "the canonical form compiles");
    check((*second)->canonical() == (*first)->canonical(), "the canonical form is its own");
    check((*second)->key() == (*first)->key(), "the keys are equal");
    check((*second)->matches(subject) == verdict, "the judgement is the same");
    return 0;
}
