// Contexts for what is dialled, kept until one of their files changes: reading the authorities of a system takes milliseconds.
#pragma once

#include "kernel/net/file_stamp.hpp"
#include "kernel/net/tls_context.hpp"

#include <map>
#include <string>

namespace sigrun {

/// One thread.
class tls_contexts {
public:
    result<ssl_context> get(const tls_client_options& wanted);

private:
    struct entry {
        ssl_context context;
        file_stamps stamps;
    };
    std::map<std::string, entry> known_;
};

}  // namespace sigrun
