// Time to encode and decode the two frames that every job costs.
#include "frame_reader.hpp"
#include "message.hpp"

#include <sigrun/cpp/text.hpp>

#include <benchmark/benchmark.h>

namespace {

using namespace sigrun::valkyrie;
using sigrun::sdk::str;

struct sample {
    sigrun_attempt attempt{sizeof attempt, 1, str("0190a6b2-7c4e-7d3f-8a1b-2c3d4e5f6071"), str("17-1")};
    sigrun_frame frame{};
    sample(std::uint32_t kind, std::uint32_t flags, std::string_view json) {
        frame.struct_size = sizeof frame;
        frame.kind = kind;
        frame.flags = flags;
        frame.attempt = &attempt;
        frame.json = str(json);
    }
};
sample offer() { return {SIGRUN_OFFER, 0, R"({"kind":"call","method":"echo"})"}; }
sample state() { return {SIGRUN_STATE, SIGRUN_FRAME_LAST, ""}; }

void encode(benchmark::State& loop, sample (*make)()) {
    auto s = make();
    s.frame.attempt = &s.attempt;
    byte_buffer out;
    for (auto _ : loop) {
        (void)encode_session(out, {k_stream_session, k_priority_control}, s.frame, "payload!");
        benchmark::DoNotOptimize(out.data());
        if (out.size() > 32 * 1024) out.clear();
    }
    out.clear();
    (void)encode_session(out, {k_stream_session, k_priority_control}, s.frame, "payload!");
    loop.counters["bytes"] = static_cast<double>(out.size());
}

struct sink final : frame_handler {
    std::uint64_t sum = 0;
    bool on_frame(const frame_header& h, std::string_view body) override {
        session_message m;
        if (decode_session(h, body, m)) return false;
        sum += m.attempt.number + m.payload.size();
        return true;
    }
};

/// A read of many frames, as it comes from a busy socket.
void decode(benchmark::State& loop, sample (*make)()) {
    constexpr int k_frames = 256;
    auto s = make();
    s.frame.attempt = &s.attempt;
    byte_buffer in;
    for (int i = 0; i < k_frames; ++i)
        (void)encode_session(in, {k_stream_session, k_priority_control}, s.frame, "payload!");
    sink handler;
    frame_reader reader;
    for (auto _ : loop) {
        if (reader.feed(in.view(), handler)) loop.SkipWithError("refused");
    }
    benchmark::DoNotOptimize(handler.sum);
    loop.SetItemsProcessed(loop.iterations() * k_frames);
    loop.counters["per_frame"] = benchmark::Counter(static_cast<double>(loop.iterations()) * k_frames,
                                                    benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace

BENCHMARK_CAPTURE(encode, offer, &offer);
BENCHMARK_CAPTURE(encode, state, &state);
BENCHMARK_CAPTURE(decode, offer, &offer);
BENCHMARK_CAPTURE(decode, state, &state);
