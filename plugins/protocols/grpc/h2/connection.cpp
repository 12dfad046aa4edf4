// What nghttp2 reports and what it is given.
#include "h2/connection.hpp"

#include <algorithm>
#include <cstring>

namespace sigrun::grpc {

namespace {
constexpr std::int32_t k_connection_window = 4 << 20;
constexpr std::uint32_t k_stream_window = 512 << 10;
constexpr std::int32_t k_every_stream = 0x7fffffff;  // of the first GOAWAY of a graceful end
// A peer that opens streams and resets them at once makes work for nothing (CVE-2023-44487).
constexpr double k_reset_burst =
    800;  // nghttp2 has a limit of its own from 1.57 on, and where distributions took it over
constexpr double k_resets_per_s = 30;

std::vector<nghttp2_nv> view_of(const std::vector<field>& list) {
    std::vector<nghttp2_nv> out;
    out.reserve(list.size());
    for (const auto& f : list)
        out.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(f.name.data())),
                       reinterpret_cast<std::uint8_t*>(const_cast<char*>(f.value.data())), f.name.size(),
                       f.value.size(), NGHTTP2_NV_FLAG_NONE});
    return out;
}

std::vector<field> trailers_of(const status& how) {
    std::vector<field> list{{"grpc-status", std::to_string(static_cast<int>(how.what))}};
    if (!how.message.empty()) list.push_back({"grpc-message", percent_encode(how.message)});
    if (!how.problem.empty() && how.problem.size() <= 4096)  // peers take 8 KiB of metadata
        list.push_back({"sigrun-problem-bin", to_base64(how.problem)});
    return list;
}

void append(std::vector<field>& to, std::vector<field> more) {
    for (auto& f : more) to.push_back(std::move(f));
}

constexpr std::string_view k_no_grpc =
    R"x({"code":"unsupported","title":"HTTP/2 is for gRPC here; everything else is served over HTTP/1.1 on the same port",)x"
    R"x("field":"content-type","expected":"a POST of application/grpc, or HTTP/1.1 (curl --http1.1)"})x";

/// In one piece; a peer whose window is too small for it gets the status alone.
ssize_t give_no_grpc(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                     nghttp2_data_source*, void*) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (room < k_no_grpc.size()) return 0;
    std::copy(k_no_grpc.begin(), k_no_grpc.end(), to);
    return static_cast<ssize_t>(k_no_grpc.size());
}

std::vector<field> answer_head() { return {{":status", "200"}, {"content-type", "application/grpc"}}; }
}  // namespace

/// The functions nghttp2 calls. Nothing may be thrown through C.
struct connection::callbacks {
    static connection& of(void* user) noexcept { return *static_cast<connection*>(user); }
    template <class Body>
    static int guard(Body&& body) noexcept {
        return sdk::guarded(nullptr, body) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    }
    static std::string_view text(const std::uint8_t* p, std::size_t n) noexcept {
        return {reinterpret_cast<const char*>(p), n};
    }

    /// Asks the stream for what goes next.
    static nghttp2_data_provider provider() noexcept {
        nghttp2_data_provider made{};
        made.read_callback = [](nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t room,
                                std::uint32_t* flags, nghttp2_data_source*, void* user) noexcept -> ssize_t {
            ssize_t n = NGHTTP2_ERR_CALLBACK_FAILURE;
            sdk::guarded(nullptr, [&] { n = of(user).give_data(id, reinterpret_cast<char*>(to), room, *flags); });
            return n;
        };
        return made;
    }

