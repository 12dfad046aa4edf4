/* sigrun/plugin.h: what a plugin is: entry point, ELF note, components, options, instances.
 *
 * A plugin is one shared library that exports exactly one symbol, sigrun_plugin_entry_v1, and carries the ELF note
 * .note.sigrun, so that the host can tell what it is without running it. Both must agree.
 * Static constructors must not start threads, open files or call the host: `load` does the work, `unload` undoes it.
 * Off limits: signal handlers, setlocale, setenv, umask, chdir, atexit, std::set_terminate. */
#ifndef SIGRUN_PLUGIN_H
#define SIGRUN_PLUGIN_H

#include <sigrun/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of a plugin (entry and note). */
enum {
    SIGRUN_PLUGIN_PIN = 1,             /* never unload: code stays mapped until the process ends */
    SIGRUN_PLUGIN_OWN_THREADS = 2,     /* creates threads (each inside thread_enter / thread_leave) */
    SIGRUN_PLUGIN_NO_SIDE_BY_SIDE = 4, /* two generations must not live at once */
    SIGRUN_PLUGIN_HANDOVER = 8,        /* implements state_save / state_load */
    SIGRUN_PLUGIN_OOP_SAFE = 16        /* may run in another process */
};

/* The descriptor of the note ".note.sigrun" (owner "Sigrun", type 1). All fields little-endian, 4-byte aligned. */
#define SIGRUN_NOTE_OWNER "Sigrun"
#define SIGRUN_NOTE_TYPE 1
typedef struct sigrun_note_desc {
    uint16_t abi_major;
    uint16_t abi_minor;
    uint16_t min_host_minor; /* the plugin refuses older hosts of the same major */
    uint16_t reserved;
    uint32_t flags;
    char id[64];          /* NUL-padded: "sigrun.http", "com.vendor.name" */
    char version[32];     /* NUL-padded: "1.2.0" */
    char sdk_version[16]; /* NUL-padded */
} sigrun_note_desc;

/* Types of an option's value. */
enum {
    SIGRUN_OPT_BOOL = 1, /* yes/no, true/false, on/off */
    SIGRUN_OPT_INT,
    SIGRUN_OPT_FLOAT,
    SIGRUN_OPT_SIZE,     /* 4GiB, 64k; read with get_i64 in bytes */
    SIGRUN_OPT_DURATION, /* 250ms, 5s, 1h; read with get_i64 in nanoseconds */
    SIGRUN_OPT_STRING,
    SIGRUN_OPT_CHOICE, /* one of `choices`, comma separated */
    SIGRUN_OPT_LIST,   /* comma separated; read by index */
    SIGRUN_OPT_URI,
    SIGRUN_OPT_PATH,
    SIGRUN_OPT_SECRET /* never shown in dumps */
};
/* Flags of an option. */
enum {
    SIGRUN_OPT_REQUIRED = 1,
    SIGRUN_OPT_REPEATABLE = 2,
    SIGRUN_OPT_HOT = 4, /* config_prepare can apply it without a new instance */
    SIGRUN_OPT_DEPRECATED = 8
};

/* One key a component understands. Static data: the host parses and validates values before the plugin sees them,
 * and generates documentation from it. */
typedef struct sigrun_opt {
    uint32_t struct_size;
    uint32_t type;
    uint32_t flags;
    uint32_t reserved;
    sigrun_str key;     /* lower case, underscores */
    sigrun_str def;     /* default as one would write it in the file; empty = none */
    sigrun_str doc;     /* one sentence */
    sigrun_str choices; /* OPT_CHOICE only */
    sigrun_str unit;    /* shown in documentation */
    double min;         /* numbers, sizes (bytes), durations (ns); min == max == 0: no limits */
    double max;
} sigrun_opt;

/* One thing the plugin can create. */
typedef struct sigrun_component {
    uint32_t struct_size;
    uint32_t n_opts;
    sigrun_str id; /* short name inside the plugin: "http" */
    sigrun_str
        kind; /* "sigrun.protocol/1", "sigrun.balancer/1", "sigrun.probe/1", "sigrun.executor/1", "sigrun.store/1" */
    sigrun_str doc;
    const sigrun_opt* opts; /* stride = opts->struct_size */
} sigrun_component;

/* Validated values of one instance. Valid during the call it is passed to. All [ctl]. */
typedef struct sigrun_config sigrun_config;
struct sigrun_config {
    uint32_t struct_size;
    uint32_t reserved;
    void* ctx;
    uint64_t revision;
    /* index: position in a LIST, else 0. E_NOT_FOUND: no value and no default, or index past the end. */
    sigrun_result (*get_str)(const sigrun_config* config, sigrun_str key, uint32_t index, sigrun_str* out);
    sigrun_result (*get_i64)(const sigrun_config* config, sigrun_str key, uint32_t index, int64_t* out);
    sigrun_result (*get_f64)(const sigrun_config* config, sigrun_str key, uint32_t index, double* out);
};

