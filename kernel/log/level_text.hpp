// The levels of Poco by the words that Sigrun uses.
#pragma once

#include <Poco/Message.h>

#include <string_view>

namespace sigrun {

std::string_view level_text(Poco::Message::Priority priority) noexcept;

}  // namespace sigrun