    static nghttp2_session_callbacks* make() {
        nghttp2_session_callbacks* c = nullptr;
        if (nghttp2_session_callbacks_new(&c) != 0) throw std::bad_alloc();
        nghttp2_session_callbacks_set_on_begin_headers_callback(
            c, [](nghttp2_session*, const nghttp2_frame*, void* user) noexcept {
                of(user).block_.clear();
                of(user).block_too_large_ = false;
                return 0;
            });
        nghttp2_session_callbacks_set_on_header_callback(
            c, [](nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                  const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) noexcept {
                return guard([&] { of(user).on_header(text(name, name_size), text(value, value_size)); });
            });
        nghttp2_session_callbacks_set_on_frame_recv_callback(
            c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
                return guard([&] { of(user).on_frame(*frame); });
            });
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
            c, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                  void* user) noexcept { return guard([&] { of(user).on_data(id, text(data, size)); }); });
        nghttp2_session_callbacks_set_on_stream_close_callback(
            c, [](nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) noexcept {
                return guard([&] { of(user).on_stream_close(id, error); });
            });
        nghttp2_session_callbacks_set_on_frame_send_callback(
            c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
                return guard([&] { of(user).on_sent(*frame); });
            });
        return c;
    }
};

connection::connection(core_ptr shared, loop& on, int fd, role side)
    : shared_(std::move(shared)), loop_(on), side_(side), fd_(fd) {
    nghttp2_session_callbacks* calls = callbacks::make();
    nghttp2_option* options = nullptr;
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, 1);
    const int bad = side_ == role::accepted ? nghttp2_session_server_new2(&h2_, calls, this, options)
                                            : nghttp2_session_client_new2(&h2_, calls, this, options);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(calls);
    if (bad != 0) throw std::bad_alloc();
    const auto& o = shared_->options.now();
    const nghttp2_settings_entry ours[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, k_stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(o.max_header)},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, side_ == role::accepted ? o.max_streams : 0},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(h2_, NGHTTP2_FLAG_NONE, ours, side_ == role::accepted ? 3 : 4);
    nghttp2_session_set_local_window_size(h2_, NGHTTP2_FLAG_NONE, 0, k_connection_window);
    ++shared_->connections;
}

// ---- What arrives

void connection::on_header(std::string_view name, std::string_view value) {
    if (block_.size() + name.size() + value.size() + 32 > shared_->options.now().max_header)
        block_too_large_ = true;
    else
        block_.add(name, value);
}

/// A frame HEADERS is complete: a request, an answer, or trailers.
void connection::on_block(const nghttp2_frame& frame) {
    const auto id = frame.hd.stream_id;
    const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool too_large = std::exchange(block_too_large_, false);
    const status oversized{
        code::resource_exhausted,
        sdk::concat("metadata: expected at most ", shared_->options.now().max_header, " bytes (max_header)"),
        {}};
    last_activity_ = loop_.now();
    auto* found = find(id);
    if (!found) {
        if (side_ == role::dialled || frame.headers.cat != NGHTTP2_HCAT_REQUEST) return;
        if (too_large) return refuse(id, oversized);
        const auto made = make_stream(id, block_);
        if (!made) return;
        made->id_ = id;
        streams_[id] = made;
        found = made.get();
    }
    const auto keep = found->shared_from_this();
    keep->heard_ = loop_.now();
    if (too_large) {
        keep->malformed_ = true;
        return keep->on_malformed(oversized);
    }
    keep->on_headers(block_, end);
    if (end && !std::exchange(keep->remote_ended_, true) && !keep->malformed_) keep->on_remote_end();
}

void connection::on_frame(const nghttp2_frame& frame) {
    switch (frame.hd.type) {
        case NGHTTP2_HEADERS: return on_block(frame);
        case NGHTTP2_DATA: {
            auto* found = find(frame.hd.stream_id);
            if (!(frame.hd.flags & NGHTTP2_FLAG_END_STREAM) || !found) return;
            const auto keep = found->shared_from_this();
            if (std::exchange(keep->remote_ended_, true) || keep->malformed_) return;
            if (!keep->in_.unfinished()) return keep->on_remote_end();
            keep->malformed_ = true;
            return keep->on_malformed({code::internal, "the stream ended in the middle of a message", {}});
        }
        case NGHTTP2_SETTINGS:
            if ((frame.hd.flags & NGHTTP2_FLAG_ACK) || phase_ != phase::handshake) return;
            phase_ = phase::open;
            on_open();
            return arm_deadlines();
        case NGHTTP2_RST_STREAM:
            if (side_ == role::accepted && many_resets(loop_.now()))
                nghttp2_session_terminate_session(h2_, NGHTTP2_ENHANCE_YOUR_CALM);
            return;
        case NGHTTP2_GOAWAY:
            if (!std::exchange(told_to_go_, true)) on_told_to_go();
            return;
        case NGHTTP2_PING: return on_pong(frame);
        default: return;
    }
}

