// Entry point and options.
#include "protocol.hpp"

#include <sigrun/cpp/plugin.hpp>

namespace {
constexpr double k_kib = 1024;
constexpr double k_mib = 1024 * k_kib;
constexpr double k_ms = 1e6;
constexpr double k_hour = 3600e9;

constexpr sigrun_opt k_options[] = {
    sigrun::sdk::option("threads", SIGRUN_OPT_INT,
                        {.def = "1", .doc = "I/O threads; connections are spread over them.", .min = 1, .max = 64}),
    sigrun::sdk::option("connect_timeout", SIGRUN_OPT_DURATION,
                        {.def = "3s",
                         .doc = "Time to connect and finish the handshake of a dialled connection.",
                         .min = k_ms,
                         .max = k_hour}),
    sigrun::sdk::option(
        "preface_timeout", SIGRUN_OPT_DURATION,
        {.def = "5s", .doc = "Time an accepted connection has to finish its handshake.", .min = k_ms, .max = k_hour}),
    sigrun::sdk::option("idle_timeout", SIGRUN_OPT_DURATION,
                        {.def = "5m",
                         .doc = "An accepted connection without call and session is closed after it; 0s = never.",
                         .min = 0,
                         .max = 24 * k_hour}),
    sigrun::sdk::option("max_connections", SIGRUN_OPT_INT,
                        {.def = "10000",
                         .doc = "Accepted connections at a time; more are refused with code 0303.",
                         .min = 1,
                         .max = 1e6}),
    sigrun::sdk::option("read_timeout", SIGRUN_OPT_DURATION,
                        {.def = "30s",
                         .doc = "A peer that stops in the middle of a frame or message is disconnected after it; 0s = "
                                "never.",
                         .min = 0,
                         .max = 24 * k_hour}),
    sigrun::sdk::option("write_timeout", SIGRUN_OPT_DURATION,
                        {.def = "30s",
                         .doc = "A peer that takes nothing while something waits for it is disconnected after it; 0s = "
                                "never.",
                         .min = 0,
                         .max = 24 * k_hour}),
    sigrun::sdk::option("ping_interval", SIGRUN_OPT_DURATION,
                        {.def = "30s",
                         .doc = "A silent peer with an open call or session is asked after it, and disconnected after "
                                "two unanswered PINGs; 0s = never.",
                         .min = 0,
                         .max = 24 * k_hour}),
    sigrun::sdk::option(
        "max_frame", SIGRUN_OPT_SIZE,
        {.def = "1MiB", .doc = "Largest frame taken from a peer.", .min = 128 * k_kib, .max = 16 * k_mib}),
    sigrun::sdk::option("max_message", SIGRUN_OPT_SIZE,
                        {.def = "16MiB",
                         .doc = "Largest message taken from a peer, joined from its pieces.",
                         .min = 128 * k_kib,
                         .max = 64 * k_mib}),
    sigrun::sdk::option("max_streams", SIGRUN_OPT_INT,
                        {.def = "1024", .doc = "Calls that may be open on one connection.", .min = 1, .max = 32768}),
    sigrun::sdk::option(
        "max_output", SIGRUN_OPT_SIZE,
        {.def = "8MiB",
         .doc = "Bytes that may wait for a slow peer; then bulk is refused as busy, at four times this the "
                "connection is closed.",
         .min = 256 * k_kib,
         .max = 256 * k_mib}),
    sigrun::sdk::option("crc", SIGRUN_OPT_BOOL,
                        {.def = "off", .doc = "Offer CRC32C checksums; used where both sides offer them."}),
};
}  // namespace

SIGRUN_PLUGIN("sigrun.valkyrie", "1.0.0", "Valkyrie/1, Sigrun's binary protocol", SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sigrun::valkyrie::protocol>(
                  "valkyrie", SIGRUN_KIND_PROTOCOL, "Links and calls over Valkyrie/1, TCP and UNIX sockets", k_options))
