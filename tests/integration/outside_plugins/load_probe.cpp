// A probe in C++: the system's load averages, as custom.load1, custom.load5 and custom.load15.
#include <sigrun/cpp/plugin.hpp>
#include <sigrun/probe.h>

#include <fstream>
#include <sstream>

namespace {

using namespace sigrun::sdk;

std::string fact(std::string_view key, double value, bool known) {
    std::string head =
        concat("{\"key\":\"", key, "\",\"method\":\"read\",\"source\":\"/proc/loadavg\",\"confidence\":100,",
               "\"ttl_s\":5,\"volatility\":\"fast\",");
    return known ? concat(head, "\"status\":\"ok\",\"value\":", value, "}") : concat(head, "\"status\":\"absent\"}");
}

class load_probe {
public:
    load_probe(host h, const config_reader&) : host_(h) {}

    const void* interface(std::string_view id) noexcept { return id == SIGRUN_KIND_PROBE ? &k_table : nullptr; }

private:
    static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* facts,
                             sigrun_op token) noexcept {
        return guarded(nullptr, [&]() -> sigrun_result {
            op done(self<load_probe>(instance).host_, token);
            std::ifstream in(concat(view(req->sysroot), "/proc/loadavg"));
            double load[3] = {};
            const bool known = static_cast<bool>(in >> load[0] >> load[1] >> load[2]);
            const std::string json =
                concat("{\"facts\":[", fact("custom.load1", load[0], known), ",", fact("custom.load5", load[1], known),
                       ",", fact("custom.load15", load[2], known), "]}");
            sigrun_frame frame{};
            frame.struct_size = sizeof frame;
            frame.kind = SIGRUN_STATE;
            frame.json = str(json);
            facts->on_frame(facts->ctx, &frame);
            done.ok();
            return SIGRUN_PENDING;
        });
    }

    static constexpr sigrun_probe k_table{
        sizeof(sigrun_probe), SIGRUN_PROBE_IN_PROCESS, 50, 200, str("custom.load*"), &run, nullptr, nullptr};
    host host_;
};

}  // namespace

SIGRUN_PLUGIN("com.example.load-probe", "1.0.0", "Load averages", 0,
              sigrun::sdk::component<load_probe>("load_probe", SIGRUN_KIND_PROBE, "Load averages of the machine"))
