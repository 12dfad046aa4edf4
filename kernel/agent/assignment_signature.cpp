// What an attempt has to do with the signature of its job: it is looked at before anything is done, and told with each state.
#include "kernel/agent/assignment.hpp"
#include "kernel/agent/assignment_table.hpp"
#include "kernel/agent/readiness.hpp"
#include "kernel/base/json.hpp"
#include "kernel/job/job.hpp"

namespace sigrun {
namespace {

constexpr const char* k_ending = "the runner is ending";

}  // namespace

// First of all.
result<signed_jobs::verdict> assignment::judge() {
    auto table = table_.lock();
    if (!table) return make_problem(errc::unavailable, k_ending);
    if (!table->signatures().asked_for()) return signed_jobs::verdict{};
    auto judged = table->signatures().judge(offer_.document, offer_.payload.view());
    if (!judged) return judged;
    offer_.document = judged->document;
    std::lock_guard lock(mutex_);
    signature_ = judged->told;
    return judged;
}

// It is remembered before it is accepted, so that no crash lets it begin once more.
result<void> assignment::begins(signed_jobs::verdict& judged) {
    auto table = table_.lock();
    if (!table) return make_problem(errc::unavailable, k_ending);
    if (judged.nonce.empty()) return {};
    SIGRUN_CHECK_OK(table->signatures().begin(judged, offer_.names.job));
    std::lock_guard lock(mutex_);
    signature_ = judged.told;
    return {};
}

// Not one of the attempts that its signature allows.
void assignment::has_not_begun(const signed_jobs::verdict& judged) {
    if (auto table = table_.lock()) table->signatures().give_back(judged, offer_.names.job);
}

void assignment::refuse_signature(const problem& why) { refuse(why, k_signature_refusal, why.code == errc::conflict); }

// A state of the job, with what came of its signature.
std::string assignment::with_signature(std::string_view state) const {
    auto o = parse_object(state);
    if (!o) return std::string(state);
    auto told = parse_object(signature_);
    if (told) (*o)["signature"] = std::move(*told);
    return json::serialize(*o);
}

}  // namespace sigrun
