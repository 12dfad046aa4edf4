// Frozen layout of <sigrun/executor.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/executor.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_task) == 96);
SLOT(sigrun_task, struct_size, 0, uint32_t);
SLOT(sigrun_task, flags, 4, uint32_t);
SLOT(sigrun_task, attempt, 8, const sigrun_attempt*);
SLOT(sigrun_task, kind, 16, sigrun_str);
SLOT(sigrun_task, json, 32, sigrun_str);
SLOT(sigrun_task, workspace, 48, sigrun_str);
SLOT(sigrun_task, payload, 64, sigrun_buf*);
SLOT(sigrun_task, deadline_ns, 72, uint64_t);
SLOT(sigrun_task, state_dir, 80, sigrun_str);

static_assert(sizeof(sigrun_executor) == 72);
SLOT(sigrun_executor, struct_size, 0, uint32_t);
SLOT(sigrun_executor, flags, 4, uint32_t);
SLOT(sigrun_executor, kinds, 8, sigrun_str);
SLOT(sigrun_executor, describe, 24, sigrun_result (*)(sigrun_instance* instance, sigrun_op op));
SLOT(sigrun_executor, run, 32,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_task* task, const sigrun_sink* sink, sigrun_op op));
SLOT(sigrun_executor, attach, 40,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_task* task, uint64_t log_offset, const sigrun_sink* sink,
                       sigrun_op op));
SLOT(sigrun_executor, cancel, 48, sigrun_result (*)(sigrun_instance* instance, sigrun_op op, uint64_t grace_ns));
SLOT(sigrun_executor, resume, 56, void (*)(sigrun_instance* instance, sigrun_op op));
SLOT(sigrun_executor, stored, 64, void (*)(sigrun_instance* instance, sigrun_op op, uint64_t log_offset));

static_assert(SIGRUN_EXECUTOR_INLINE == 1);
static_assert(std::string_view(SIGRUN_KIND_EXECUTOR) == "sigrun.executor/1");
