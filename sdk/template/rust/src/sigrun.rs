//! A thin layer over the C headers (sigrun_sys): texts, the host, operations, instances, panics. It comes from the SDK and
//! needs no crate. The rules are those of the headers; what this file adds is that no panic crosses the border.
#![allow(dead_code)]

use crate::sigrun_sys::*;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Text of a static table.
pub const fn text(s: &'static str) -> sigrun_str {
    sigrun_str { ptr: s.as_ptr() as *const c_char, len: s.len() as u64 }
}

/// Text lent to the host for one call.
pub fn lend(s: &str) -> sigrun_str {
    sigrun_str { ptr: s.as_ptr() as *const c_char, len: s.len() as u64 }
}

/// Text borrowed from the host; valid as long as the header says. Not UTF-8: empty.
///
/// # Safety
/// `s` is a text that the host passed and that is still valid.
pub unsafe fn view<'a>(s: sigrun_str) -> &'a str {
    if s.len == 0 {
        return "";
    }
    std::str::from_utf8(std::slice::from_raw_parts(s.ptr as *const u8, s.len as usize)).unwrap_or("")
}

/// Why something was refused. The text names the field, what was expected and what was found.
pub struct Failure {
    pub code: sigrun_result,
    pub text: String,
}

impl Failure {
    pub fn new(code: sigrun_result, text: impl Into<String>) -> Failure {
        Failure { code, text: text.into() }
    }
}

/// Writes code and text to `error`, which may be null, and returns the code.
pub fn report(error: *mut sigrun_error, code: sigrun_result, message: &str) -> sigrun_result {
    unsafe {
        if let Some(error) = error.as_mut() {
            let room = if error.msg.is_null() { 0 } else { error.msg_cap as usize };
            let n = message.len().min(room);
            std::ptr::copy_nonoverlapping(message.as_ptr(), error.msg as *mut u8, n);
            error.msg_len = n as u32;
            error.code = code;
        }
    }
    code
}

/// Runs the body of a slot. A panic becomes SIGRUN_E_INTERNAL: it must not unwind into the host.
pub fn guarded(error: *mut sigrun_error, body: impl FnOnce() -> Result<sigrun_result, Failure>) -> sigrun_result {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(done)) => done,
        Ok(Err(failure)) => report(error, failure.code, &failure.text),
        Err(_) => report(error, SIGRUN_E_INTERNAL, "the plugin panicked"),
    }
}

/// The host as one instance sees it. Cheap to copy; every function may be called on any thread.
#[derive(Clone, Copy)]
pub struct Host {
    abi: *const sigrun_host,
}
unsafe impl Send for Host {}
unsafe impl Sync for Host {}

impl Host {
    pub fn new(abi: *const sigrun_host) -> Host {
        Host { abi }
    }
    pub fn abi(&self) -> *const sigrun_host {
        self.abi
    }
    /// The table of a service; T must be the table that belongs to the id. None if the host does not have it, or an older one
    /// whose table ends before the last slot that this SDK knows.
    pub fn service<T>(&self, id: &str) -> Option<&'static T> {
        unsafe {
            let table = (*self.abi).get_service?(self.abi, lend(id));
            let size = (table as *const u32).as_ref()?; // struct_size, the first member of every table
            if (*size as usize) < std::mem::size_of::<T>() { None } else { (table as *const T).as_ref() }
        }
    }
    pub fn log(&self, level: u32, message: &str) {
        if let Some(log) = self.service::<sigrun_svc_log>(SIGRUN_SVC_LOG) {
            unsafe {
                if log.level.map_or(false, |now| now(self.abi) >= level) {
                    log.write.unwrap()(self.abi, level, lend(message), std::ptr::null(), 0);
                }
            }
        }
    }
    /// A buffer with a copy of `content` (one reference), or null.
    pub fn buffer(&self, content: &[u8]) -> *mut sigrun_buf {
        let buffers = match self.service::<sigrun_svc_buffer>(SIGRUN_SVC_BUFFER) {
            Some(table) => table,
            None => return std::ptr::null_mut(),
        };
        unsafe {
            let made = buffers.create.unwrap()(self.abi, content.len() as u64);
            let mut room: *mut c_void = std::ptr::null_mut();
            if made.is_null() || buffers.view.unwrap()(made, &mut room, std::ptr::null_mut(), std::ptr::null_mut()) < 0 {
                return std::ptr::null_mut();
            }
            if !content.is_empty() {
                std::ptr::copy_nonoverlapping(content.as_ptr(), room as *mut u8, content.len());
            }
            buffers.set_len.unwrap()(made, content.len() as u64);
            made
        }
    }
    pub fn release(&self, buffer: *mut sigrun_buf) {
        if let (false, Some(table)) = (buffer.is_null(), self.service::<sigrun_svc_buffer>(SIGRUN_SVC_BUFFER)) {
            unsafe { table.release.unwrap()(buffer) }
        }
    }
    /// A copy of what a borrowed buffer holds.
    pub fn content(&self, buffer: *mut sigrun_buf) -> Vec<u8> {
        let (mut at, mut len): (*mut c_void, u64) = (std::ptr::null_mut(), 0);
        if let (false, Some(table)) = (buffer.is_null(), self.service::<sigrun_svc_buffer>(SIGRUN_SVC_BUFFER)) {
            unsafe {
                if table.view.unwrap()(buffer, &mut at, &mut len, std::ptr::null_mut()) >= 0 && len > 0 {
                    return std::slice::from_raw_parts(at as *const u8, len as usize).to_vec();
                }
            }
        }
        Vec::new()
    }
    pub fn complete(&self, op: sigrun_op, result: sigrun_result, out: &[u8]) {
        let buffer = if out.is_empty() { std::ptr::null_mut() } else { self.buffer(out) };
        unsafe { (*self.abi).complete.unwrap()(self.abi, op, result, buffer) }
    }
}

