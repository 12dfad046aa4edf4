// One message, one line of JSON: {"time":"2026-01-05T10:00:00.123Z","level":"info","source":"link","text":"..."}, and "request" where the
// text is about one. For programs that gather logs.
#pragma once

#include <Poco/Formatter.h>
#include <Poco/Message.h>

#include <string>

namespace sigrun {

class json_formatter final : public Poco::Formatter {
public:
    void format(const Poco::Message& message, std::string& line) override;
};

}  // namespace sigrun
