// Are the first bytes of a connection HTTP/1.x? Pure.
#pragma once

#include <sigrun/base.h>

#include <string_view>

namespace sigrun::http {

/// OK for "METHOD /", "METHOD *" and "METHOD http:"; NOT_MINE for anything else, also for the HTTP/2 preface
/// "PRI * ..."; NEED_MORE for a prefix of either.
sigrun_result recognise(std::string_view first) noexcept;

}  // namespace sigrun::http