/// The duty to complete one operation. Dropped uncompleted, it completes as an error, so that nobody waits for ever.
pub struct Op {
    host: Host,
    token: sigrun_op,
}

impl Op {
    pub fn new(host: Host, token: sigrun_op) -> Op {
        Op { host, token }
    }
    pub fn ok(mut self, out: &[u8]) {
        self.host.complete(std::mem::take(&mut self.token), SIGRUN_OK, out);
    }
    pub fn fail(mut self, result: sigrun_result, text: &str) {
        self.host.complete(std::mem::take(&mut self.token), result, text.as_bytes());
    }
}

impl Drop for Op {
    fn drop(&mut self) {
        if self.token != 0 {
            self.host.complete(self.token, SIGRUN_E_INTERNAL, b"the plugin dropped an operation");
        }
    }
}

/// Values of the instance's options; the host has validated them.
pub struct Config(*const sigrun_config);

impl Config {
    pub fn integer(&self, key: &str) -> Result<i64, Failure> {
        let mut out = 0;
        let code = unsafe { (*self.0).get_i64.unwrap()(self.0, lend(key), 0, &mut out) };
        if code < 0 { Err(Failure::new(code, format!("option '{}' has no value", key))) } else { Ok(out) }
    }
    pub fn text(&self, key: &str) -> Result<String, Failure> {
        let mut out = sigrun_str { ptr: std::ptr::null(), len: 0 };
        let code = unsafe { (*self.0).get_str.unwrap()(self.0, lend(key), 0, &mut out) };
        if code < 0 { Err(Failure::new(code, format!("option '{}' has no value", key))) } else { Ok(unsafe { view(out) }.to_string()) }
    }
}

/// What a component does besides its interface. All on the control thread but `interface`.
pub trait Component: Sized + 'static {
    /// The table of the component's kind, or null. Any thread.
    fn interface(&self, id: &str) -> *const c_void;
    fn start(&self) -> Result<(), Failure> {
        Ok(())
    }
    /// Take nothing new, finish what runs, then complete `done`.
    fn drain(&self, _deadline_ns: u64, done: Op) {
        done.ok(b"");
    }
}

#[repr(C)]
struct Boxed<T> {
    abi: sigrun_instance, // first: the host's pointer to it is the pointer to the box
    host: Host,
    object: T,
}

/// The object behind an instance.
///
/// # Safety
/// `instance` was made by `instance_of::<T>`.
pub unsafe fn object<'a, T>(instance: *mut sigrun_instance) -> &'a T {
    &(*(instance as *const Boxed<T>)).object
}

/// Gives an object to the host, which owns it until it calls destroy.
pub fn instance_of<T: Component>(host: Host, inside: T) -> *mut sigrun_instance {
    unsafe extern "C" fn get_interface<T: Component>(i: *mut sigrun_instance, id: sigrun_str) -> *const c_void {
        catch_unwind(AssertUnwindSafe(|| object::<T>(i).interface(view(id)))).unwrap_or(std::ptr::null())
    }
    unsafe extern "C" fn start<T: Component>(i: *mut sigrun_instance, error: *mut sigrun_error) -> sigrun_result {
        guarded(error, || object::<T>(i).start().map(|_| SIGRUN_OK))
    }
    unsafe extern "C" fn drain<T: Component>(i: *mut sigrun_instance, deadline: u64, done: sigrun_op) -> sigrun_result {
        // From here on the op completes, if need be by being dropped.
        guarded(std::ptr::null_mut(), || {
            object::<T>(i).drain(deadline, Op::new((*(i as *const Boxed<T>)).host, done));
            Ok(SIGRUN_OK)
        });
        SIGRUN_PENDING
    }
    unsafe extern "C" fn destroy<T: Component>(i: *mut sigrun_instance) {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(i as *mut Boxed<T>))));
    }
    let abi = sigrun_instance {
        struct_size: std::mem::size_of::<sigrun_instance>() as u32,
        reserved: 0,
        self_: std::ptr::null_mut(),
        get_interface: Some(get_interface::<T>),
        start: Some(start::<T>),
        config_prepare: None,
        config_commit: None,
        config_abort: None,
        drain: Some(drain::<T>),
        state_save: None,
        state_load: None,
        destroy: Some(destroy::<T>),
    };
    Box::into_raw(Box::new(Boxed { abi, host, object: inside })) as *mut sigrun_instance
}

