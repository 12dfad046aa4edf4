/* sigrun/store.h: interface "sigrun.store/1": durable records under a fenced owner.
 *
 * A record is (kind, key) -> body; appending an existing (kind, key) replaces it, so the store holds the newest body of
 * each. The host batches: one append per group commit, never per job. All slots [work]; each completes its op. */
#ifndef SIGRUN_STORE_H
#define SIGRUN_STORE_H

#include <sigrun/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_KIND_STORE "sigrun.store/1"

enum { SIGRUN_RELAXED = 1, SIGRUN_FSYNC = 2 }; /* durability of one append */
enum { SIGRUN_OWN_TAKE = 1, SIGRUN_OWN_RENEW = 2, SIGRUN_OWN_RELEASE = 3 };
enum {
    SIGRUN_RECORD_INSERT = 1, /* flags: fail the whole append with E_EXISTS if the record is there */
    SIGRUN_RECORD_DELETE = 2  /* flags: remove it; body is empty; a missing record is fine */
};

typedef struct sigrun_fence {
    uint32_t struct_size;
    uint32_t shard;
    uint64_t epoch;
} sigrun_fence;

typedef struct sigrun_record {
    uint32_t struct_size;
    uint32_t kind; /* chosen by the host: 1 job, 2 runner, 3 idempotency key, 4 setting */
    uint32_t flags;
    uint32_t reserved;
    sigrun_str key;
    sigrun_bytes body; /* UTF-8 JSON, so that people can query it */
} sigrun_record;

/* Packed records as `scan` returns them, little-endian, no padding:
 *   u32 count, u64 next_position (0 = end), then per record u32 kind, u32 key_len, u32 body_len, u64 position, key, body. */

typedef struct sigrun_store {
    uint32_t struct_size;
    uint32_t flags;
    /* Takes, renews or gives back a shard; OK with JSON {"epoch":n}. Taking raises the epoch and fences the former owner.
     * Renewing confirms the fence's epoch, or says E_FENCED, and changes nothing. When a newer version of the plugin is to
     * go on in the place of a running instance, it is asked of the new one, with the epoch of the old one; from then on
     * appends with that epoch come to the new one, after the last of the old one was answered. */
    sigrun_result (*own)(sigrun_instance* instance, uint32_t verb, const sigrun_fence* fence, uint64_t ttl_ns,
                         sigrun_op op);
    /* One transaction. OK with JSON {"position":n}; E_FENCED if the epoch is not the newest; E_EXISTS see above;
     * E_IO with text when the disk refuses (nothing of the batch is stored then). */
    sigrun_result (*append)(sigrun_instance* instance, const sigrun_fence* fence, const sigrun_record* records,
                            uint32_t n, uint32_t durability, sigrun_op op);
    /* Records with a position above `position`, oldest first, at most `max`; OK with packed records. */
    sigrun_result (*scan)(sigrun_instance* instance, uint32_t shard, uint64_t position, uint32_t max, sigrun_op op);
    /* Optional: frees space of deleted records, or a part of it; called each minute, and must not hold appends up for long. */
    sigrun_result (*compact)(sigrun_instance* instance, const sigrun_fence* fence, uint64_t position, sigrun_op op);
    /* Optional: reserved for history queries. */
    sigrun_result (*query)(sigrun_instance* instance, sigrun_str json, sigrun_op op);
    /* Optional: writes all there is at one moment to the new file `target`, from which the same plugin can start; appends go on
     * meanwhile. OK with JSON {"bytes":n} once it is on the disk; E_EXISTS if something of that name is there; E_BUSY while
     * another copy is under way. What failed leaves no file behind. */
    sigrun_result (*copy)(sigrun_instance* instance, sigrun_str target, sigrun_op op);
    /* [any] Optional: how much of the copy under way is done, in parts of any size; 0 of 0 = there is none. */
    void (*copy_progress)(sigrun_instance* instance, uint64_t* done, uint64_t* total);
} sigrun_store;

#ifdef __cplusplus
}
#endif
#endif
