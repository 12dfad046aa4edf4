// The signature of a job document: its field `signature`, and the text that it is made over.
//
//   "signature": {"key": "0123456789abcdef", "nonce": "32 hex digits", "expires": "2026-01-06T10:00:00Z",
//                 "value": "64 bytes in base64", "fields": {"command": "64 hex digits", ...}}
//
// Signed is the text
//
//   sigrun-job-v1
//   key: 0123456789abcdef
//   nonce: 32 hex digits
//   expires: 2026-01-06T10:00:00Z
//   "command": SHA-256 of the field's value in hex
//   "env": ...
//
// with one line for each field of the document, in the order of their names, each name as a JSON text: whatever the document says
// is signed, also what a later version adds. A value is taken as canonical JSON (no spaces, members by name, whole numbers
// as such), so that nothing but its meaning counts. Three fields differ: of `secrets` the sorted names are taken, not the
// values; `payload` are the bytes that the job gets, "" leaves the line out; an empty `env` leaves its line out. `signature` has none.
//
// `fields` are the hashes of those lines once more. They are no part of what is checked, and tell which field was changed since.
// Pure.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/base/result.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace sigrun {

inline constexpr std::string_view k_job_signature_context = "sigrun-job-v1";

struct job_signature {
    std::string key_id, nonce, expires;
    std::int64_t expires_ns = 0;  // the same, on the wall clock
    std::string bytes;            // 64
    std::map<std::string, std::string> fields;
    json::object to_json() const;
};

/// The field `signature`; problems name it. `written`, which a daemon adds for the runner (kernel/job/filled_in.hpp), is no part.
result<job_signature> parse_job_signature(const json::value& field);

/// The bytes of the field `payload`; "" where there is none.
result<std::string> payload_of(const json::object& document);

/// The form in which a value is hashed: what is run is this one, so that nothing was left out of what was checked.
json::value canonical_json(const json::value& v);

/// The hash of each field, as `fields` has them.
std::map<std::string, std::string> field_hashes(const json::object& document, std::string_view payload);
/// What is signed.
std::string signed_job_text(const job_signature& terms, const std::map<std::string, std::string>& hashes);

/// The field `signature` of this document, good until `expires_ns`. A nonce that is empty is made. A number that another program
/// would read as another one, once it is written out again, is refused.
result<job_signature> sign_job(const json::object& document, std::string_view payload, std::string_view private_pem,
                               std::int64_t expires_ns, std::string nonce = {});
/// Whether it is right; the problem tells which fields are others than were signed, if that can be told.
result<void> verify_job(const json::object& document, std::string_view payload, const job_signature& signature,
                        std::string_view public_pem);

}  // namespace sigrun
