// Protocols: recognising first bytes, connections with difficult peers, dialling where nobody listens.
#include "conversation.hpp"
#include "frame_sink.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <random>

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::string_view k_protocol = "sigrun.protocol/1";

// The instance under test with its serving face; null members: there is none, and the rules were skipped.
struct serving {
    sigrun_instance* instance = nullptr;
    const sigrun_protocol* table = nullptr;
    const sigrun_serve* serve = nullptr;
};

serving begin_serving(rig& r, std::initializer_list<std::string_view> rules) {
    serving out;
    const auto* component = r ? r.component_of(k_protocol) : nullptr;
    if (!component) return out;
    out.instance = r.running(*component);
    out.table = out.instance ? r.table<sigrun_protocol>(out.instance, *component) : nullptr;
    if (!out.table) return out;
    if (out.table->serve && SIGRUN_HAS(out.table->serve, recognise) && SIGRUN_HAS(out.table->serve, on_accept)) {
        out.serve = out.table->serve;
    } else {
        for (auto id : rules) r.report().skip(id, "it has no serving face");
    }
    return out;
}

bool decided(sigrun_result r) { return r == SIGRUN_OK || r == SIGRUN_NOT_MINE; }

// Every prefix: once decided it stays so, twice the same answer, nothing asked of the host.
void recognising(session& s) {
    s.report.begin("kind/recognise-pure");
    rig r(s);
    auto p = begin_serving(
        r, {"kind/recognise-pure", "kind/recognise-split", "kind/recognise-endless", "kind/recognise-greedy"});
    if (!p.serve) return;
    const auto corpus = corpus_of(s.args);
    auto ask = [&](std::string_view bytes) { return recognise(r, p.instance, *p.serve, bytes); };
    for (const auto& [name, bytes] : corpus) {
        s.report.set_context(concat(" with ", name));
        sigrun_result before = SIGRUN_NEED_MORE;
        r.host().count_calls_of("serve.recognise");
        for (std::size_t n = 0; n <= std::min<std::size_t>(bytes.size(), 512); ++n) {
            const auto first = ask(std::string_view(bytes).substr(0, n));
            const auto again = ask(std::string_view(bytes).substr(0, n));
            if (first != again)
                return s.report.fail("kind/recognise-pure", concat("one answer for ", n, " bytes of ", name),
                                     concat(result_name(first), ", then ", result_name(again)));
            if (first != SIGRUN_OK && first != SIGRUN_NOT_MINE && first != SIGRUN_NEED_MORE)
                return s.report.fail("kind/recognise-split", "OK, NOT_MINE or NEED_MORE", result_name(first));
            if (decided(before) && first != before)
                return s.report.fail(
                    "kind/recognise-split", concat("more bytes of ", name, " do not change what was decided"),
                    concat(result_name(before), " for ", n - 1, " bytes, ", result_name(first), " for ", n));
            before = first;
        }
        if (r.host().calls())
            return s.report.fail("kind/recognise-pure", "recognise asks nothing of the host",
                                 concat(r.host().calls(), " calls"));
    }
    s.report.set_context({});
    s.report.pass_unless_told("kind/recognise-pure");
    s.report.pass_unless_told("kind/recognise-split");

    s.report.begin("kind/recognise-endless");
    std::mt19937_64 random(s.args.seed);
    constexpr int k_tries = 200;
    int taken = 0, undecided = 0;
    for (int i = 0; i < k_tries; ++i) {
        std::string noise;
        for (int n = 0; n < 16'384; ++n) noise += static_cast<char>(random());
        const auto answer = ask(noise);
        taken += answer == SIGRUN_OK;
        undecided += !decided(answer);
    }
    if (undecided)
        s.report.fail("kind/recognise-endless", "a decision after 16 KiB, where the host gives up",
                      concat("NEED_MORE for ", undecided, " of ", k_tries, " noises"));
    else
        s.report.pass("kind/recognise-endless");
    if (taken * 4 > k_tries)
        s.report.fail("kind/recognise-greedy", "noise is not its protocol",
                      concat("OK for ", taken, " of ", k_tries, " random inputs"));
    else
        s.report.pass("kind/recognise-greedy", concat("OK for ", taken, " of ", k_tries, " random inputs"));
}

void connections(session& s) {
    s.report.begin("kind/connection-ends");
    rig r(s);
    auto p = begin_serving(
        r, {"kind/connection-ends", "kind/half-close", "kind/slow-sender", "kind/pipelining", "kind/garbage"});
    if (!p.serve) return;
    auto ends = [&](std::string_view rule_id, std::string_view bytes, manner how, std::string_view what) {
        s.report.begin(rule_id);
        s.report.set_context(concat(" with ", what));
        if (s.report.failed("kind/connection-ends")) return conversation_end{};  // every way to end would fail
        const auto end = converse(r, p.instance, *p.serve, bytes, how);
        if (end.accepted && !end.lifetime_ended && !s.report.failed(rule_id))
            s.report.fail(rule_id, concat("the connection of ", what, " ends when its peer has closed it"),
                          concat("its lifetime is still open after ", r.host().patience(), " ms"));
        return end;
    };
    ends("kind/connection-ends", {}, manner::silent, "a silent peer");
    std::string taken;
    for (const auto& [name, bytes] : corpus_of(s.args)) {
        if (recognise(r, p.instance, *p.serve, bytes) != SIGRUN_OK) continue;
        taken += concat(taken.empty() ? "" : ", ", name);
        for (bool later : {false, true}) {
            r.host().answer_calls_later(later);
            const auto whole = ends("kind/connection-ends", bytes, manner::whole, name);
            const auto half = ends("kind/half-close", bytes, manner::half_close, concat(name, ", half closed"));
            if (!whole.reply.empty() && half.reply.empty())
                s.report.fail("kind/half-close",
                              concat("an answer to ", name, " also for a peer that has closed its sending side"),
                              "none");
            const auto slow = ends("kind/slow-sender", bytes, manner::byte_by_byte, concat(name, ", byte by byte"));
            if (!whole.reply.empty() && slow.reply.empty())
                s.report.fail("kind/slow-sender", concat("the same answer to ", name, " byte by byte"), "none");
            const auto twice = ends("kind/pipelining", bytes, manner::twice, concat(name, ", twice at once"));
            if (!whole.reply.empty() && twice.reply.empty())
                s.report.fail("kind/pipelining", concat("an answer to two ", name, " at once"), "none");
            ends("kind/garbage", bytes, manner::then_garbage, concat(name, " and garbage behind it"));
        }
    }
    s.report.begin("kind/garbage");
    ends("kind/garbage", std::string(64, '\xff'), manner::then_garbage, "garbage");
    for (auto id : {"kind/connection-ends", "kind/garbage"})
        if (!s.report.failed(id))
            s.report.pass(id, taken.empty() ? std::string("no known first bytes are its; see --corpus") : taken);
    for (auto id : {"kind/half-close", "kind/slow-sender", "kind/pipelining"}) {
        if (taken.empty())
            s.report.skip(id, "no known first bytes are its; see --corpus");
        else
            s.report.pass_unless_told(id);
    }
}

// A listener of our own on loopback that never answers, or says nonsense.
struct quiet_listener {
    int fd = -1;
    std::uint16_t port = 0;
    explicit quiet_listener(bool listening) {
        fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a);
        socklen_t n = sizeof a;
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n);
        port = ntohs(a.sin_port);
        if (listening) ::listen(fd, 16);
    }
    ~quiet_listener() { ::close(fd); }
};

