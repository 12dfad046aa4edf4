// Frozen layout of <sigrun/base.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/base.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_str) == 16);
SLOT(sigrun_str, ptr, 0, const char*);
SLOT(sigrun_str, len, 8, uint64_t);

static_assert(sizeof(sigrun_bytes) == 16);
SLOT(sigrun_bytes, ptr, 0, const void*);
SLOT(sigrun_bytes, len, 8, uint64_t);

static_assert(sizeof(sigrun_error) == 32);
SLOT(sigrun_error, struct_size, 0, uint32_t);
SLOT(sigrun_error, code, 4, int32_t);
SLOT(sigrun_error, retry_after_ms, 8, uint32_t);
SLOT(sigrun_error, msg_cap, 12, uint32_t);
SLOT(sigrun_error, msg_len, 16, uint32_t);
SLOT(sigrun_error, reserved, 20, uint32_t);
SLOT(sigrun_error, msg, 24, char*);

static_assert(sizeof(sigrun_attempt) == 40);
SLOT(sigrun_attempt, struct_size, 0, uint32_t);
SLOT(sigrun_attempt, number, 4, uint32_t);
SLOT(sigrun_attempt, job, 8, sigrun_str);
SLOT(sigrun_attempt, token, 24, sigrun_str);

static_assert(sizeof(sigrun_frame) == 88);
SLOT(sigrun_frame, struct_size, 0, uint32_t);
SLOT(sigrun_frame, kind, 4, uint32_t);
SLOT(sigrun_frame, flags, 8, uint32_t);
SLOT(sigrun_frame, stream, 12, uint32_t);
SLOT(sigrun_frame, seq, 16, uint64_t);
SLOT(sigrun_frame, ack, 24, uint64_t);
SLOT(sigrun_frame, offset, 32, uint64_t);
SLOT(sigrun_frame, time_ns, 40, uint64_t);
SLOT(sigrun_frame, hash, 48, uint64_t);
SLOT(sigrun_frame, attempt, 56, const sigrun_attempt*);
SLOT(sigrun_frame, json, 64, sigrun_str);
SLOT(sigrun_frame, payload, 80, sigrun_buf*);

static_assert(sizeof(sigrun_sink) == 24);
SLOT(sigrun_sink, struct_size, 0, uint32_t);
SLOT(sigrun_sink, reserved, 4, uint32_t);
SLOT(sigrun_sink, ctx, 8, void*);
SLOT(sigrun_sink, on_frame, 16, sigrun_result (*)(void* ctx, const sigrun_frame* frame));

static_assert(sizeof(sigrun_call) == 88);
SLOT(sigrun_call, struct_size, 0, uint32_t);
SLOT(sigrun_call, flags, 4, uint32_t);
SLOT(sigrun_call, method, 8, sigrun_str);
SLOT(sigrun_call, params, 24, sigrun_str);
SLOT(sigrun_call, json, 40, sigrun_str);
SLOT(sigrun_call, auth, 56, sigrun_str);
SLOT(sigrun_call, payload, 72, sigrun_buf*);
SLOT(sigrun_call, deadline_ns, 80, uint64_t);

static_assert(SIGRUN_OK == 0);
static_assert(SIGRUN_PENDING == 1);
static_assert(SIGRUN_NEED_MORE == 2);
static_assert(SIGRUN_NOT_MINE == 3);
static_assert(SIGRUN_E_INVALID == -1);
static_assert(SIGRUN_E_UNSUPPORTED == -2);
static_assert(SIGRUN_E_BUSY == -3);
static_assert(SIGRUN_E_TIMEOUT == -4);
static_assert(SIGRUN_E_CANCELLED == -5);
static_assert(SIGRUN_E_NOMEM == -6);
static_assert(SIGRUN_E_CONFIG == -7);
static_assert(SIGRUN_E_IO == -8);
static_assert(SIGRUN_E_NOT_FOUND == -9);
static_assert(SIGRUN_E_DENIED == -10);
static_assert(SIGRUN_E_FENCED == -11);
static_assert(SIGRUN_E_EXISTS == -12);
static_assert(SIGRUN_E_INTERNAL == -99);
static_assert(SIGRUN_HELLO == 1);
static_assert(SIGRUN_OFFER == 2);
static_assert(SIGRUN_ACK == 3);
static_assert(SIGRUN_LOG == 4);
static_assert(SIGRUN_STATE == 5);
static_assert(SIGRUN_BEAT == 6);
static_assert(SIGRUN_CANCEL == 7);
static_assert(SIGRUN_DRAIN == 8);
static_assert(SIGRUN_BYE == 9);
static_assert(SIGRUN_ARTIFACT == 10);
static_assert(SIGRUN_REPLY == 32);
static_assert(SIGRUN_FRAME_LAST == 1);
static_assert(SIGRUN_FRAME_ERROR == 2);
static_assert(SIGRUN_FRAME_LINK == 4);
static_assert(SIGRUN_STREAM_SYSTEM == 0);
static_assert(SIGRUN_STREAM_STDOUT == 1);
static_assert(SIGRUN_STREAM_STDERR == 2);
static_assert(SIGRUN_STREAM_ARTIFACT == 3);
static_assert(SIGRUN_ABI_MAJOR == 1);
static_assert(SIGRUN_ABI_MINOR == 1);
static_assert(SIGRUN_LOG_MAX == 65536);