/// Used by the macro below.
pub unsafe fn create(
    host: *const sigrun_host, asked: sigrun_str, known: &str, config: *const sigrun_config, out: *mut *mut sigrun_instance, error: *mut sigrun_error,
    make: fn(Host, &Config) -> Result<*mut sigrun_instance, Failure>,
) -> sigrun_result {
    guarded(error, || {
        if view(asked) != known {
            return Err(Failure::new(SIGRUN_E_NOT_FOUND, format!("component: expected {}, found {}", known, view(asked))));
        }
        *out = make(Host::new(host), &Config(config))?;
        Ok(SIGRUN_OK)
    })
}

/// Panics are reported as results; nothing of a plugin writes to stderr. The hook is this plugin's own.
pub unsafe extern "C" fn load(_host: *const sigrun_host, _error: *mut sigrun_error) -> sigrun_result {
    std::panic::set_hook(Box::new(|_| {}));
    SIGRUN_OK
}

const fn padded<const N: usize>(s: &str) -> [c_char; N] {
    let (from, mut out, mut i) = (s.as_bytes(), [0 as c_char; N], 0);
    while i < from.len() {
        out[i] = from[i] as c_char; // too long: a compile error
        i += 1;
    }
    out
}

/// The ELF note by which the host knows the plugin without running it.
pub const fn note(id: &str, version: &str, flags: u32) -> sigrun_note {
    sigrun_note {
        namesz: 7,
        descsz: std::mem::size_of::<sigrun_note_desc>() as u32,
        r#type: SIGRUN_NOTE_TYPE,
        name: padded(SIGRUN_NOTE_OWNER),
        desc: sigrun_note_desc {
            abi_major: SIGRUN_ABI_MAJOR as u16,
            abi_minor: SIGRUN_ABI_MINOR as u16,
            min_host_minor: 0,
            reserved: 0,
            flags,
            id: padded(id),
            version: padded(version),
            sdk_version: padded(SIGRUN_SDK_VERSION),
        },
    }
}

/// Note, component table and entry function of a plugin with one component.
#[macro_export]
macro_rules! sigrun_plugin {
    (id: $id:expr, version: $version:expr, flags: $flags:expr, doc: $doc:expr, component: $component:expr, kind: $kind:expr,
     options: $options:expr, create: $create:path) => {
        #[used]
        #[link_section = ".note.sigrun"]
        static SIGRUN_NOTE: sigrun_sys::sigrun_note = sigrun::note($id, $version, $flags);

        const SIGRUN_OPTIONS: &[sigrun_sys::sigrun_opt] = $options;
        static SIGRUN_COMPONENTS: [sigrun_sys::sigrun_component; 1] = [sigrun_sys::sigrun_component {
            struct_size: std::mem::size_of::<sigrun_sys::sigrun_component>() as u32,
            n_opts: SIGRUN_OPTIONS.len() as u32,
            id: sigrun::text($component),
            kind: sigrun::text($kind),
            doc: sigrun::text($doc),
            opts: SIGRUN_OPTIONS.as_ptr(),
        }];

        unsafe extern "C" fn sigrun_create(
            host: *const sigrun_sys::sigrun_host, component: sigrun_sys::sigrun_str, config: *const sigrun_sys::sigrun_config,
            out: *mut *mut sigrun_sys::sigrun_instance, error: *mut sigrun_sys::sigrun_error,
        ) -> sigrun_sys::sigrun_result {
            sigrun::create(host, component, $component, config, out, error, $create)
        }

        static SIGRUN_ENTRY: sigrun_sys::sigrun_entry = sigrun_sys::sigrun_entry {
            struct_size: std::mem::size_of::<sigrun_sys::sigrun_entry>() as u32,
            abi_major: sigrun_sys::SIGRUN_ABI_MAJOR as u16,
            abi_minor: sigrun_sys::SIGRUN_ABI_MINOR as u16,
            flags: $flags as u64,
            id: sigrun::text($id),
            version: sigrun::text($version),
            vendor: sigrun::text(""),
            license: sigrun::text(""),
            doc: sigrun::text($doc),
            n_components: 1,
            reserved: 0,
            components: SIGRUN_COMPONENTS.as_ptr(),
            load: Some(sigrun::load),
            create: Some(sigrun_create),
            unload: None,
        };

        /// The only exported symbol.
        ///
        /// # Safety
        /// `hello` is null or valid for the call.
        #[no_mangle]
        pub unsafe extern "C" fn sigrun_plugin_entry_v1(
            hello: *const sigrun_sys::sigrun_hello,
        ) -> *const sigrun_sys::sigrun_entry {
            match hello.as_ref() {
                Some(h) if h.abi_major as u32 == sigrun_sys::SIGRUN_ABI_MAJOR => &SIGRUN_ENTRY,
                _ => std::ptr::null(),
            }
        }
    };
}
