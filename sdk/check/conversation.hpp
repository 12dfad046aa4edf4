// Connections for a protocol plugin: a socket pair of which the plugin gets one end.
#pragma once

#include "rig.hpp"

#include <sigrun/protocol.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun::check {

/// First bytes of connections, by name: those every tool knows, and the files of --corpus.
std::vector<std::pair<std::string, std::string>> corpus_of(const arguments& args);

enum class manner { whole, byte_by_byte, half_close, twice, then_garbage, silent };

struct conversation_end {
    bool accepted = false;
    bool lifetime_ended = false;  // after the peer had closed
    std::string reply;
};
/// Talks like this, closes, and waits for the end of the connection's lifetime.
conversation_end converse(rig& r, sigrun_instance* instance, const sigrun_serve& serve, std::string_view bytes,
                          manner how);

/// The peer's end of a connection that stays; -1: refused. `lifetime` is open then.
int stay_connected(rig& r, sigrun_instance* instance, const sigrun_serve& serve, sigrun_op* lifetime);

/// recognise on the io lane, with memory that ends where the bytes end.
sigrun_result recognise(rig& r, sigrun_instance* instance, const sigrun_serve& serve, std::string_view first);

}  // namespace sigrun::check
