// The parts without sockets, and what the built plugin recognises and offers.
#include "json_field.hpp"
#include "words.hpp"

#include <sigrun/cpp/mock_file.hpp>
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/protocol.h>

#include <example/line_commands.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

using namespace sigrun::sdk;

static int failures = 0;
static void expect(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "failed: %s\n", what);
    ++failures;
}

static void words_and_fields() {
    using line::json_field;
    using line::split_words;
    expect(split_words("echo  a \"b c\" \"\"") == std::vector<std::string>{"echo", "a", "b c", ""},
           "quotes keep blanks");
    expect(split_words("\"say \\\"hi\\\"\"") == std::vector<std::string>{"say \"hi\""}, "escapes inside quotes");
    expect(!split_words("\"open"), "an open quote is refused");
    expect(line::job_document({"a\"b", "c"}) == R"({"kind":"process","command":["a\"b","c"]})", "texts are escaped");
    const std::string json = R"({"a":{"id":"no","x":[1,"}"]},"id":"j\u00e9\"1","exit_code":null,"n":3})";
    expect(json_field(json, "id") == "j\xc3\xa9\"1", "a text, past an object with the same name in it");
    expect(json_field(json, "n") == "3" && json_field(json, "exit_code") == "null", "other values as written");
    expect(json_field(json, "a") == R"({"id":"no","x":[1,"}"]})", "an object, as written");
    expect(!json_field(json, "none") && !json_field("", "a") && !json_field("{\"a\":\"", "a"), "nothing is nothing");
}

// Reads until the other side closes.
static std::string all_of(int fd) {
    std::string text;
    char room[512];
    for (ssize_t n = 0; (n = ::read(fd, room, sizeof room)) > 0;) text.append(room, static_cast<std::size_t>(n));
    return text;
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    words_and_fields();
    const plugin_file file(argv[1]);
    mock_host host;
    host.on_call = [&host](std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                           std::uint64_t* id, sigrun_error*) -> sigrun_result {
        *id = 0;
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_REPLY;
        f.flags = SIGRUN_FRAME_LAST;
        std::string json = R"({"id":"job-1","exit_code":3,"state":"failed"})";
        if (view(call.method) == "jobs.logs") {
            sigrun_frame piece{};
            piece.struct_size = sizeof piece;
            piece.kind = SIGRUN_REPLY;
            piece.json = str(R"({"stream":"stdout"})");
            const buffer payload(host.get(), "one\ntwo");
            piece.payload = payload.get();
            replies.on_frame(replies.ctx, &piece);
        } else if (view(call.method) == "jobs.submit") {
            expect(session == 7 && view(call.json) == R"({"kind":"process","command":["false"]})",
                   "the job is submitted");
        }
        f.json = str(json);
        replies.on_frame(replies.ctx, &f);
        return SIGRUN_OK;
    };
    auto* instance = host.start(host.create_from(file.entry(), "line"));
    const auto* protocol =
        static_cast<const sigrun_protocol*>(instance->get_interface(instance, str(SIGRUN_KIND_PROTOCOL)));
    const auto* commands = static_cast<const line_commands*>(instance->get_interface(instance, str(LINE_COMMANDS)));
    const std::string greeting = "line/1\nRUN";
    for (std::size_t n = 1; n <= greeting.size(); ++n)
        expect(protocol->serve->recognise(instance, bytes(greeting.substr(0, n)), 0) ==
                   (n < 7 ? SIGRUN_NEED_MORE : SIGRUN_OK),
               "the greeting is recognised byte by byte");
    expect(protocol->serve->recognise(instance, bytes("GET / HTTP/1.1"), 0) == SIGRUN_NOT_MINE, "others are not");

    std::uint64_t token = 0;
    auto shout = [](void*, sigrun_str arguments, const line_reply* reply) noexcept -> sigrun_result {
        const auto text = concat("shout ", view(arguments), "!");
        reply->line(reply->ctx, str(text));
        return SIGRUN_OK;
    };
    expect(commands->add(instance, str("RUN"), shout, nullptr, &token) == SIGRUN_E_EXISTS, "own words stay");
    expect(commands->add(instance, str("SHOUT"), shout, nullptr, &token) == SIGRUN_OK, "a word is added");

    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) return 2;
    ::fcntl(ends[0], F_SETFL, 0);
    sigrun_accept accept{};
    accept.struct_size = sizeof accept;
    accept.fd = ends[1];
    accept.session = 7;
    const auto lifetime = host.mint();
    expect(protocol->serve->on_accept(instance, &accept, lifetime) == SIGRUN_OK, "the connection is taken");
    const std::string lines = "line/1\nPING\nSHOUT hey\nRUN false\nWHAT\nQUIT\n";
    expect(::write(ends[0], lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()), "the lines are sent");
    const auto answers = all_of(ends[0]);
    expect(answers == "pong\nshout hey!\njob job-1\nout one\nout two\nexit 3\nerror unknown command; HELP lists them\n",
           "each line is answered in its turn");
    if (failures) std::fprintf(stderr, "%s", answers.c_str());
    ::close(ends[0]);
    expect(host.wait(lifetime).result == SIGRUN_OK, "the connection's end is reported");
    commands->remove(instance, token);
    host.destroy(instance);
    expect(host.live_buffers() == 0 && host.open_ops() == 0 && host.live_threads() == 0, "nothing is left behind");
    return failures ? 1 : 0;
}
