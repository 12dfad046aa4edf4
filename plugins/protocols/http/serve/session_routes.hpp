// /v1/sessions/{token}: long poll, post and end. All [loop of the connection]; the session may live on
// another one.
#pragma once

#include <memory>

namespace sigrun::http {

class connection;

void poll_session_frames(const std::shared_ptr<connection>& who);
void post_session_frames(const std::shared_ptr<connection>& who);
void close_session(const std::shared_ptr<connection>& who);

}  // namespace sigrun::http
