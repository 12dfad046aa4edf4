// Interfaces that plugins offer each other (service broker/1): who follows what, and who holds which provider. A lease is
// a reference to the provider's instance, so a replaced one goes when the last lease was released. [any] but for close.
#pragma once

#include "kernel/base/result.hpp"

#include <sigrun/broker.h>

#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace sigrun {

class guest;
class instance;
struct host_face;

class broker : public std::enable_shared_from_this<broker> {
public:
    /// The instance that is known by a name now; null if there is none.
    using finder = std::function<std::shared_ptr<instance>(std::string_view name)>;

    explicit broker(boost::asio::io_context& control) : control_(control) {}

    /// The instances are started: from now on there are providers.
    void open(finder find);
    /// There are none any more; whoever holds one is told.
    void close();
    /// The instances may be others now: followers whose provider changed are told, on the control thread.
    void look_again();

    result<std::uint64_t> follow(const host_face& face, std::string_view provider, std::string_view interface_id,
                                 sigrun_fn changed, void* ctx);
    sigrun_result acquire(const host_face& face, std::uint64_t id, sigrun_grant& grant);
    void release(const host_face& face, std::uint64_t lease) noexcept;
    /// Waits for a notice that is running on another thread.
    void unfollow(const host_face& face, std::uint64_t id) noexcept;
    /// An instance was destroyed, or a whole generation is gone: nothing of it is kept.
    void drop(const host_face& face) noexcept;
    void drop(const guest& owner) noexcept;

private:
    struct follower {
        const host_face* face;
        std::string provider, interface_id;
        sigrun_fn changed;
        void* ctx;
        std::weak_ptr<instance> seen;  // whom the last notice was about; under the broker's mutex
        std::recursive_mutex calling;  // held while `changed` runs; recursive, because it may unfollow from there
        bool alive = true;             // under `calling`
    };
    struct loan {
        const host_face* face;
        std::shared_ptr<instance> provider;
    };

    std::shared_ptr<instance> find(std::string_view provider, std::string_view interface_id) const;
    void tell_all();
    template <class Whose>
    void drop_if(const Whose& whose) noexcept;

    boost::asio::io_context& control_;
    mutable std::mutex mutex_;
    finder find_;
    std::map<std::uint64_t, std::shared_ptr<follower>> followers_;
    std::map<std::uint64_t, loan> loans_;
    std::uint64_t next_ = 1;
};

/// The table behind "sigrun.host.broker/1".
const sigrun_svc_broker& broker_service() noexcept;

}  // namespace sigrun