/* What config_prepare answers in *effect. */
enum { SIGRUN_EFFECT_NONE = 0, SIGRUN_EFFECT_APPLIED_HOT = 1, SIGRUN_EFFECT_NEEDS_NEW_INSTANCE = 2 };

/* One created component. Slots are [ctl] unless marked; optional ones may be NULL. */
typedef struct sigrun_instance sigrun_instance;
struct sigrun_instance {
    uint32_t struct_size;
    uint32_t reserved;
    void* self;
    /* [any] The table of an interface by id: the component's kind, or an optional one; NULL if unknown. */
    const void* (*get_interface)(sigrun_instance* instance, sigrun_str id);
    sigrun_result (*start)(sigrun_instance* instance, sigrun_error* error);
    /* Optional. Checks new values, no side effect; then exactly one of commit and abort, which cannot fail. */
    sigrun_result (*config_prepare)(sigrun_instance* instance, const sigrun_config* config, uint32_t* effect,
                                    sigrun_error* error);
    void (*config_commit)(sigrun_instance* instance);
    void (*config_abort)(sigrun_instance* instance);
    /* Takes nothing new, finishes or hands back what runs, then completes `done` (before deadline_ns). */
    sigrun_result (*drain)(sigrun_instance* instance, uint64_t deadline_ns, sigrun_op done);
    /* Optional pair: learned state that survives a reload. state_load comes before start. */
    sigrun_result (*state_save)(sigrun_instance* instance, sigrun_buf* out, sigrun_error* error);
    sigrun_result (*state_load)(sigrun_instance* instance, sigrun_bytes state, uint32_t schema, sigrun_error* error);
    /* Joins every own thread and frees the instance. Open ops are completed first, as CANCELLED if need be. */
    void (*destroy)(sigrun_instance* instance);
};

/* What the host says of itself to the entry function. */
enum { SIGRUN_HELLO_TRIAL = 1 /* features: a trial in a child; open nothing, write nothing */ };
typedef struct sigrun_hello {
    uint32_t struct_size;
    uint16_t abi_major;
    uint16_t abi_minor;
    uint64_t features;
    sigrun_str host_name;
    sigrun_str host_version;
} sigrun_hello;

/* The plugin's descriptor: static data, valid until unload. */
typedef struct sigrun_entry {
    uint32_t struct_size;
    uint16_t abi_major;
    uint16_t abi_minor;
    uint64_t flags;
    sigrun_str id;
    sigrun_str version;
    sigrun_str vendor;
    sigrun_str license;
    sigrun_str doc;
    uint32_t n_components;
    uint32_t reserved;
    const sigrun_component* components; /* stride = components->struct_size */
    /* [ctl] Once per generation, before any create; may be NULL. */
    sigrun_result (*load)(const sigrun_host* host, sigrun_error* error);
    /* [ctl] Makes an instance of `component`. On OK *out is owned by the host until it calls destroy. */
    sigrun_result (*create)(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                            sigrun_instance** out, sigrun_error* error);
    /* [ctl] Nothing of this generation is running; may be NULL. */
    void (*unload)(const sigrun_host* host);
} sigrun_entry;

/* The only exported symbol. Returns NULL if it cannot serve hello->abi_major. Pure: two calls, same pointer. */
#if defined(__GNUC__)
#define SIGRUN_EXPORT __attribute__((visibility("default")))
#else
#define SIGRUN_EXPORT
#endif
#define SIGRUN_ENTRY_SYMBOL "sigrun_plugin_entry_v1"
SIGRUN_EXPORT const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello);

/* Emits the ELF note. Use once per plugin, at file scope. */
typedef struct sigrun_note {
    uint32_t namesz;
    uint32_t descsz;
    uint32_t type;
    char name[8];
    sigrun_note_desc desc;
} sigrun_note;
#define SIGRUN_SDK_VERSION "0.1.0"
#define SIGRUN_EMIT_NOTE(plugin_id, plugin_version, plugin_flags)                                          \
    __attribute__((section(".note.sigrun"), used, aligned(4))) static const sigrun_note sigrun_note_v1 = { \
        7,                                                                                                 \
        (uint32_t)sizeof(sigrun_note_desc),                                                                \
        SIGRUN_NOTE_TYPE,                                                                                  \
        SIGRUN_NOTE_OWNER,                                                                                 \
        {SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, 0, 0, plugin_flags, plugin_id, plugin_version, SIGRUN_SDK_VERSION}}

#ifdef __cplusplus
}
#endif
#endif
