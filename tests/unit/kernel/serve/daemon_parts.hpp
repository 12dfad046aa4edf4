// The parts of a daemon that methods and jobs need, without its sockets and its disk.
#pragma once

#include "kernel/serve/methods.hpp"

#include <sigrun/cpp/text.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

namespace sigrun::serve_test {

struct daemon_parts {
    metrics numbers;
    manual_clock time;
    std::string dir = testing::TempDir() + "methods_jobs_" + std::to_string(getpid());
    plugin_host plugins{{.plugin_dir = SIGRUN_BUILD_DIR "/plugins/balancers",
                         .state_dir = dir,
                         .program = "test",
                         .kinds = {},
                         .only = {}},
                        settings::parse("", "none.ini").value(),
                        numbers};
    event_log events{time};
    journal store{plugins, nullptr, numbers};
    registry runners{events, store, time, 10};
    timer_wheel timers{time};
    std::unique_ptr<detector> local = std::make_unique<detector>(plugins, time);
    log_store logs{dir + "/logs", 1 << 20};
    std::unique_ptr<selector> select;
    std::shared_ptr<fleet> links;
    std::unique_ptr<job_engine> jobs;
    std::unique_ptr<controller> control;
    router methods{numbers};
    std::vector<std::string> answers;
    sigrun_sink sink{sizeof(sigrun_sink), 0, this, [](void* ctx, const sigrun_frame* f) -> sigrun_result {
                         static_cast<daemon_parts*>(ctx)->answers.emplace_back(sdk::view(f->json));
                         return SIGRUN_OK;
                     }};

    daemon_parts() {
        plugins.load_all().value();
        select = std::move(selector::create({}, plugins.instances(SIGRUN_KIND_BALANCER)).value());
        links = std::make_shared<fleet>(plugins, runners, *select, numbers, time, fleet_options{});
        jobs =
            std::make_unique<job_engine>(*links, *select, store, events, numbers, logs, timers, time, engine_options{});
        control = std::make_unique<controller>(controller{
            plugins, numbers, events, runners, *links, *select, *jobs, store, *local, timers, time, "test", {}, 0});
        add_job_methods(methods, *control);
        jobs->start();
    }
    ~daemon_parts() {
        jobs->stop();
        methods.stop();
        links->stop();
        jobs->release();
        local.reset();
        select.reset();
        plugins.shutdown();
        std::filesystem::remove_all(dir);
    }
    std::uint64_t begin(std::string_view method, std::string_view params, std::string_view document = {}) {
        sigrun_call call{};
        call.struct_size = sizeof call;
        call.method = sdk::str(method);
        call.params = sdk::str(params);
        call.json = sdk::str(document);
        std::uint64_t id = 0;
        methods.begin(1, call, sink, &id, nullptr, nullptr);
        return id;
    }
    void end(std::uint64_t id) { methods.end(id, nullptr, nullptr); }
};

}  // namespace sigrun::serve_test
