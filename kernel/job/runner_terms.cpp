#include "kernel/job/runner_terms.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

constexpr std::string_view k_and = " && ", k_unsigned_too = "!present(runner.signed_jobs_only)";

std::string of_kind(std::string_view kind) { return sdk::concat("any(k in runner.kinds, k == \"", kind, "\")"); }

}  // namespace

std::string runner_terms(std::string_view kind, std::string_view signed_by) {
    if (signed_by.empty()) return sdk::concat(of_kind(kind), k_and, k_unsigned_too);
    return sdk::concat(of_kind(kind), k_and, "(", k_unsigned_too, " || any(k in runner.job_keys, k == \"", signed_by,
                       "\"))");
}

std::string without_runner_terms(std::string canonical, std::string_view kind) {
    const auto terms = of_kind(kind);
    const auto at = canonical.rfind(terms);
    if (at == canonical.npos) return canonical;
    auto signature = canonical.substr(at + terms.size());
    if (signature == sdk::concat(k_and, k_unsigned_too)) signature.clear();
    canonical.resize(at);
    if (canonical.ends_with(k_and) && (signature.empty() || signature.starts_with(k_and)))
        canonical.resize(at - k_and.size());
    else if (canonical.empty() && signature.starts_with(k_and))
        signature =
            signature.substr(k_and.size() + 1, signature.size() - k_and.size() - 2);  // alone it has no parentheses
    return canonical + signature;
}

bool is_about_signature(std::string_view term) noexcept { return term.find("runner.signed_jobs_only") != term.npos; }

}  // namespace sigrun
