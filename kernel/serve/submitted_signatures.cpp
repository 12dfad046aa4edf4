#include "kernel/serve/submitted_signatures.hpp"

#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {

result<void> submitted_signatures::look(std::string_view document, std::string_view payload) {
    SIGRUN_TRY(o, parse_object(document));
    const auto* field = o.if_contains("signature");
    if (!field)
        return bad_value("signature", sdk::concat("one by a key of ", options_.folder, " (`sigrun submit --sign`)"),
                         "none");
    SIGRUN_TRY(signature, parse_job_signature(*field));
    SIGRUN_TRY(own, payload_of(o));
    if (!payload.empty() && !own.empty() && own != payload)
        return bad_value("payload", "the one beside the document", "another one in it");
    SIGRUN_TRY(keys, trust_.now());
    auto signer =
        check_signed_job(*keys, o, payload.empty() ? own : payload, signature, clock_.wall_ns(), options_.longest);
    if (!signer) return signer.error();
    return {};
}

result<void> submitted_signatures::check(std::string_view document, std::string_view payload, std::string_view within) {
    if (!asked_for()) return {};
    auto fine = look(document, payload);
    if (fine) return {};
    auto why = fine.error();
    if (!within.empty()) why.field = sdk::concat(within, ".", why.field);
    if (options_.wanted == job_trust_options::mode::require) return why;
    SIGRUN_LOG(logs::daemon, warning, "a job is taken although it is not signed as it should be: ", why.text());
    return {};
}

}  // namespace sigrun
