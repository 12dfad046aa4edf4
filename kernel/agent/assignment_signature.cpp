// What an attempt has to do with the signature of its job: it is looked at before anything is done, and told with each state.
#include "kernel/agent/assignment.hpp"
#include "kernel/agent/assignment_table.hpp"
#include "kernel/agent/readiness.hpp"
#include "kernel/base/json.hpp"
#include "kernel/job/job.hpp"

namespace sigrun {

// First of all.
result<signed_jobs::verdict> assignment::judge() {
    auto table = table_.lock();
    if (!table || !table->signatures().asked_for()) return signed_jobs::verdict{};
    auto judged = table->signatures().judge(offer_.document, offer_.payload.view());
    if (!judged) return judged;
    offer_.document = judged->document;
    std::lock_guard lock(mutex_);
    signature_ = judged->told;
    return judged;
}

// It is remembered before it is accepted, so that no crash lets it begin once more.
bool assignment::begins(const signed_jobs::verdict& judged, const std::string& workspace) {
    auto table = table_.lock();
    if (!table || judged.nonce.empty()) return true;
    auto used = table->signatures().begin(judged, offer_.names.job);
    if (used) return true;
    remove_workspace(workspace);
    const bool of_signature = used.error().code == errc::invalid;
    refuse(used.error(), of_signature ? k_signature_refusal : std::string_view());
    return false;
}

// A state of the job, with what came of its signature.
std::string assignment::with_signature(std::string_view state) const {
    auto o = parse_object(state);
    if (!o) return std::string(state);
    auto told = parse_object(signature_);
    if (told) (*o)["signature"] = std::move(*told);
    return json::serialize(*o);
}

}  // namespace sigrun