void dialling(session& s) {
    s.report.begin("kind/detect");
    rig r(s);
    const auto* component = r ? r.component_of(k_protocol) : nullptr;
    auto* instance = component ? r.running(*component) : nullptr;
    const auto* table = instance ? r.table<sigrun_protocol>(instance, *component) : nullptr;
    if (!table) return;
    if (!table->dial) {
        for (auto id : {"kind/detect", "kind/open-refused"}) s.report.skip(id, "it has no dialling face");
        return;
    }
    const std::string scheme(sdk::view(table->schemes).substr(0, sdk::view(table->schemes).find(',')));
    const quiet_listener closed(false), silent(true);
    for (const auto* where : {&closed, &silent}) {
        const std::string uri = concat(scheme, "://127.0.0.1:", where->port);
        const sigrun_endpoint endpoint{sizeof endpoint, 0, sdk::str(uri), {nullptr, 0}, {nullptr, 0}, 0};
        const std::string what = where == &closed ? "a closed port" : "a peer that never answers";
        s.report.set_context(concat(" for ", what));
        if (SIGRUN_HAS(table->dial, detect)) {
            const auto op = r.host().mint("dial.detect");
            sigrun_result result = SIGRUN_OK;
            r.host().here(tag::any, "dial.detect",
                          [&] { result = table->dial->detect(instance, &endpoint, in_ms(700), op); });
            if (result < 0) {
                r.host().forget(op);
            } else {
                const auto how = r.host().wait(op, 700 + r.host().patience() / 2);
                if (!how.done)
                    s.report.fail("kind/detect", concat("detect of ", what, " completes by its deadline of 700 ms"),
                                  "nothing in time");
                else if (how.result == SIGRUN_OK && how.text.find("\"supported\":true") != how.text.npos)
                    s.report.fail("kind/detect", concat("supported is false for ", what), how.text.substr(0, 200));
            }
        }
        if (where == &closed && SIGRUN_HAS(table->dial, open)) {
            s.report.begin("kind/open-refused");
            frame_sink frames;
            sigrun_link* link = nullptr;
            const auto op = r.host().mint("dial.open");
            sigrun_result result = SIGRUN_OK;
            r.host().here(tag::any, "dial.open",
                          [&] { result = table->dial->open(instance, &endpoint, frames.abi(), op, &link); });
            if (result < 0) {
                r.host().forget(op);
            } else {
                const auto how = r.host().wait(op, 2 * r.host().patience());
                if (!how.done)
                    s.report.fail("kind/open-refused", "open of a closed port completes", "nothing in time");
                else if (how.result >= 0)
                    s.report.fail("kind/open-refused", "open of a closed port fails", "it completed with OK");
                else if (how.text.empty())
                    s.report.warn("kind/open-refused", "a text that says why", result_name(how.result));
            }
            s.report.begin("kind/detect");
        }
    }
    s.report.pass_unless_told("kind/detect");
    s.report.pass_unless_told("kind/open-refused");
}

