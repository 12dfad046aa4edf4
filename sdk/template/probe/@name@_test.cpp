// Lets the built plugin read a recorded machine inside a mock host.
#include <sigrun/cpp/mock_file.hpp>
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/probe.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace sigrun::sdk;

static int failures = 0;
static void expect(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "failed: %s\n", what);
    ++failures;
}

static std::string facts_of(mock_host& host, sigrun_instance* probe, const std::string& root) {
    const auto* table = static_cast<const sigrun_probe*>(probe->get_interface(probe, str(SIGRUN_KIND_PROBE)));
    recording_sink sink;
    sigrun_probe_req request{};
    request.struct_size = sizeof request;
    request.sysroot = str(root);
    const auto op = host.mint();
    expect(table->run(probe, &request, sink.abi(), op) >= 0, "run is accepted");
    expect(host.wait(op).result == SIGRUN_OK, "run completes its op");
    std::string all;
    for (const auto& frame : sink.frames()) all += frame.json;
    return all;
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    char folder[] = "/tmp/probe-test-XXXXXX";
    if (!mkdtemp(folder)) return 2;
    const std::string root = folder;
    {
        const plugin_file file(argv[1]);
        mock_host host;
        auto* probe = host.start(host.create_from(file.entry(), "@name@"));
        expect(facts_of(host, probe, root).find("\"status\":\"absent\"") != std::string::npos,
               "a machine without the file has no value");
        std::filesystem::create_directory(root + "/proc");
        std::ofstream(root + "/proc/uptime") << "354.21 600.00\n";
        const auto facts = facts_of(host, probe, root);
        expect(facts.find("\"key\":\"@name@.uptime_s\"") != std::string::npos, "the fact has its key");
        expect(facts.find("\"value\":354") != std::string::npos, "the value is what the file says");
        host.destroy(probe);
        expect(host.live_buffers() == 0 && host.open_ops() == 0, "nothing is left behind");
    }
    std::filesystem::remove_all(root);
    return failures ? 1 : 0;
}