void connection::on_pong(const nghttp2_frame& frame) {
    if (!(frame.hd.flags & NGHTTP2_FLAG_ACK)) return;
    std::uint64_t id = 0;
    std::memcpy(&id, frame.ping.opaque_data, sizeof id);
    ping_wait found{};
    {
        std::lock_guard lock(mutex_);
        for (auto& wait : pings_) {
            if (!wait.id || wait.id != id) continue;
            found = std::move(wait);
            wait = std::move(pings_.back());
            pings_.pop_back();
            break;
        }
    }
    if (found.done) found.done(SIGRUN_OK, std::max<std::uint64_t>(now_ns() - found.sent, 1));
}

bool connection::many_resets(std::uint64_t now) noexcept {
    resets_ = std::max(0.0, resets_ - static_cast<double>(now - resets_at_) / 1e9 * k_resets_per_s) + 1;
    resets_at_ = now;
    return resets_ > k_reset_burst;
}

void connection::on_data(std::int32_t id, std::string_view bytes) {
    nghttp2_session_consume_connection(h2_, bytes.size());
    auto* found = find(id);
    if (!found) {  // the body of a request that was refused: curl 7.88 drops the answer when it is stopped in the middle of it
        nghttp2_session_consume_stream(h2_, id, bytes.size());
        return;
    }
    const auto keep = found->shared_from_this();
    last_activity_ = loop_.now();
    keep->feed(bytes);
}

void connection::open_window(stream& s, std::size_t bytes) {
    if (!s.gone_ && h2_) nghttp2_session_consume_stream(h2_, s.id_, bytes);
    wake();
}

bool connection::keeps(std::size_t before, std::size_t after) noexcept {
    kept_ = kept_ - before + after;
    return kept_ <= 4 * shared_->options.now().max_message;
}

void connection::on_stream_close(std::int32_t id, std::uint32_t h2_error) {
    auto found = streams_.find(id);
    if (found == streams_.end()) return;
    const auto gone = std::move(found->second);
    streams_.erase(found);
    kept_ -= gone->kept_;
    {
        std::lock_guard lock(mutex_);
        gone->gone_ = true;
        gone->out_.clear();
    }
    last_activity_ = loop_.now();
    if (streams_.empty()) arm_deadlines();  // from now on it is idle
    if (h2_error == NGHTTP2_NO_ERROR) return gone->on_closed(SIGRUN_OK, "");
    const auto result = h2_error == NGHTTP2_CANCEL ? SIGRUN_E_CANCELLED : SIGRUN_E_IO;
    gone->on_closed(result, sdk::concat("the stream was reset: ", nghttp2_http2_strerror(h2_error)));
}

// ---- What is sent

void connection::touch(stream& s) {
    if (s.touched_ || s.gone_ || s.id_ < 0) return;
    s.touched_ = true;
    touched_.push_back(s.shared_from_this());
}

