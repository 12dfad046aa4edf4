// Frozen layout of <sigrun/plugin.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/plugin.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_note_desc) == 124);
SLOT(sigrun_note_desc, abi_major, 0, uint16_t);
SLOT(sigrun_note_desc, abi_minor, 2, uint16_t);
SLOT(sigrun_note_desc, min_host_minor, 4, uint16_t);
SLOT(sigrun_note_desc, reserved, 6, uint16_t);
SLOT(sigrun_note_desc, flags, 8, uint32_t);
SLOT(sigrun_note_desc, id, 12, char[64]);
SLOT(sigrun_note_desc, version, 76, char[32]);
SLOT(sigrun_note_desc, sdk_version, 108, char[16]);

static_assert(sizeof(sigrun_opt) == 112);
SLOT(sigrun_opt, struct_size, 0, uint32_t);
SLOT(sigrun_opt, type, 4, uint32_t);
SLOT(sigrun_opt, flags, 8, uint32_t);
SLOT(sigrun_opt, reserved, 12, uint32_t);
SLOT(sigrun_opt, key, 16, sigrun_str);
SLOT(sigrun_opt, def, 32, sigrun_str);
SLOT(sigrun_opt, doc, 48, sigrun_str);
SLOT(sigrun_opt, choices, 64, sigrun_str);
SLOT(sigrun_opt, unit, 80, sigrun_str);
SLOT(sigrun_opt, min, 96, double);
SLOT(sigrun_opt, max, 104, double);

static_assert(sizeof(sigrun_component) == 64);
SLOT(sigrun_component, struct_size, 0, uint32_t);
SLOT(sigrun_component, n_opts, 4, uint32_t);
SLOT(sigrun_component, id, 8, sigrun_str);
SLOT(sigrun_component, kind, 24, sigrun_str);
SLOT(sigrun_component, doc, 40, sigrun_str);
SLOT(sigrun_component, opts, 56, const sigrun_opt*);

static_assert(sizeof(sigrun_config) == 48);
SLOT(sigrun_config, struct_size, 0, uint32_t);
SLOT(sigrun_config, reserved, 4, uint32_t);
SLOT(sigrun_config, ctx, 8, void*);
SLOT(sigrun_config, revision, 16, uint64_t);
SLOT(sigrun_config, get_str, 24,
     sigrun_result (*)(const sigrun_config* config, sigrun_str key, uint32_t index, sigrun_str* out));
SLOT(sigrun_config, get_i64, 32,
     sigrun_result (*)(const sigrun_config* config, sigrun_str key, uint32_t index, int64_t* out));
SLOT(sigrun_config, get_f64, 40,
     sigrun_result (*)(const sigrun_config* config, sigrun_str key, uint32_t index, double* out));

static_assert(sizeof(sigrun_instance) == 88);
SLOT(sigrun_instance, struct_size, 0, uint32_t);
SLOT(sigrun_instance, reserved, 4, uint32_t);
SLOT(sigrun_instance, self, 8, void*);
SLOT(sigrun_instance, get_interface, 16, const void* (*)(sigrun_instance* instance, sigrun_str id));
SLOT(sigrun_instance, start, 24, sigrun_result (*)(sigrun_instance* instance, sigrun_error* error));
SLOT(sigrun_instance, config_prepare, 32,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_config* config, uint32_t* effect, sigrun_error* error));
SLOT(sigrun_instance, config_commit, 40, void (*)(sigrun_instance* instance));
SLOT(sigrun_instance, config_abort, 48, void (*)(sigrun_instance* instance));
SLOT(sigrun_instance, drain, 56, sigrun_result (*)(sigrun_instance* instance, uint64_t deadline_ns, sigrun_op done));
SLOT(sigrun_instance, state_save, 64,
     sigrun_result (*)(sigrun_instance* instance, sigrun_buf* out, sigrun_error* error));
SLOT(sigrun_instance, state_load, 72,
     sigrun_result (*)(sigrun_instance* instance, sigrun_bytes state, uint32_t schema, sigrun_error* error));
