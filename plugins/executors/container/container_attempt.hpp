// One attempt of a job of kind "container", on a thread of its own: a container for each step, one after another.
//
// The containers are named after the attempt's token and stay until it is over. So an attempt that an earlier agent began is gone
// through in the same way: a step whose container is there is followed, or its end is looked up, and its output is read again.
#pragma once

#include "container_plan.hpp"
#include "engine_http.hpp"
#include "step_results.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/cpp/redactor.hpp>
#include <sigrun/executor.h>

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>

namespace sigrun::container {

struct attempt_terms {
    sigrun_op op = 0;
    process::attempt_names names;
    std::string document, workspace;
    sigrun_sink sink{};
    std::uint64_t deadline_ns = 0;  // CLOCK_MONOTONIC; 0 = none
    std::chrono::nanoseconds kill_grace{0};
    bool again = false;  // an earlier agent has begun it
};

class container_attempt {
public:
    container_attempt(const sdk::host& host, attempt_terms terms, const container_rules& rules,
                      std::vector<std::string> sockets);
    container_attempt(const container_attempt&) = delete;
    container_attempt& operator=(const container_attempt&) = delete;

    /// Until every container of it is gone. On its own thread, once.
    process::outcome run();

    /// [any]
    void cancel(std::chrono::nanoseconds grace);
    void resume() noexcept { wake(); }
    void stored(std::uint64_t offset) noexcept;
    sigrun_op op() const noexcept { return terms_.op; }

private:
    struct container_state {
        std::string id;
        bool created = false;  // and not started
        bool running = false, oom = false;
        int exit_code = 0;
        std::string error;
    };
    struct ended;  // thrown: the attempt is over, and how

    void wake() noexcept;
    process::outcome go();
    void find_engine();
    void get_image();
    process::outcome run_steps();
    container_state begin_step(std::size_t step, std::optional<engine_stream>& live);
    void start(const container_state& what);
    container_state follow(const container_state& what, std::optional<engine_stream> live);
    void read_kept(const container_state& what);
    void read_output(const container_state& what, engine_stream& stream, bool again);
    bool rest(steady::time_point until);
    std::optional<container_state> inspect(const std::string& name) const;
    container_state inspect_until_told(const std::string& name);
    void tell(std::uint32_t stream, std::string_view piece, const std::string& id);
    void end_output(const std::string& id);
    void deliver_all(std::uint32_t stream, std::string_view bytes, const std::string& id);
    void deliver(std::uint32_t stream, std::string_view piece, const std::string& id);
    void obey(const std::string& id);
    void signal(const std::string& id, const char* name) const;
    void remove_all() noexcept;
    void tell_state();
    bool cancelled();
    std::string name_of(std::size_t step) const;
    steady::time_point next_duty();

    process::outcome conclusion(std::size_t step, const container_state& how);
    process::outcome failed(std::int32_t result, std::string_view failure_class, std::string_view code,
                            const std::string& message, std::optional<int> exit_code = {}) const;

    sdk::host host_;
    attempt_terms terms_;
    const container_rules rules_;
    std::vector<std::string> sockets_;
    process::descriptor wake_;
    container_plan plan_;
    sdk::secret_patterns secrets_;
    std::array<sdk::redactor, 2> redactors_{sdk::redactor(secrets_), sdk::redactor(secrets_)};  // of this step
    std::optional<engine_http> engine_;
    steady::time_point began_ = steady::now();
    std::uint64_t total_ = 0;                   // of output, over all steps
    std::array<std::uint64_t, 2> delivered_{};  // of this step's standard output and error
    std::atomic<std::uint64_t> stored_{0};
    std::vector<sigrun_shim_stepped> ended_;  // steps, in their order
    std::optional<std::size_t> running_;
    bool announced_ = false;
    bool discard_ = false;
    bool timed_out_ = false;
    std::optional<steady::time_point> kill_at_;
    std::size_t created_ = 0;  // steps that may have a container

    std::mutex mutex_;
    std::optional<std::chrono::nanoseconds> order_;  // the shortest grace that was asked for
    bool new_order_ = false;
};

}  // namespace sigrun::container
