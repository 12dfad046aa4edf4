// SHA-256 of what comes piece by piece. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sigrun {

class sha256_stream {
public:
    sha256_stream();
    sha256_stream(sha256_stream&&) noexcept;
    sha256_stream& operator=(sha256_stream&&) noexcept;
    ~sha256_stream();

    void feed(std::string_view bytes);
    /// 64 hex digits. Ends it: nothing more can be fed.
    std::string hex();

private:
    struct state;
    std::unique_ptr<state> state_;
};

/// Whether it is the text of one: 64 digits and small letters.
bool is_sha256_hex(std::string_view text) noexcept;

}  // namespace sigrun