void retiring(session& s) {
    constexpr int k_deadline_ms = 500;
    s.report.begin("kind/retire");
    rig r(s);
    auto p = begin_serving(r, {"kind/retire"});
    if (!p.serve) return;
    if (!SIGRUN_HAS(p.serve, retire))
        return s.report.skip("kind/retire", "it has no retire: the host waits for the peers");
    sigrun_op lifetime = 0;
    const int peer = stay_connected(r, p.instance, *p.serve, &lifetime);
    const auto op = r.host().mint("serve.retire");
    sigrun_result result = SIGRUN_OK;
    r.host().ctl("serve.retire", [&] { result = p.serve->retire(p.instance, in_ms(k_deadline_ms), op); });
    if (result < 0) {
        r.host().forget(op);
        if (peer >= 0) ::close(peer);
        return s.report.skip("kind/retire", concat("it answered ", result_name(result)));
    }
    const bool done = r.host().wait(op, k_deadline_ms + r.host().patience() / 3).done;
    const bool ended = peer < 0 || r.host().completed(lifetime);
    if (peer >= 0) ::close(peer);
    if (!done)
        s.report.fail("kind/retire", concat("retire completes by its deadline of ", k_deadline_ms, " ms"),
                      "it did not");
    else if (!ended)
        s.report.fail("kind/retire", "no connection is left when retire completes", "one is");
    else
        s.report.pass("kind/retire");
}

void fuzz(session& s) {
    s.report.begin("kind/fuzz");
    if (!s.args.fuzz.count()) return s.report.skip("kind/fuzz", "not asked for (--fuzz 60s)");
    rig r(s);
    auto p = begin_serving(r, {"kind/fuzz"});
    if (!p.serve) return;
    std::vector<std::string> seeds;
    for (const auto& [name, bytes] : corpus_of(s.args))
        if (recognise(r, p.instance, *p.serve, bytes) == SIGRUN_OK) seeds.push_back(bytes);
    if (seeds.empty()) seeds.emplace_back("\n");
    std::mt19937_64 random(s.args.seed);
    const auto until = now_ns() + static_cast<std::uint64_t>(s.args.fuzz.count()) * 1'000'000;
    std::uint64_t runs = 0;
    for (; now_ns() < until; ++runs) {
        std::string bytes = seeds[random() % seeds.size()];
        for (std::uint64_t n = random() % 8; n-- && !bytes.empty();) {
            const auto at = random() % bytes.size();
            switch (random() % 4) {
                case 0: bytes[at] = static_cast<char>(random()); break;
                case 1: bytes.erase(at, random() % 8); break;
                case 2: bytes.insert(at, 1 + random() % 64, static_cast<char>(random())); break;
                default: bytes.insert(at, seeds[random() % seeds.size()]); break;
            }
        }
        s.report.set_context(concat(" in run ", runs, " of seed ", s.args.seed));
        recognise(r, p.instance, *p.serve, bytes);
        const auto end = converse(r, p.instance, *p.serve, bytes, manner::half_close);
        if (end.accepted && !end.lifetime_ended)
            return s.report.fail("kind/fuzz", "a connection ends when its peer has closed it",
                                 concat("run ", runs, " of seed ", s.args.seed));
    }
    s.report.pass("kind/fuzz", concat(runs, " connections"));
}

}  // namespace

std::vector<test> protocol_tests() {
    return {{"recognise",
             {"kind/recognise-pure", "kind/recognise-split", "kind/recognise-endless", "kind/recognise-greedy"},
             &recognising,
             k_protocol},
            {"connections",
             {"kind/connection-ends", "kind/half-close", "kind/slow-sender", "kind/pipelining", "kind/garbage"},
             &connections,
             k_protocol,
             2},
            {"dial", {"kind/detect", "kind/open-refused"}, &dialling, k_protocol},
            {"retire", {"kind/retire"}, &retiring, k_protocol},
            {"fuzz", {"kind/fuzz"}, &fuzz, k_protocol, 1, true}};
}

}  // namespace sigrun::check
