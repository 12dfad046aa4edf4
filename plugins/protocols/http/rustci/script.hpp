// A job as a POSIX sh script. Pure.
#pragma once

#include "rustci/job_document.hpp"

#include <string>
#include <string_view>

namespace sigrun::http::rustci {

/// One word that sh reads back exactly. The text must hold no NUL byte.
std::string shell_quote(std::string_view word);
/// One line per step: ( cd DIR && env K=V COMMAND ) || exit $?
std::string script_of(const job_document& job);

}  // namespace sigrun::http::rustci
