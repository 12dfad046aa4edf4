// What a peer sends inside a stream: the first byte says which parser gets the rest.
#include "dial/endpoint.hpp"
#include "serve/documents.hpp"
#include "serve/methods.hpp"
#include "session/frame_codec.hpp"
#include "wire/deframer.hpp"
#include "wire/metadata.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sigrun::grpc;
    static const auto quiet = google::protobuf::SetLogHandler(nullptr);
    (void)quiet;
    if (size == 0) return 0;
    const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    auto must = [](bool promise) {
        if (!promise) std::abort();
    };
    switch (data[0] % 6) {
        case 0: {  // messages: whole and cut in two are the same
            auto run = [&](std::size_t cut) {
                deframer d(1 << 16);
                std::string got;
                auto take = [&](std::string m) {
                    must(m.size() <= 1 << 16);
                    got += m + "|";
                    return true;
                };
                auto bad = d.feed(rest.substr(0, cut), take);
                if (!bad) bad = d.feed(rest.substr(cut), take);
                return got + (bad ? bad->message : d.unfinished() ? "?" : "");
            };
            must(run(rest.size()) == run(rest.size() / 2));
            break;
        }
        case 1: {  // a session's messages
            sigrun::v1::SessionMessage m;
            if (!m.ParseFromString(std::string(rest)) || m.content_case() != sigrun::v1::SessionMessage::kFrame) break;
            if (fault_of(m.frame())) break;
            const frame_view seen(m.frame());
            must(seen.frame.kind >= SIGRUN_HELLO);
            must(encode_frame(seen.frame, m.frame().payload()).has_value());
            break;
        }
        case 2: {  // requests of each method
            for (auto path : {"/sigrun.v1.Jobs/Submit", "/sigrun.v1.Jobs/List", "/sigrun.v1.Jobs/Logs",
                              "/sigrun.v1.Runners/Add", "/sigrun.v1.Events/Watch", "/sigrun.v1.Calls/Call"}) {
                call_parts parts;
                const auto* what = find_method(path);
                must(what);
                const auto bad = what->parse(rest, parts);
                must(bad ? !to_json(*bad).empty() : !parts.method.empty());
            }
            break;
        }
        case 3: {  // metadata
            if (const auto left = parse_timeout(rest)) must(parse_timeout(format_timeout(*left)).has_value());
            must(percent_decode(percent_encode(rest)) == rest);
            must(from_base64(to_base64(rest)) == rest);
            from_base64(rest);
            percent_decode(rest);
            must(!status_of(rest, SIGRUN_E_IO).problem.empty());
            break;
        }
        case 5: {  // where an operator says a runner is, and how it is to be reached
            const auto half = rest.find('\n');
            try {
                const auto e = parse_endpoint(rest.substr(0, half), half == rest.npos ? "" : rest.substr(half + 1));
                must(!e.address.empty() && !e.authority.empty());
                must(e.authorization.find_first_of("\r\n") == std::string::npos);
            } catch (const sigrun::sdk::failure& f) {
                must(f.code() == SIGRUN_E_INVALID && sigrun::sdk::is_utf8(f.what()));
            }
            break;
        }
        default: {  // documents of the kernel
            if (!sigrun::sdk::is_utf8(rest)) break;
            job_of(rest);
            jobs_of(rest);
            runners_of(rest);
            event_of(rest);
            log_piece_of(rest);
        }
    }
    return 0;
}
