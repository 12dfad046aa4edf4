// An accepted connection until its upgrade: reads the head of the request, has it judged, and either becomes a connection or
// gets an HTTP answer and ends. Everything on the thread of its loop.
#pragma once

#include "byte_stream.hpp"
#include "connection.hpp"
#include "core.hpp"
#include "loop.hpp"
#include "serve/upgrade_check.hpp"

#include <string>

namespace sigrun::websocket {

class newcomer : public ticking, public std::enable_shared_from_this<newcomer> {
public:
    newcomer(core_ptr shared, loop& on, byte_stream::socket_type socket, origin from, sdk::host_rule hosts);

    /// [loop]
    void begin();
    void tick(time_point now) override;
    void shut() override { release(); }

private:
    void read();
    void on_head(std::size_t size);
    void refuse(const refused_upgrade& why);
    void linger();
    void release();

    const core_ptr shared_;
    const std::shared_ptr<void> counts_;
    loop& loop_;
    byte_stream::socket_type socket_;
    origin from_;
    const sdk::host_rule hosts_;
    std::string in_;
    std::string out_;
    time_point deadline_;
    bool judged_ = false;
    bool gone_ = false;
};

/// Whether the connection came in over a loopback address, as everything does that a browser of this machine sends here.
bool on_loopback(int fd);

}  // namespace sigrun::websocket
