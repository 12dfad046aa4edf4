// Where to dial, from an endpoint's URI and options. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sigrun::grpc {

struct endpoint {
    std::string address;    // as the host's net service takes it
    std::string authority;  // what requests name
    bool tls = false;
    std::string options;        // handed on to the host, which reads "tls"
    std::string authorization;  // "Bearer ..."; empty = none
};

/// "grpc://host:port", "grpcs://host:port", "grpc+unix:///path"; default port 7070. Throws sdk::failure naming the part.
endpoint parse_endpoint(std::string_view uri, std::string_view options);

}  // namespace sigrun::grpc
