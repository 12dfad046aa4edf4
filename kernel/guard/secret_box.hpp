// Seals what must not stand on the disk in clear: AES-256-GCM with a key of its own file.
//
// It keeps secrets out of copies of the database, of backups and of a disk that is thrown away, as long as the key file is not
// with them. Who can read the key file, or the memory of the process, can read the secrets. The file is made with mode 0600 at
// the first seal, and one that others can read is refused. Thread-safe.
#pragma once

#include "kernel/base/result.hpp"

#include <mutex>
#include <string>
#include <string_view>

namespace sigrun {

class secret_box {
public:
    /// Nothing is touched before the first use.
    explicit secret_box(std::string key_file) : key_file_(std::move(key_file)) {}
    secret_box(const secret_box&) = delete;
    secret_box& operator=(const secret_box&) = delete;
    ~secret_box();

    /// Text that only this key opens, another one each time.
    result<std::string> seal(std::string_view clear);
    /// A problem if the key is another one or is gone, or the text was changed.
    result<std::string> open(std::string_view sealed);
    /// The same for the same text, and of no use without the key: 64 hex digits.
    result<std::string> mark_of(std::string_view clear);

private:
    result<std::string> key(bool may_make);

    const std::string key_file_;
    std::mutex mutex_;
    std::string key_;
};

}  // namespace sigrun