SLOT(sigrun_instance, destroy, 80, void (*)(sigrun_instance* instance));

static_assert(sizeof(sigrun_hello) == 48);
SLOT(sigrun_hello, struct_size, 0, uint32_t);
SLOT(sigrun_hello, abi_major, 4, uint16_t);
SLOT(sigrun_hello, abi_minor, 6, uint16_t);
SLOT(sigrun_hello, features, 8, uint64_t);
SLOT(sigrun_hello, host_name, 16, sigrun_str);
SLOT(sigrun_hello, host_version, 32, sigrun_str);

static_assert(sizeof(sigrun_entry) == 136);
SLOT(sigrun_entry, struct_size, 0, uint32_t);
SLOT(sigrun_entry, abi_major, 4, uint16_t);
SLOT(sigrun_entry, abi_minor, 6, uint16_t);
SLOT(sigrun_entry, flags, 8, uint64_t);
SLOT(sigrun_entry, id, 16, sigrun_str);
SLOT(sigrun_entry, version, 32, sigrun_str);
SLOT(sigrun_entry, vendor, 48, sigrun_str);
SLOT(sigrun_entry, license, 64, sigrun_str);
SLOT(sigrun_entry, doc, 80, sigrun_str);
SLOT(sigrun_entry, n_components, 96, uint32_t);
SLOT(sigrun_entry, reserved, 100, uint32_t);
SLOT(sigrun_entry, components, 104, const sigrun_component*);
SLOT(sigrun_entry, load, 112, sigrun_result (*)(const sigrun_host* host, sigrun_error* error));
SLOT(sigrun_entry, create, 120,
     sigrun_result (*)(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                       sigrun_instance** out, sigrun_error* error));
SLOT(sigrun_entry, unload, 128, void (*)(const sigrun_host* host));

static_assert(sizeof(sigrun_note) == 144);
SLOT(sigrun_note, namesz, 0, uint32_t);
SLOT(sigrun_note, descsz, 4, uint32_t);
SLOT(sigrun_note, type, 8, uint32_t);
SLOT(sigrun_note, name, 12, char[8]);
SLOT(sigrun_note, desc, 20, sigrun_note_desc);

static_assert(SIGRUN_PLUGIN_PIN == 1);
static_assert(SIGRUN_PLUGIN_OWN_THREADS == 2);
static_assert(SIGRUN_PLUGIN_NO_SIDE_BY_SIDE == 4);
static_assert(SIGRUN_PLUGIN_HANDOVER == 8);
static_assert(SIGRUN_PLUGIN_OOP_SAFE == 16);
static_assert(SIGRUN_OPT_BOOL == 1);
static_assert(SIGRUN_OPT_INT == 2);
static_assert(SIGRUN_OPT_FLOAT == 3);
static_assert(SIGRUN_OPT_SIZE == 4);
static_assert(SIGRUN_OPT_DURATION == 5);
static_assert(SIGRUN_OPT_STRING == 6);
static_assert(SIGRUN_OPT_CHOICE == 7);
static_assert(SIGRUN_OPT_LIST == 8);
static_assert(SIGRUN_OPT_URI == 9);
static_assert(SIGRUN_OPT_PATH == 10);
static_assert(SIGRUN_OPT_SECRET == 11);
static_assert(SIGRUN_OPT_REQUIRED == 1);
static_assert(SIGRUN_OPT_REPEATABLE == 2);
static_assert(SIGRUN_OPT_HOT == 4);
static_assert(SIGRUN_OPT_DEPRECATED == 8);
static_assert(SIGRUN_EFFECT_NONE == 0);
static_assert(SIGRUN_EFFECT_APPLIED_HOT == 1);
static_assert(SIGRUN_EFFECT_NEEDS_NEW_INSTANCE == 2);
static_assert(SIGRUN_HELLO_TRIAL == 1);
static_assert(SIGRUN_NOTE_TYPE == 1);
static_assert(std::string_view(SIGRUN_NOTE_OWNER) == "Sigrun");
static_assert(std::string_view(SIGRUN_ENTRY_SYMBOL) == "sigrun_plugin_entry_v1");
