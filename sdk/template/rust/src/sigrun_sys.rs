//! The C headers of the Sigrun SDK as Rust declarations. Written by sdk/rust/make_bindings.py; do not edit.
//! Every comment, thread tag and rule is in the headers.
#![allow(non_camel_case_types, dead_code)]

use std::os::raw::{c_char, c_void};

pub type sigrun_result = i32;
pub type sigrun_op = u64;
pub type sigrun_fn = Option<unsafe extern "C" fn(*mut c_void)>;
pub type sigrun_dialled = Option<unsafe extern "C" fn(*mut c_void, sigrun_result, *const sigrun_connection, *const sigrun_error)>;

pub const SIGRUN_ABI_MAJOR: u32 = 1;
pub const SIGRUN_ABI_MINOR: u32 = 1;
pub const SIGRUN_LOG_MAX: u32 = 65536;
pub const SIGRUN_OK: i32 = 0;
pub const SIGRUN_PENDING: i32 = 1;
pub const SIGRUN_NEED_MORE: i32 = 2;
pub const SIGRUN_NOT_MINE: i32 = 3;
pub const SIGRUN_E_INVALID: i32 = -1;
pub const SIGRUN_E_UNSUPPORTED: i32 = -2;
pub const SIGRUN_E_BUSY: i32 = -3;
pub const SIGRUN_E_TIMEOUT: i32 = -4;
pub const SIGRUN_E_CANCELLED: i32 = -5;
pub const SIGRUN_E_NOMEM: i32 = -6;
pub const SIGRUN_E_CONFIG: i32 = -7;
pub const SIGRUN_E_IO: i32 = -8;
pub const SIGRUN_E_NOT_FOUND: i32 = -9;
pub const SIGRUN_E_DENIED: i32 = -10;
pub const SIGRUN_E_FENCED: i32 = -11;
pub const SIGRUN_E_EXISTS: i32 = -12;
pub const SIGRUN_E_INTERNAL: i32 = -99;
pub const SIGRUN_HELLO: u32 = 1;
pub const SIGRUN_OFFER: u32 = 2;
pub const SIGRUN_ACK: u32 = 3;
pub const SIGRUN_LOG: u32 = 4;
pub const SIGRUN_STATE: u32 = 5;
pub const SIGRUN_BEAT: u32 = 6;
pub const SIGRUN_CANCEL: u32 = 7;
pub const SIGRUN_DRAIN: u32 = 8;
pub const SIGRUN_BYE: u32 = 9;
pub const SIGRUN_ARTIFACT: u32 = 10;
pub const SIGRUN_REPLY: u32 = 32;
pub const SIGRUN_FRAME_LAST: u32 = 1;
pub const SIGRUN_FRAME_ERROR: u32 = 2;
pub const SIGRUN_FRAME_LINK: u32 = 4;
pub const SIGRUN_STREAM_SYSTEM: u32 = 0;
pub const SIGRUN_STREAM_STDOUT: u32 = 1;
pub const SIGRUN_STREAM_STDERR: u32 = 2;
pub const SIGRUN_STREAM_ARTIFACT: u32 = 3;
pub const SIGRUN_SVC_LOG: &str = "sigrun.host.log/1";
pub const SIGRUN_SVC_BUFFER: &str = "sigrun.host.buffer/1";
pub const SIGRUN_SVC_SCHED: &str = "sigrun.host.sched/1";
pub const SIGRUN_SVC_CALL: &str = "sigrun.host.call/1";
pub const SIGRUN_SVC_LINK: &str = "sigrun.host.link/1";
pub const SIGRUN_SVC_METRIC: &str = "sigrun.host.metric/1";
pub const SIGRUN_LOG_ERROR: u32 = 1;
pub const SIGRUN_LOG_WARNING: u32 = 2;
pub const SIGRUN_LOG_INFO: u32 = 3;
pub const SIGRUN_LOG_DEBUG: u32 = 4;
pub const SIGRUN_LOG_TRACE: u32 = 5;
pub const SIGRUN_LANE_CTL: u32 = 1;
pub const SIGRUN_LANE_IO: u32 = 2;
pub const SIGRUN_LANE_WORK: u32 = 3;
pub const SIGRUN_FD_READ: u32 = 1;
pub const SIGRUN_FD_WRITE: u32 = 2;
pub const SIGRUN_NOTE_TYPE: u32 = 1;
pub const SIGRUN_NOTE_OWNER: &str = "Sigrun";
pub const SIGRUN_ENTRY_SYMBOL: &str = "sigrun_plugin_entry_v1";
pub const SIGRUN_SDK_VERSION: &str = "0.1.0";
pub const SIGRUN_PLUGIN_PIN: u32 = 1;
pub const SIGRUN_PLUGIN_OWN_THREADS: u32 = 2;
pub const SIGRUN_PLUGIN_NO_SIDE_BY_SIDE: u32 = 4;
pub const SIGRUN_PLUGIN_HANDOVER: u32 = 8;
pub const SIGRUN_PLUGIN_OOP_SAFE: u32 = 16;
pub const SIGRUN_OPT_BOOL: u32 = 1;
pub const SIGRUN_OPT_INT: u32 = 2;
pub const SIGRUN_OPT_FLOAT: u32 = 3;
pub const SIGRUN_OPT_SIZE: u32 = 4;
pub const SIGRUN_OPT_DURATION: u32 = 5;
pub const SIGRUN_OPT_STRING: u32 = 6;
pub const SIGRUN_OPT_CHOICE: u32 = 7;
pub const SIGRUN_OPT_LIST: u32 = 8;
pub const SIGRUN_OPT_URI: u32 = 9;
pub const SIGRUN_OPT_PATH: u32 = 10;
pub const SIGRUN_OPT_SECRET: u32 = 11;
pub const SIGRUN_OPT_REQUIRED: u32 = 1;
pub const SIGRUN_OPT_REPEATABLE: u32 = 2;
pub const SIGRUN_OPT_HOT: u32 = 4;
pub const SIGRUN_OPT_DEPRECATED: u32 = 8;
pub const SIGRUN_EFFECT_NONE: u32 = 0;
pub const SIGRUN_EFFECT_APPLIED_HOT: u32 = 1;
pub const SIGRUN_EFFECT_NEEDS_NEW_INSTANCE: u32 = 2;
pub const SIGRUN_HELLO_TRIAL: u32 = 1;
pub const SIGRUN_KIND_PROTOCOL: &str = "sigrun.protocol/1";
pub const SIGRUN_ACCEPT_UNIX: u32 = 1;
pub const SIGRUN_ACCEPT_TLS: u32 = 2;
pub const SIGRUN_PROTOCOL_FOREIGN: u32 = 1;
pub const SIGRUN_TIERS: u32 = 8;
pub const SIGRUN_LEVELS: u32 = 64;
pub const SIGRUN_ZONES: u32 = 1024;
pub const SIGRUN_MATCH_PAGES: u32 = 512;
pub const SIGRUN_UNKNOWN_US: u32 = 4294967295;
pub const SIGRUN_ZONE_UNKNOWN: u32 = 4294967295;
pub const SIGRUN_PRIORITIES: u32 = 5;
pub const SIGRUN_KIND_BALANCER: &str = "sigrun.balancer/1";
pub const SIGRUN_REQ_EXPLORE: u32 = 1;
pub const SIGRUN_REQ_MAY_WAIT: u32 = 2;
pub const SIGRUN_WHY_NONE: u32 = 0;
pub const SIGRUN_WHY_IDLE_TIER: u32 = 1;
pub const SIGRUN_WHY_LEAST_COUNT: u32 = 2;
pub const SIGRUN_WHY_SED: u32 = 3;
pub const SIGRUN_WHY_STRIDE: u32 = 4;
pub const SIGRUN_WHY_AFFINITY: u32 = 5;
pub const SIGRUN_WHY_ZONE: u32 = 6;
pub const SIGRUN_WHY_RETRY_ALTERNATE: u32 = 7;
pub const SIGRUN_WHY_BUILTIN_FALLBACK: u32 = 8;
pub const SIGRUN_WHY_AFFINITY_SPILL: u32 = 9;
pub const SIGRUN_WHY_HCL_COLD: u32 = 10;
pub const SIGRUN_WHY_HCL_HOT: u32 = 11;
pub const SIGRUN_WHY_ZONE_SPILL: u32 = 12;
pub const SIGRUN_WHY_LATE_BOUND: u32 = 13;
pub const SIGRUN_WHY_EARLY_REOFFER: u32 = 14;
pub const SIGRUN_WHY_RUN_HEDGE: u32 = 15;
pub const SIGRUN_WHY_PANIC: u32 = 16;
pub const SIGRUN_WHY_EXPLORE: u32 = 17;
pub const SIGRUN_WHY_POWER_OF_D: u32 = 18;
pub const SIGRUN_WHY_WAIT: u32 = 19;
pub const SIGRUN_CHOICE_PRIOR: u32 = 0;
pub const SIGRUN_CHOICE_EVIDENCE: u32 = 1;
pub const SIGRUN_CHOICE_ROLLBACK: u32 = 2;
pub const SIGRUN_CHOICE_LOST: u32 = 3;
pub const SIGRUN_BALANCER_NEEDS_FEEDBACK: u32 = 1;
pub const SIGRUN_BALANCER_STATELESS: u32 = 2;
pub const SIGRUN_BALANCER_THREAD_LOCAL_STATE: u32 = 4;
pub const SIGRUN_BALANCER_USES_KEY: u32 = 8;
pub const SIGRUN_BALANCER_DETERMINISTIC: u32 = 16;
pub const SIGRUN_BALANCER_NEEDS_LEVELS: u32 = 32;
pub const SIGRUN_KIND_PROBE: &str = "sigrun.probe/1";
pub const SIGRUN_PROBE_IN_PROCESS: u32 = 1;
pub const SIGRUN_PROBE_EVENTS: u32 = 2;
pub const SIGRUN_PROBE_LIST: u32 = 4;
pub const SIGRUN_PROBE_ON_REQUEST: u32 = 8;
pub const SIGRUN_KIND_EXECUTOR: &str = "sigrun.executor/1";
pub const SIGRUN_EXECUTOR_INLINE: u32 = 1;
pub const SIGRUN_KIND_STORE: &str = "sigrun.store/1";
pub const SIGRUN_RELAXED: u32 = 1;
pub const SIGRUN_FSYNC: u32 = 2;
pub const SIGRUN_OWN_TAKE: u32 = 1;
pub const SIGRUN_OWN_RENEW: u32 = 2;
pub const SIGRUN_OWN_RELEASE: u32 = 3;
pub const SIGRUN_RECORD_INSERT: u32 = 1;
pub const SIGRUN_RECORD_DELETE: u32 = 2;
pub const SIGRUN_KIND_EXTENSION: &str = "sigrun.extension/1";
pub const SIGRUN_SVC_BROKER: &str = "sigrun.host.broker/1";
pub const SIGRUN_SVC_NET: &str = "sigrun.host.net/1";
pub const SIGRUN_NET_TLS: u32 = 1;
pub const SIGRUN_NET_UNIX: u32 = 2;

