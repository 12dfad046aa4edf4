// Runs a task of the built plugin inside a mock host.
#include <sigrun/cpp/mock_file.hpp>
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/executor.h>

#include <cstdio>

using namespace sigrun::sdk;

static int failures = 0;
static void expect(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "failed: %s\n", what);
    ++failures;
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const plugin_file file(argv[1]);
    mock_host host;
    auto* instance = host.start(host.create_from(file.entry(), "@name@"));
    const auto* table =
        static_cast<const sigrun_executor*>(instance->get_interface(instance, str(SIGRUN_KIND_EXECUTOR)));
    expect(view(table->kinds) == "@name@", "it runs jobs of its kind");
    // The document comes as the client wrote it, so with blanks, too.
    for (const std::string document : {R"({"kind":"@name@","command":["upper"]})",
                                       R"({ "workdir": "a\" b", "command" : [ "upper" ] })", R"({"command": ["lower"]})"}) {
        const bool right = document.find("lower") == document.npos;
        recording_sink sink;
        buffer payload(host.get(), "hello");
        const sigrun_attempt attempt{sizeof attempt, 1, str("4b7a9c1e-0000-7000-8000-000000000001"), str("t")};
        sigrun_task task{};
        task.struct_size = sizeof task;
        task.attempt = &attempt;
        task.kind = str("@name@");
        task.json = str(document);
        task.payload = payload.get();
        const auto op = host.mint();
        expect(table->run(instance, &task, sink.abi(), op) >= 0, "run is accepted");
        const auto done = host.wait(op);
        if (!right) {
            expect(done.result < 0 && done.text.find("not_found") != std::string::npos, "an unknown function is refused");
            continue;
        }
        expect(done.result == SIGRUN_OK, "the task succeeds");
        expect(done.text.find("\"exit_code\":0") != std::string::npos, "with exit code 0");
        std::string output;
        for (const auto& frame : sink.frames())
            if (frame.kind == SIGRUN_LOG) output += frame.payload;
        expect(output == "HELLO", "the output is the payload in upper case");
    }
    host.destroy(instance);
    expect(host.live_buffers() == 0 && host.open_ops() == 0, "nothing is left behind");
    return failures ? 1 : 0;
}
