// The field `secrets` of a job document: what is taken, and what of a document with secrets may be stored, compared and shown.
//
// No message shows a value, nor what stands in the place of one. Pure but for the box.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/guard/secret_box.hpp"
#include "kernel/job/spec.hpp"

namespace sigrun {

/// Names as of environment variables; values of 4 bytes or more (a shorter one cannot be kept out of the output without making
/// *** of half of it) without NUL, at most 64 of them and 16 KiB in all.
result<void> check_secrets(const json::value& field);

/// Fills what `spec` has beside its document when `document` has secrets; `box` null: such documents are refused.
result<void> hide_secrets(const json::object& document, job_spec& spec, secret_box* box);

/// The document as it was submitted, from what `hide_secrets` had it stored as.
result<std::string> reveal_secrets(const std::string& public_document, std::string_view sealed, secret_box* box);

}  // namespace sigrun
