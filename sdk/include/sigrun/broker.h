/* sigrun/broker.h: service "sigrun.host.broker/1": an interface that another plugin's instance offers, by string id.
 *
 * A plugin offers an interface by answering its id in get_interface: "com.vendor.thing.commands/1". Another one follows
 * it and gets its table on loan. Both may be replaced at any time, so a table is never kept without a lease:
 *   - `changed` says that the provider came, was replaced, or goes. The follower acquires again, moves over to what it
 *     got, undoes what it did at the old one, and releases the old lease.
 *   - While a lease is held, its provider's instance is neither destroyed nor unloaded: who does not let go keeps the old
 *     generation in memory, and `sigrun plugin show` tells so.
 * What the table's functions promise (threads, blocking) is between the two plugins; the rules of base.h are a good start.
 * A plugin that only extends others has a component of the kind "sigrun.extension/1". */
#ifndef SIGRUN_BROKER_H
#define SIGRUN_BROKER_H

#include <sigrun/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_KIND_EXTENSION "sigrun.extension/1"
/* The table of that kind: its instances work through what they follow, the host calls nothing but their life cycle. */
typedef struct sigrun_extension {
    uint32_t struct_size;
    uint32_t flags; /* reserved, 0 */
} sigrun_extension;

/* What acquire hands out; valid until the lease is released. */
typedef struct sigrun_grant {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t lease;
    uint64_t generation;       /* of the provider: another number is another load of its code */
    sigrun_instance* instance; /* the provider: first argument of the table's functions, by convention */
    const void* table;
} sigrun_grant;

#define SIGRUN_SVC_BROKER "sigrun.host.broker/1"
typedef struct sigrun_svc_broker {
    uint32_t struct_size;
    uint32_t reserved;
    /* [any] Follows `interface` of `provider`: the name of an instance, else the id of a component, else of a plugin.
     * changed(ctx) is [ctl]: the first time when there is a provider, then whenever acquire would give another one or
     * none any more. The provider need not be loaded. E_BUSY: too many. */
    sigrun_result (*follow)(const sigrun_host* host, sigrun_str provider, sigrun_str interface_id, sigrun_fn changed,
                            void* ctx, uint64_t* id, sigrun_error* error);
    /* [any] The provider of this moment. The caller sets grant->struct_size. E_NOT_FOUND: none is started now, or it has no
     * such interface. E_INVALID: it is the follower's own plugin. */
    sigrun_result (*acquire)(const sigrun_host* host, uint64_t id, sigrun_grant* grant);
    /* [any] None of the follower's calls into the provider is running or will be, nor the other way round. */
    void (*release)(const sigrun_host* host, uint64_t lease);
    /* [ctl] When it returns, `changed` is not running and will not run, unless it is called from there. Leases stay. */
    void (*unfollow)(const sigrun_host* host, uint64_t id);
} sigrun_svc_broker;

#ifdef __cplusplus
}
#endif
#endif