ssize_t connection::give_data(std::int32_t id, char* to, std::size_t room, std::uint32_t& flags) {
    auto* s = find(id);
    if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    std::vector<field> trailers;
    std::size_t n = 0;
    bool roomy = false;
    {
        std::lock_guard lock(mutex_);
        n = s->out_.take(to, room);
        if (s->wants_room_ && s->out_.bytes() <= shared_->options.now().max_output / 2) {
            s->wants_room_ = false;
            roomy = true;
        }
        if (s->out_.empty() && s->finished_) {
            flags |= NGHTTP2_DATA_FLAG_EOF;
            if (side_ == role::accepted) {
                flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                s->trailers_given_ = true;
                trailers = trailers_of(s->end_);
            }
        }
    }
    if (roomy) loop_.post([keep = s->shared_from_this()] { keep->on_room(); });
    if (flags & NGHTTP2_DATA_FLAG_EOF) {
        if (!trailers.empty()) {
            const auto list = view_of(trailers);
            nghttp2_submit_trailer(h2_, id, list.data(), list.size());
        }
        return static_cast<ssize_t>(n);
    }
    if (n == 0) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(n);
}

/// Gives nghttp2 what a stream has to say. [loop]
void connection::advance(stream& s) {
    std::vector<field> head;
    bool only_head = false;
    {
        std::lock_guard lock(mutex_);
        s.touched_ = false;
        if (s.gone_) return;
        if (side_ == role::accepted && !s.head_sent_) {
            only_head = s.finished_ && s.out_.empty() && !s.head_wanted_;
            if (!only_head && !s.head_wanted_ && s.out_.empty()) return;
            head = answer_head();
            if (only_head) append(head, trailers_of(s.end_));
        }
    }
    if (head.empty()) {
        nghttp2_session_resume_data(h2_, s.id_);  // fails if it is not deferred, which is as good
        return;
    }
    s.head_sent_ = true;
    auto provider = callbacks::provider();
    const auto list = view_of(head);
    nghttp2_submit_response(h2_, s.id_, list.data(), list.size(), only_head ? nullptr : &provider);
}

bool connection::submit(const std::shared_ptr<stream>& s, const std::vector<field>& request) {
    if (phase_ != phase::open || told_to_go_) return false;
    auto provider = callbacks::provider();
    const auto list = view_of(request);
    const auto id = nghttp2_submit_request(h2_, nullptr, list.data(), list.size(), &provider, nullptr);
    if (id < 0) return false;
    s->id_ = id;
    s->head_sent_ = true;
    streams_[id] = s;
    wake();
    return true;
}

void connection::refuse(std::int32_t id, const status& how) {
    shared_->count.failed_call();
    auto head = answer_head();
    append(head, trailers_of(how));
    const auto list = view_of(head);
    nghttp2_submit_response(h2_, id, list.data(), list.size(), nullptr);
}

void connection::refuse_http(std::int32_t id, int http_status) {
    const std::vector<field> head{{":status", std::to_string(http_status)},
                                  {"content-type", "application/problem+json"}};
    const auto list = view_of(head);
    const nghttp2_data_provider body{{}, give_no_grpc};
    nghttp2_submit_response(h2_, id, list.data(), list.size(), &body);
}

void connection::reset(stream& s, std::uint32_t h2_error) {
    if (s.gone_ || s.id_ < 0 || !h2_) return;
    nghttp2_submit_rst_stream(h2_, NGHTTP2_FLAG_NONE, s.id_, h2_error);
    wake();
}

void connection::on_sent(const nghttp2_frame& frame) {
    if (frame.hd.type == NGHTTP2_GOAWAY && frame.goaway.last_stream_id != k_every_stream) final_goaway_ = true;
    // The answer is complete, whether or not the peer has finished its request.
    if (frame.hd.type == NGHTTP2_HEADERS && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) && side_ == role::accepted &&
        nghttp2_session_get_stream_remote_close(h2_, frame.hd.stream_id) == 0)
        nghttp2_submit_rst_stream(h2_, NGHTTP2_FLAG_NONE, frame.hd.stream_id, NGHTTP2_NO_ERROR);
}

sigrun_result connection::ping(ping_fn done) {
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        if (pings_.size() >= 64) return SIGRUN_E_BUSY;
        pings_.push_back({0, 0, std::move(done)});
    }
    wake();
    return SIGRUN_PENDING;
}

}  // namespace sigrun::grpc
