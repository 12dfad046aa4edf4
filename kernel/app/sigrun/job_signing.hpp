// Signing what is submitted: one job document, or each job of a submission.
#pragma once

#include "kernel/app/sigrun/context.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace sigrun::cli {

struct signing_options {
    std::string key;               // file; "" = it is not signed
    std::string lifetime = "24h";  // of the signature
    // What the user calls the two.
    std::string key_flag = "--sign", lifetime_flag = "--sign-for";
};
/// --sign and --sign-for.
void add_signing_flags(CLI::App& app, signing_options& into);

/// The document with a signature for each job that has none of its own; as it is, if no key is given. Throws failure.
std::string signed_document(const std::string& document, const signing_options& how);

/// Calls `each` with the name ("" for a single one) and the document of each job of a document. Throws failure.
void for_each_job(const std::string& document,
                  const std::function<void(const std::string& name, const std::string& document)>& each);

}  // namespace sigrun::cli
