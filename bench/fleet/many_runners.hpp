// Many runners in one process: real sessions over a real protocol plugin, each with its own connection, identity and beats. One that
// loses its connection comes back as an agent does. Some take jobs, which end at once; some tell what kind of machine they are.
#pragma once

#include "bench/select/simulated_machine.hpp"
#include "kernel/link/link.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun::bench {

struct runner_choice {
    std::string url = "valkyrie://127.0.0.1:7070", plugin_dir = "build/release/plugins", prefix = "fleet-";
    unsigned first = 0, count = 1000, connecting = 64;
    double beat = 3;
    bool machines = false;     // tell facts and labels of a simulated machine, and take jobs
    double changes_per_s = 0;  // of all runners together; with `machines`
};

class many_runners : public link_handler, public std::enable_shared_from_this<many_runners> {
public:
    many_runners(plugin_host& host, std::shared_ptr<instance> protocol, runner_choice what);

    /// Connects whoever is due, a few at a time, sends the beats and tells the changes that are due. Returns how many are
    /// connected. One thread.
    unsigned turn();
    void close();
    std::string last_problem() const;
    std::uint64_t changes() const noexcept { return changes_; }

    sigrun_result on_frame(const link_ptr& via, const sigrun_frame& frame) override;
    void on_lost(const link_ptr& which, const std::string& reason) override;

private:
    using steady_clock = std::chrono::steady_clock;
    struct runner {
        std::string name, key, session;
        std::uint64_t generation = 0, revision = 0;
        link_ptr via;
        simulated_machine machine{};
        bool trying = false, registered = false;
        steady_clock::time_point next{};  // of its next beat or try
    };

    nanoseconds period() const { return nanoseconds(static_cast<std::int64_t>(what_.beat * 1e9)); }
    void failed(runner& r, const std::string& why);
    void connect(unsigned i);
    void greet(unsigned i, const link_ptr& via);
    std::string hello(runner& r) const;
    void change_some();
    json::array change(runner& r);

    plugin_host& host_;
    const std::shared_ptr<instance> protocol_;
    const runner_choice what_;
    std::vector<std::string> kinds_;  // facts of each kind of machine
    mutable std::mutex mutex_;
    std::vector<runner> runners_;
    unsigned connecting_ = 0;
    bool closing_ = false;
    std::string problem_;
    std::uint64_t random_ = 1, changes_ = 0;  // turn alone
    steady_clock::time_point changing_since_{};
};

}  // namespace sigrun::bench
