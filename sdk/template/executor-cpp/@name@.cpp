// An executor in C++: a job of the kind "@name@" ends with its payload in upper case as its output.
#include <sigrun/cpp/plugin.hpp>
#include <sigrun/executor.h>

#include <cctype>
#include <chrono>

namespace {

using namespace sigrun::sdk;

class executor {
public:
    executor(host h, const config_reader&) : host_(h) {}
    const void* interface(std::string_view id) noexcept { return id == SIGRUN_KIND_EXECUTOR ? &k_table : nullptr; }

private:
    // The job document names the one function there is. It comes as the client wrote it, with blanks anywhere; who has more
    // in the document brings a JSON parser.
    static bool names_upper(sigrun_str json) {
        std::string dense;
        bool quoted = false, escaped = false;
        for (const char c : view(json)) {
            if (c == '"' && !escaped) quoted = !quoted;
            escaped = c == '\\' && !escaped;
            if (quoted || !std::isspace(static_cast<unsigned char>(c))) dense += c;
        }
        return dense.find(R"("command":["upper"])") != std::string::npos;
    }

    // [work] One attempt; the op completes when everything it started is gone.
    static sigrun_result run(sigrun_instance* instance, const sigrun_task* task, const sigrun_sink* sink,
                             sigrun_op token) noexcept {
        const host& h = self<executor>(instance).host_;
        op done(h, token);
        guarded(nullptr, [&] {
            if (!names_upper(task->json))
                return done.fail(SIGRUN_E_INVALID,
                                 R"({"class":"user","code":"not_found","message":"command: expected [\"upper\"]",)"
                                 R"("exit_code":127,"signal":null})");
            send(*sink, SIGRUN_STATE, "{\"state\":\"running\"}", nullptr);
            std::string text(h.content(task->payload));
            if (text.size() > SIGRUN_LOG_MAX)
                return done.fail(SIGRUN_E_INVALID,
                                 R"({"class":"user","code":"too_large","message":"payload: expected at most 64 KiB",)"
                                 R"("exit_code":2,"signal":null})");
            for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            const buffer output(h, text);
            // The window is open at the start, so a single frame is always taken; who sends more must keep a frame that
            // is answered with E_BUSY and offer it again.
            if (!text.empty() && send(*sink, SIGRUN_LOG, {}, output.get()) < 0)
                return done.fail(SIGRUN_E_IO,
                                 R"({"class":"infra_runner","code":"output","message":"the output was not taken",)"
                                 R"("exit_code":null,"signal":null})");
            done.ok(R"({"exit_code":0,"signal":null})");
        });
        return SIGRUN_PENDING;  // also after an exception: then `done` completed as it went out of scope
    }

    static sigrun_result send(const sigrun_sink& sink, std::uint32_t kind, std::string_view json, sigrun_buf* payload) {
        sigrun_frame frame{};
        frame.struct_size = sizeof frame;
        frame.kind = kind;
        frame.stream = SIGRUN_STREAM_STDOUT;
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        frame.time_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
        frame.json = str(json);
        frame.payload = payload;
        return sink.on_frame(sink.ctx, &frame);
    }

    // [work] Nothing runs after `run` returned, so there is nothing to end.
    static sigrun_result cancel(sigrun_instance*, sigrun_op, std::uint64_t) noexcept { return SIGRUN_E_NOT_FOUND; }

    static constexpr sigrun_executor k_table = {
        sizeof(sigrun_executor), 0, str("@name@"), nullptr, &run, nullptr, &cancel, nullptr};

    host host_;
};

}  // namespace

SIGRUN_PLUGIN("@id@", "1.0.0", "Runs jobs of the kind @name@", 0,
              sigrun::sdk::component<executor>("@name@", SIGRUN_KIND_EXECUTOR, "Runs jobs of the kind @name@"))