#[repr(C)]
pub struct sigrun_buf {
    _opaque: [u8; 0],
}
#[repr(C)]
pub struct sigrun_link {
    _opaque: [u8; 0],
}
#[repr(C)]
pub struct sigrun_metric {
    _opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_str {
    pub ptr: *const c_char,
    pub len: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_str>() == 16);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_str {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_bytes {
    pub ptr: *const c_void,
    pub len: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_bytes>() == 16);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_bytes {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_error {
    pub struct_size: u32,
    pub code: i32,
    pub retry_after_ms: u32,
    pub msg_cap: u32,
    pub msg_len: u32,
    pub reserved: u32,
    pub msg: *mut c_char,
}
const _: () = assert!(std::mem::size_of::<sigrun_error>() == 32);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_error {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_attempt {
    pub struct_size: u32,
    pub number: u32,
    pub job: sigrun_str,
    pub token: sigrun_str,
}
const _: () = assert!(std::mem::size_of::<sigrun_attempt>() == 40);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_attempt {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_frame {
    pub struct_size: u32,
    pub kind: u32,
    pub flags: u32,
    pub stream: u32,
    pub seq: u64,
    pub ack: u64,
    pub offset: u64,
    pub time_ns: u64,
    pub hash: u64,
    pub attempt: *const sigrun_attempt,
    pub json: sigrun_str,
    pub payload: *mut sigrun_buf,
}
const _: () = assert!(std::mem::size_of::<sigrun_frame>() == 88);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_frame {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_sink {
    pub struct_size: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub on_frame: Option<unsafe extern "C" fn(*mut c_void, *const sigrun_frame) -> sigrun_result>,
}
const _: () = assert!(std::mem::size_of::<sigrun_sink>() == 24);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_sink {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_call {
    pub struct_size: u32,
    pub flags: u32,
    pub method: sigrun_str,
    pub params: sigrun_str,
    pub json: sigrun_str,
    pub auth: sigrun_str,
    pub payload: *mut sigrun_buf,
    pub deadline_ns: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_call>() == 88);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_call {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_host {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub ctx: *mut c_void,
    pub generation: u64,
    pub get_service: Option<unsafe extern "C" fn(*const sigrun_host, sigrun_str) -> *const c_void>,
    pub complete: Option<unsafe extern "C" fn(*const sigrun_host, sigrun_op, sigrun_result, *mut sigrun_buf)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_host>() == 40);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_host {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_svc_log {
    pub struct_size: u32,
    pub reserved: u32,
    pub level: Option<unsafe extern "C" fn(*const sigrun_host) -> u32>,
    pub write: Option<unsafe extern "C" fn(*const sigrun_host, u32, sigrun_str, *const sigrun_str, u32)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_svc_log>() == 24);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_svc_log {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_svc_buffer {
    pub struct_size: u32,
    pub reserved: u32,
    pub create: Option<unsafe extern "C" fn(*const sigrun_host, u64) -> *mut sigrun_buf>,
    pub retain: Option<unsafe extern "C" fn(*mut sigrun_buf)>,
    pub release: Option<unsafe extern "C" fn(*mut sigrun_buf)>,
    pub view: Option<unsafe extern "C" fn(*mut sigrun_buf, *mut *mut c_void, *mut u64, *mut u64) -> sigrun_result>,
    pub set_len: Option<unsafe extern "C" fn(*mut sigrun_buf, u64) -> sigrun_result>,
}
const _: () = assert!(std::mem::size_of::<sigrun_svc_buffer>() == 48);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_svc_buffer {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_svc_sched {
    pub struct_size: u32,
    pub reserved: u32,
    pub post: Option<unsafe extern "C" fn(*const sigrun_host, u32, sigrun_fn, *mut c_void) -> sigrun_result>,
    pub timer: Option<unsafe extern "C" fn(*const sigrun_host, u64, u64, sigrun_fn, *mut c_void, *mut u64) -> sigrun_result>,
    pub fd_watch: Option<unsafe extern "C" fn(*const sigrun_host, i32, u32, Option<unsafe extern "C" fn(*mut c_void, i32, u32)>, *mut c_void, *mut u64) -> sigrun_result>,
    pub stop: Option<unsafe extern "C" fn(*const sigrun_host, u64, sigrun_fn, *mut c_void) -> sigrun_result>,
    pub thread_enter: Option<unsafe extern "C" fn(*const sigrun_host, sigrun_str, *mut u64) -> sigrun_result>,
    pub thread_leave: Option<unsafe extern "C" fn(*const sigrun_host, u64)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_svc_sched>() == 56);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_svc_sched {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_svc_call {
    pub struct_size: u32,
    pub reserved: u32,
    pub begin: Option<unsafe extern "C" fn(*const sigrun_host, u64, *const sigrun_call, *const sigrun_sink, *mut u64, *mut sigrun_error) -> sigrun_result>,
    pub resume: Option<unsafe extern "C" fn(*const sigrun_host, u64)>,
    pub end: Option<unsafe extern "C" fn(*const sigrun_host, u64, sigrun_fn, *mut c_void)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_svc_call>() == 32);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_svc_call {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_svc_link {
    pub struct_size: u32,
    pub reserved: u32,
    pub adopt: Option<unsafe extern "C" fn(*const sigrun_host, u64, sigrun_str, *mut sigrun_link, *mut *const sigrun_sink, *mut sigrun_error) -> sigrun_result>,
}
const _: () = assert!(std::mem::size_of::<sigrun_svc_link>() == 16);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_svc_link {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_svc_metric {
    pub struct_size: u32,
    pub reserved: u32,
    pub counter: Option<unsafe extern "C" fn(*const sigrun_host, sigrun_str, sigrun_str, *const sigrun_str, u32) -> *mut sigrun_metric>,
    pub gauge: Option<unsafe extern "C" fn(*const sigrun_host, sigrun_str, sigrun_str, *const sigrun_str, u32) -> *mut sigrun_metric>,
    pub add: Option<unsafe extern "C" fn(*mut sigrun_metric, f64)>,
    pub set: Option<unsafe extern "C" fn(*mut sigrun_metric, f64)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_svc_metric>() == 40);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_svc_metric {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_note_desc {
    pub abi_major: u16,
    pub abi_minor: u16,
    pub min_host_minor: u16,
    pub reserved: u16,
    pub flags: u32,
    pub id: [c_char; 64],
    pub version: [c_char; 32],
    pub sdk_version: [c_char; 16],
}
const _: () = assert!(std::mem::size_of::<sigrun_note_desc>() == 124);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_note_desc {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_opt {
    pub struct_size: u32,
    pub r#type: u32,
    pub flags: u32,
    pub reserved: u32,
    pub key: sigrun_str,
    pub def: sigrun_str,
    pub doc: sigrun_str,
    pub choices: sigrun_str,
    pub unit: sigrun_str,
    pub min: f64,
    pub max: f64,
}
const _: () = assert!(std::mem::size_of::<sigrun_opt>() == 112);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_opt {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_component {
    pub struct_size: u32,
    pub n_opts: u32,
    pub id: sigrun_str,
    pub kind: sigrun_str,
    pub doc: sigrun_str,
    pub opts: *const sigrun_opt,
}
const _: () = assert!(std::mem::size_of::<sigrun_component>() == 64);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_component {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_config {
    pub struct_size: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub revision: u64,
    pub get_str: Option<unsafe extern "C" fn(*const sigrun_config, sigrun_str, u32, *mut sigrun_str) -> sigrun_result>,
    pub get_i64: Option<unsafe extern "C" fn(*const sigrun_config, sigrun_str, u32, *mut i64) -> sigrun_result>,
    pub get_f64: Option<unsafe extern "C" fn(*const sigrun_config, sigrun_str, u32, *mut f64) -> sigrun_result>,
}
const _: () = assert!(std::mem::size_of::<sigrun_config>() == 48);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_config {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_instance {
    pub struct_size: u32,
    pub reserved: u32,
    pub self_: *mut c_void,
    pub get_interface: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_str) -> *const c_void>,
    pub start: Option<unsafe extern "C" fn(*mut sigrun_instance, *mut sigrun_error) -> sigrun_result>,
    pub config_prepare: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_config, *mut u32, *mut sigrun_error) -> sigrun_result>,
    pub config_commit: Option<unsafe extern "C" fn(*mut sigrun_instance)>,
    pub config_abort: Option<unsafe extern "C" fn(*mut sigrun_instance)>,
    pub drain: Option<unsafe extern "C" fn(*mut sigrun_instance, u64, sigrun_op) -> sigrun_result>,
    pub state_save: Option<unsafe extern "C" fn(*mut sigrun_instance, *mut sigrun_buf, *mut sigrun_error) -> sigrun_result>,
    pub state_load: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_bytes, u32, *mut sigrun_error) -> sigrun_result>,
    pub destroy: Option<unsafe extern "C" fn(*mut sigrun_instance)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_instance>() == 88);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_instance {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_hello {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub features: u64,
    pub host_name: sigrun_str,
    pub host_version: sigrun_str,
}
const _: () = assert!(std::mem::size_of::<sigrun_hello>() == 48);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_hello {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_entry {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub flags: u64,
    pub id: sigrun_str,
    pub version: sigrun_str,
    pub vendor: sigrun_str,
    pub license: sigrun_str,
    pub doc: sigrun_str,
    pub n_components: u32,
    pub reserved: u32,
    pub components: *const sigrun_component,
    pub load: Option<unsafe extern "C" fn(*const sigrun_host, *mut sigrun_error) -> sigrun_result>,
    pub create: Option<unsafe extern "C" fn(*const sigrun_host, sigrun_str, *const sigrun_config, *mut *mut sigrun_instance, *mut sigrun_error) -> sigrun_result>,
    pub unload: Option<unsafe extern "C" fn(*const sigrun_host)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_entry>() == 136);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_entry {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_note {
    pub namesz: u32,
    pub descsz: u32,
    pub r#type: u32,
    pub name: [c_char; 8],
    pub desc: sigrun_note_desc,
}
const _: () = assert!(std::mem::size_of::<sigrun_note>() == 144);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_note {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_endpoint {
    pub struct_size: u32,
    pub flags: u32,
    pub uri: sigrun_str,
    pub profile: sigrun_str,
    pub options: sigrun_str,
    pub reserved: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_endpoint>() == 64);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_endpoint {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_accept {
    pub struct_size: u32,
    pub fd: i32,
    pub flags: u32,
    pub uid: u32,
    pub session: u64,
    pub peer: sigrun_str,
    pub local: sigrun_str,
    pub alpn: sigrun_str,
}
const _: () = assert!(std::mem::size_of::<sigrun_accept>() == 72);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_accept {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_serve {
    pub struct_size: u32,
    pub reserved: u32,
    pub recognise: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_bytes, u32) -> sigrun_result>,
    pub on_accept: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_accept, sigrun_op) -> sigrun_result>,
    pub handoff_out: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_op, *mut i32, *mut sigrun_buf, *mut sigrun_error) -> sigrun_result>,
    pub handoff_in: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_accept, sigrun_bytes, sigrun_op, *mut sigrun_error) -> sigrun_result>,
    pub retire: Option<unsafe extern "C" fn(*mut sigrun_instance, u64, sigrun_op) -> sigrun_result>,
}
const _: () = assert!(std::mem::size_of::<sigrun_serve>() == 48);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_serve {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_dial {
    pub struct_size: u32,
    pub reserved: u32,
    pub detect: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_endpoint, u64, sigrun_op) -> sigrun_result>,
    pub open: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_endpoint, *const sigrun_sink, sigrun_op, *mut *mut sigrun_link) -> sigrun_result>,
}
const _: () = assert!(std::mem::size_of::<sigrun_dial>() == 24);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_dial {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_link_ops {
    pub struct_size: u32,
    pub reserved: u32,
    pub execute: Option<unsafe extern "C" fn(*mut sigrun_link, *const sigrun_frame) -> sigrun_result>,
    pub attach: Option<unsafe extern "C" fn(*mut sigrun_link, *const sigrun_attempt, u64, sigrun_op) -> sigrun_result>,
    pub cancel: Option<unsafe extern "C" fn(*mut sigrun_link, *const sigrun_attempt, u64) -> sigrun_result>,
    pub describe: Option<unsafe extern "C" fn(*mut sigrun_link, sigrun_op) -> sigrun_result>,
    pub ping: Option<unsafe extern "C" fn(*mut sigrun_link, sigrun_op) -> sigrun_result>,
    pub send: Option<unsafe extern "C" fn(*mut sigrun_link, *const sigrun_frame) -> sigrun_result>,
    pub call: Option<unsafe extern "C" fn(*mut sigrun_link, *const sigrun_call, *const sigrun_sink, sigrun_op) -> sigrun_result>,
    pub close: Option<unsafe extern "C" fn(*mut sigrun_link, sigrun_result, sigrun_op)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_link_ops>() == 72);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_link_ops {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_protocol {
    pub struct_size: u32,
    pub flags: u32,
    pub name: sigrun_str,
    pub schemes: sigrun_str,
    pub alpn: sigrun_str,
    pub serve: *const sigrun_serve,
    pub dial: *const sigrun_dial,
    pub link: *const sigrun_link_ops,
}
const _: () = assert!(std::mem::size_of::<sigrun_protocol>() == 80);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_protocol {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_cohort {
    pub pages_off: u32,
    pub n_pages: u32,
    pub n_runners: u32,
    pub size_class: u32,
    pub zone: u16,
    pub protos: u16,
    pub places: u16,
    pub weight: u16,
    pub level_mask: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_cohort>() == 32);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_cohort {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_zone {
    pub places: u32,
    pub exec_us: u32,
    pub egress_us: u32,
    pub reserved: u32,
}
const _: () = assert!(std::mem::size_of::<sigrun_zone>() == 16);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_zone {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_view {
    pub struct_size: u32,
    pub abi: u32,
    pub epoch: u64,
    pub hot: *const u64,
    pub idle: [*const u64; SIGRUN_TIERS as usize],
    pub page_any: [*const u64; SIGRUN_TIERS as usize],
    pub page_cohort: *const u32,
    pub cohort: *const sigrun_cohort,
    pub zone_order: *const u16,
    pub n_slots: u32,
    pub n_pages: u32,
    pub n_cohorts: u32,
    pub n_zones: u32,
    pub page_shift: u32,
    pub reserved: u32,
    pub level: *const *const u64,
    pub level_any: *const *const u64,
    pub identity: *const u64,
    pub zone_rtt_us: *const u32,
    pub zone: *const sigrun_zone,
    pub waiting: *const u32,
    pub layout: u64,
    pub idle_all: *const u64,
    pub page_any_all: *const u64,
    pub r#match: *const *const u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_view>() == 280);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_view {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_delta {
    pub struct_size: u32,
    pub n_pages: u32,
    pub from_epoch: u64,
    pub pages: *const u32,
}
const _: () = assert!(std::mem::size_of::<sigrun_delta>() == 24);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_delta {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_req {
    pub pred_pages_off: u64,
    pub affinity_key: u64,
    pub now_ns: u64,
    pub deadline_ns: u64,
    pub rng: u64,
    pub pred_id: u32,
    pub src_zone: u32,
    pub protos: u16,
    pub prio: u16,
    pub flags: u16,
    pub want_k: u16,
}
const _: () = assert!(std::mem::size_of::<sigrun_req>() == 56);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_req {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_pick {
    pub slot: [u32; 4],
    pub n: u8,
    pub proto: u8,
    pub reason: u8,
    pub tier: u8,
    pub score_q: u16,
    pub conf: u16,
}
const _: () = assert!(std::mem::size_of::<sigrun_pick>() == 24);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_pick {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_done {
    pub slot: u32,
    pub proto: u16,
    pub status: u16,
    pub wait_us: u64,
    pub exec_us: u64,
    pub bytes: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_done>() == 32);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_done {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_params {
    pub struct_size: u32,
    pub d: u32,
    pub credit: f64,
    pub hot_quantile: f64,
    pub affinity_bound: f64,
    pub spill: f64,
}
const _: () = assert!(std::mem::size_of::<sigrun_params>() == 40);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_params {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_class_stats {
    pub class_id: u32,
    pub runners: u32,
    pub places: u32,
    pub dispatchers: u32,
    pub idle: f64,
    pub exec_cv: f64,
    pub rtt_over_exec: f64,
    pub key_reuse: f64,
    pub load_age_s: f64,
    pub wait_p99_us: f64,
}
const _: () = assert!(std::mem::size_of::<sigrun_class_stats>() == 64);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_class_stats {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_choice {
    pub class_id: u32,
    pub policy: u32,
    pub explore_ppm: u32,
    pub other: u16,
    pub priorities: u8,
    pub why: u8,
}
const _: () = assert!(std::mem::size_of::<sigrun_choice>() == 16);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_choice {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_policy_stats {
    pub class_id: u32,
    pub policy: u32,
    pub jobs: u64,
    pub mean: f64,
    pub deviation: f64,
    pub p99: f64,
    pub window_s: f64,
}
const _: () = assert!(std::mem::size_of::<sigrun_policy_stats>() == 48);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_policy_stats {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_policy_name {
    pub name: sigrun_str,
    pub component: sigrun_str,
    pub policy: u32,
    pub reserved: u32,
}
const _: () = assert!(std::mem::size_of::<sigrun_policy_name>() == 40);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_policy_name {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_balancer {
    pub struct_size: u32,
    pub abi: u32,
    pub caps: u32,
    pub reserved: u32,
    pub thread_init: Option<unsafe extern "C" fn(*mut sigrun_instance, u32) -> *mut c_void>,
    pub thread_fini: Option<unsafe extern "C" fn(*mut sigrun_instance, *mut c_void)>,
    pub on_snapshot: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_view, *const sigrun_delta) -> sigrun_result>,
    pub pick: Option<unsafe extern "C" fn(*mut c_void, *const sigrun_view, *const sigrun_req, u32, *const u64, *mut sigrun_pick) -> u32>,
    pub done: Option<unsafe extern "C" fn(*mut c_void, *const sigrun_done, u32)>,
    pub tune: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_params) -> sigrun_result>,
    pub decide: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_class_stats, u32, *mut sigrun_choice) -> u32>,
    pub policies: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_policy_name, u32) -> sigrun_result>,
    pub observe: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_policy_stats, u32)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_balancer>() == 88);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_balancer {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_probe_req {
    pub struct_size: u32,
    pub flags: u32,
    pub scope: sigrun_str,
    pub sysroot: sigrun_str,
    pub deadline_ns: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_probe_req>() == 48);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_probe_req {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_probe {
    pub struct_size: u32,
    pub flags: u32,
    pub soft_ms: u32,
    pub hard_ms: u32,
    pub keys: sigrun_str,
    pub run: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_probe_req, *const sigrun_sink, sigrun_op) -> sigrun_result>,
    pub cancel: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_op)>,
    pub watch: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_sink, sigrun_op) -> sigrun_result>,
}
const _: () = assert!(std::mem::size_of::<sigrun_probe>() == 56);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_probe {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_task {
    pub struct_size: u32,
    pub flags: u32,
    pub attempt: *const sigrun_attempt,
    pub kind: sigrun_str,
    pub json: sigrun_str,
    pub workspace: sigrun_str,
    pub payload: *mut sigrun_buf,
    pub deadline_ns: u64,
    pub state_dir: sigrun_str,
}
const _: () = assert!(std::mem::size_of::<sigrun_task>() == 96);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_task {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_executor {
    pub struct_size: u32,
    pub flags: u32,
    pub kinds: sigrun_str,
    pub describe: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_op) -> sigrun_result>,
    pub run: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_task, *const sigrun_sink, sigrun_op) -> sigrun_result>,
    pub attach: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_task, u64, *const sigrun_sink, sigrun_op) -> sigrun_result>,
    pub cancel: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_op, u64) -> sigrun_result>,
    pub resume: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_op)>,
    pub stored: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_op, u64)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_executor>() == 72);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_executor {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_fence {
    pub struct_size: u32,
    pub shard: u32,
    pub epoch: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_fence>() == 16);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_fence {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_record {
    pub struct_size: u32,
    pub kind: u32,
    pub flags: u32,
    pub reserved: u32,
    pub key: sigrun_str,
    pub body: sigrun_bytes,
}
const _: () = assert!(std::mem::size_of::<sigrun_record>() == 48);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_record {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_store {
    pub struct_size: u32,
    pub flags: u32,
    pub own: Option<unsafe extern "C" fn(*mut sigrun_instance, u32, *const sigrun_fence, u64, sigrun_op) -> sigrun_result>,
    pub append: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_fence, *const sigrun_record, u32, u32, sigrun_op) -> sigrun_result>,
    pub scan: Option<unsafe extern "C" fn(*mut sigrun_instance, u32, u64, u32, sigrun_op) -> sigrun_result>,
    pub compact: Option<unsafe extern "C" fn(*mut sigrun_instance, *const sigrun_fence, u64, sigrun_op) -> sigrun_result>,
    pub query: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_str, sigrun_op) -> sigrun_result>,
    pub copy: Option<unsafe extern "C" fn(*mut sigrun_instance, sigrun_str, sigrun_op) -> sigrun_result>,
    pub copy_progress: Option<unsafe extern "C" fn(*mut sigrun_instance, *mut u64, *mut u64)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_store>() == 64);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_store {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_extension {
    pub struct_size: u32,
    pub flags: u32,
}
const _: () = assert!(std::mem::size_of::<sigrun_extension>() == 8);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_extension {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_grant {
    pub struct_size: u32,
    pub reserved: u32,
    pub lease: u64,
    pub generation: u64,
    pub instance: *mut sigrun_instance,
    pub table: *const c_void,
}
const _: () = assert!(std::mem::size_of::<sigrun_grant>() == 40);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_grant {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_svc_broker {
    pub struct_size: u32,
    pub reserved: u32,
    pub follow: Option<unsafe extern "C" fn(*const sigrun_host, sigrun_str, sigrun_str, sigrun_fn, *mut c_void, *mut u64, *mut sigrun_error) -> sigrun_result>,
    pub acquire: Option<unsafe extern "C" fn(*const sigrun_host, u64, *mut sigrun_grant) -> sigrun_result>,
    pub release: Option<unsafe extern "C" fn(*const sigrun_host, u64)>,
    pub unfollow: Option<unsafe extern "C" fn(*const sigrun_host, u64)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_svc_broker>() == 40);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_svc_broker {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_net_target {
    pub struct_size: u32,
    pub flags: u32,
    pub address: sigrun_str,
    pub alpn: sigrun_str,
    pub options: sigrun_str,
    pub deadline_ns: u64,
}
const _: () = assert!(std::mem::size_of::<sigrun_net_target>() == 64);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_net_target {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_connection {
    pub struct_size: u32,
    pub fd: i32,
    pub flags: u32,
    pub reserved: u32,
    pub connect_ns: u64,
    pub alpn: sigrun_str,
    pub peer: sigrun_str,
}
const _: () = assert!(std::mem::size_of::<sigrun_connection>() == 56);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_connection {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct sigrun_svc_net {
    pub struct_size: u32,
    pub reserved: u32,
    pub dial: Option<unsafe extern "C" fn(*const sigrun_host, *const sigrun_net_target, sigrun_dialled, *mut c_void, *mut u64, *mut sigrun_error) -> sigrun_result>,
    pub cancel: Option<unsafe extern "C" fn(*const sigrun_host, u64)>,
}
const _: () = assert!(std::mem::size_of::<sigrun_svc_net>() == 24);
// Tables are constant data: pointers in them are to more of it, or belong to one thread by contract.
unsafe impl Sync for sigrun_svc_net {}
