#include "function_cache.hpp"

#include <sigrun/cpp/plugin.hpp>
#include <sigrun/executor.h>

namespace sigrun::call {
namespace {

class call_executor {
public:
    call_executor(sdk::host host, const sdk::config_reader&) : host_(host) {}

    const void* interface(std::string_view id) noexcept { return id == SIGRUN_KIND_EXECUTOR ? &k_table : nullptr; }

private:
    static sigrun_result run(sigrun_instance* i, const sigrun_task* task, const sigrun_sink*, sigrun_op op) noexcept {
        const auto& host = sdk::self<call_executor>(i).host_;
        return sdk::guarded(nullptr, [&] {
            const named_function* f = nullptr;
            try {
                f = &find_function(sdk::view(task->json));
            } catch (const lookup_error& e) {
                fail(host, op, e.exit_code == 127 ? SIGRUN_E_NOT_FOUND : SIGRUN_E_INVALID, e.code, e.message,
                     e.exit_code);
                return SIGRUN_OK;
            }
            f->run(host, task->payload, op);
            return SIGRUN_OK;
        });
    }

    static constexpr sigrun_executor k_table = {
        sizeof(sigrun_executor), SIGRUN_EXECUTOR_INLINE, sdk::str("call"), nullptr, &run, nullptr, nullptr, nullptr};

    sdk::host host_;
};

}  // namespace
}  // namespace sigrun::call

SIGRUN_PLUGIN("sigrun.call", "1.0.0", "Runs small functions inside the runner", 0,
              sigrun::sdk::component<sigrun::call::call_executor>("call", SIGRUN_KIND_EXECUTOR,
                                                                  "Answers call jobs on the thread they arrive on"))
