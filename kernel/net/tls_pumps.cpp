#include "kernel/net/tls_pumps.hpp"

#include <boost/asio/post.hpp>

namespace sigrun {

result<unique_fd> tls_pumps::carry(tls_connection over) {
    auto ended = [this](tls_pump& which) {
        open_.erase(&which);
        count_.store(open_.size());
    };
    SIGRUN_TRY(made, tls_pump::make(loop_, std::move(over), std::move(ended)));
    open_.emplace(made.get(), made);
    count_.store(open_.size());
    auto outlet = made->take_outlet();
    boost::asio::post(loop_, [made] { made->start(); });
    return outlet;
}

void tls_pumps::close() {
    const auto all = open_;
    for (const auto& [raw, each] : all) each->close();
}

}  // namespace sigrun
