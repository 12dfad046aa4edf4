// One message, one line: "2026-01-05T10:00:00.123Z info link: text". Control characters are escaped, so text
// from outside cannot forge a second line.
#pragma once

#include <Poco/Formatter.h>
#include <Poco/Message.h>

#include <string>

namespace sigrun {

class line_formatter final : public Poco::Formatter {
public:
    void format(const Poco::Message& message, std::string& line) override;
};

}  // namespace sigrun
