//! A protocol that shares the daemon's port: a client sends one line, "@name@ METHOD {parameters}", and gets the answer of
//! that method of the daemon as JSON; then the connection ends.
//!
//! It has no thread of its own: the host watches the descriptors (io lane). One step of a connection starts the next, so only
//! the list of connections needs a lock:  reading -> calling -> writing -> gone.

#[macro_use]
mod sigrun;
mod sigrun_sys;

use sigrun::{Component, Config, Failure, Host, Op};
use sigrun_sys::*;
use std::io::{ErrorKind, Read, Write};
use std::mem::{size_of, zeroed};
use std::net::Shutdown;
use std::os::raw::c_void;
use std::os::unix::io::FromRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex};

const GREETING: &str = "@name@ ";
const LONGEST_LINE: usize = 16 * 1024;
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
const RESERVE: usize = 4096; // for the error in place of an answer that is too large

/// The descriptor as a stream of the standard library: for sockets of either family the same calls.
struct Connection {
    owner: *const Protocol,
    stream: UnixStream,
    session: u64,
    watch: u64,
    lifetime: Option<Op>,
    line: Vec<u8>,
    answer: Vec<u8>,
    sent: usize,
}

#[derive(Default)]
struct State {
    connections: Vec<usize>, // addresses of boxes that their current step owns
    drained: Option<Op>,
    draining: bool,
}

struct Protocol {
    host: Host,
    sched: &'static sigrun_svc_sched,
    calls: &'static sigrun_svc_call,
    state: Mutex<State>, // never held across a call into the host
    changed: Condvar,
}

impl Protocol {
    fn shut(&self, state: &State, how: Shutdown) {
        for address in &state.connections {
            // Alive: a connection leaves the list, under this lock, before it is freed.
            let _ = unsafe { &*(*address as *const Connection) }.stream.shutdown(how);
        }
    }
    /// Watches are begun on the io lane, so that none of their calls comes before the id is known.
    unsafe fn on_io_lane(&self, c: *mut Connection, step: unsafe extern "C" fn(*mut c_void)) {
        if self.sched.post.unwrap()(self.host.abi(), SIGRUN_LANE_IO, Some(step), c as *mut c_void) < 0 {
            gone(c as *mut c_void);
        }
    }
    unsafe fn watch(&self, c: *mut Connection, events: u32, ready: unsafe extern "C" fn(*mut c_void, i32, u32)) {
        use std::os::unix::io::AsRawFd;
        let fd = (*c).stream.as_raw_fd();
        let id = std::ptr::addr_of_mut!((*c).watch);
        if self.sched.fd_watch.unwrap()(self.host.abi(), fd, events, Some(ready), c as *mut c_void, id) < 0 {
            gone(c as *mut c_void);
        }
    }
    unsafe fn stop(&self, c: *mut Connection, then: unsafe extern "C" fn(*mut c_void)) {
        self.sched.stop.unwrap()(self.host.abi(), (*c).watch, Some(then), c as *mut c_void);
    }
}

impl Component for Protocol {
    fn interface(&self, id: &str) -> *const c_void {
        if id == SIGRUN_KIND_PROTOCOL { &TABLE as *const _ as *const c_void } else { std::ptr::null() }
    }
    /// [ctl] Nothing new; who still waits for a line reads its end, and what was asked is answered.
    fn drain(&self, _deadline_ns: u64, done: Op) {
        let mut now = Some(done);
        {
            let mut state = self.state.lock().unwrap();
            state.draining = true;
            self.shut(&state, Shutdown::Read);
            if !state.connections.is_empty() {
                state.drained = now.take();
            }
        }
        if let Some(done) = now {
            done.ok(b"");
        }
    }
}

/// [ctl] The host lets go of its calls first, so each connection comes to its end.
impl Drop for Protocol {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        self.shut(&state, Shutdown::Both);
        while !state.connections.is_empty() {
            state = self.changed.wait(state).unwrap();
        }
    }
}

/// Method and parameters of a whole line; None if there is none.
fn parse(line: &[u8]) -> Option<(&str, &str)> {
    let end = line.iter().position(|b| *b == b'\n').filter(|end| *end <= LONGEST_LINE)?;
    let text = std::str::from_utf8(&line[..end]).ok()?.strip_prefix(GREETING)?;
    let text = text.strip_suffix('\r').unwrap_or(text);
    Some(text.split_once(' ').unwrap_or((text, "")))
}

/// [io] Pure.
unsafe extern "C" fn recognise(_instance: *mut sigrun_instance, first: sigrun_bytes, _flags: u32) -> sigrun_result {
    let seen = if first.len == 0 { &[][..] } else { std::slice::from_raw_parts(first.ptr as *const u8, first.len as usize) };
    let seen = &seen[..seen.len().min(GREETING.len())];
    if seen != &GREETING.as_bytes()[..seen.len()] {
        SIGRUN_NOT_MINE
    } else if seen.len() == GREETING.len() {
        SIGRUN_OK
    } else {
        SIGRUN_NEED_MORE
    }
}

/// [io] The connection is ours from here on, with all its bytes unread.
unsafe extern "C" fn on_accept(instance: *mut sigrun_instance, accept: *const sigrun_accept, lifetime: sigrun_op) -> sigrun_result {
    sigrun::guarded(std::ptr::null_mut(), || {
        let me = sigrun::object::<Protocol>(instance);
        let made = {
            let mut state = me.state.lock().unwrap();
            if state.draining {
                return Ok(SIGRUN_E_CANCELLED);
            }
            let made = Box::into_raw(Box::new(Connection {
                owner: me,
                stream: UnixStream::from_raw_fd((*accept).fd),
                session: (*accept).session,
                watch: 0,
                lifetime: Some(Op::new(me.host, lifetime)),
                line: Vec::new(),
                answer: Vec::new(),
                sent: 0,
            }));
            state.connections.push(made as usize);
            made
        };
        me.on_io_lane(made, begin_reading);
        Ok(SIGRUN_OK)
    })
}

/// Runs one step of a connection. A panic stops there: the connection stays until the host ends it.
unsafe fn step(ctx: *mut c_void, body: impl FnOnce(*mut Connection)) {
    let host = (*(*(ctx as *mut Connection)).owner).host; // the connection may be gone after the step
    let run = || {
        body(ctx as *mut Connection);
        Ok(SIGRUN_OK)
    };
    if sigrun::guarded(std::ptr::null_mut(), run) < 0 {
        host.log(SIGRUN_LOG_ERROR, "a connection panicked");
    }
}

/// [io]
unsafe extern "C" fn begin_reading(ctx: *mut c_void) {
    step(ctx, |c| (*(*c).owner).watch(c, SIGRUN_FD_READ, on_readable))
}

/// [io]
unsafe extern "C" fn begin_writing(ctx: *mut c_void) {
    step(ctx, |c| (*(*c).owner).watch(c, SIGRUN_FD_WRITE, on_writable))
}

/// [io]
unsafe extern "C" fn on_readable(ctx: *mut c_void, _fd: i32, _events: u32) {
    step(ctx, |c| {
        let mut room = [0u8; 2048];
        let got = match (&(*c).stream).read(&mut room) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => return,
            Err(_) => 0,
        };
        (*c).line.extend_from_slice(&room[..got]);
        // A whole line, the end of what comes, or more than a line may have: on to the next step, when no read is running.
        if got == 0 || (*c).line.len() > LONGEST_LINE || room[..got].contains(&b'\n') {
            (*(*c).owner).stop(c, on_line);
        }
    })
}

/// [io] Hands the call to the host.
unsafe extern "C" fn on_line(ctx: *mut c_void) {
    step(ctx, |c| {
        let me = &*(*c).owner;
        let line = std::mem::take(&mut (*c).line);
        let (method, params) = match parse(&line) {
            Some(both) => both,
            None => return gone(ctx), // no whole line came
        };
        let mut call: sigrun_call = zeroed();
        call.struct_size = size_of::<sigrun_call>() as u32;
        call.method = sigrun::lend(method);
        call.params = sigrun::lend(params);
        let replies = sigrun_sink { struct_size: size_of::<sigrun_sink>() as u32, reserved: 0, ctx, on_frame: Some(on_frame) };
        let mut room = [0u8; 1024];
        let mut error: sigrun_error = zeroed();
        error.struct_size = size_of::<sigrun_error>() as u32;
        error.msg = room.as_mut_ptr() as *mut _;
        error.msg_cap = room.len() as u32;
        let mut id = 0;
        if me.calls.begin.unwrap()(me.host.abi(), (*c).session, &call, &replies, &mut id, &mut error) >= 0 {
            return; // perhaps the connection is gone already
        }
        (*c).answer.extend_from_slice(&room[..error.msg_len as usize]);
        (*c).answer.push(b'\n');
        me.on_io_lane(c, begin_writing);
    })
}

/// [any] One piece of the answer; the last one starts the writing. Touches nothing of the connection after that.
unsafe extern "C" fn on_frame(ctx: *mut c_void, frame: *const sigrun_frame) -> sigrun_result {
    sigrun::guarded(std::ptr::null_mut(), || {
        let c = ctx as *mut Connection;
        let me = &*(*c).owner;
        let last = (*frame).flags & SIGRUN_FRAME_LAST != 0;
        let (json, payload) = (sigrun::view((*frame).json), me.host.content((*frame).payload));
        let limit = LARGEST_ANSWER + if last { RESERVE } else { 0 };
        if (*c).answer.len() + json.len() + payload.len() > limit {
            return Ok(SIGRUN_E_INVALID); // refused as a whole: the host sends an error in its place
        }
        if !json.is_empty() {
            (*c).answer.extend_from_slice(json.as_bytes());
            (*c).answer.push(b'\n');
        }
        (*c).answer.extend_from_slice(&payload);
        if last {
            me.on_io_lane(c, begin_writing);
        }
        Ok(SIGRUN_OK)
    })
}

/// [io] The socket takes more of the answer.
unsafe extern "C" fn on_writable(ctx: *mut c_void, _fd: i32, _events: u32) {
    step(ctx, |c| {
        while (*c).sent < (*c).answer.len() {
            match (&(*c).stream).write(&(&(*c).answer)[(*c).sent..]) {
                Ok(n) => (*c).sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => return,
                Err(_) => break, // the client went away
            }
        }
        (*(*c).owner).stop(c, gone);
    })
}

/// The last step. [any]
unsafe extern "C" fn gone(ctx: *mut c_void) {
    sigrun::guarded(std::ptr::null_mut(), || {
        let me = &*(*(ctx as *const Connection)).owner;
        let mut drained = None;
        let lifetime;
        {
            let mut state = me.state.lock().unwrap();
            state.connections.retain(|address| *address != ctx as usize);
            let mut c = Box::from_raw(ctx as *mut Connection); // closes the descriptor, under the lock
            lifetime = c.lifetime.take();
            if state.connections.is_empty() {
                drained = state.drained.take();
            }
            me.changed.notify_all();
        }
        // From here on the instance may be destroyed.
        for done in [lifetime, drained].into_iter().flatten() {
            done.ok(b"");
        }
        Ok(SIGRUN_OK)
    });
}

static SERVE: sigrun_serve = sigrun_serve {
    struct_size: size_of::<sigrun_serve>() as u32,
    reserved: 0,
    recognise: Some(recognise),
    on_accept: Some(on_accept),
    handoff_out: None,
    handoff_in: None,
    retire: None,
};

static TABLE: sigrun_protocol = sigrun_protocol {
    struct_size: size_of::<sigrun_protocol>() as u32,
    flags: 0,
    name: sigrun::text("@name@"),
    schemes: sigrun::text("@name@"),
    alpn: sigrun::text(""),
    serve: &SERVE,
    dial: std::ptr::null(),
    link: std::ptr::null(),
};

fn create(host: Host, _config: &Config) -> Result<*mut sigrun_instance, Failure> {
    let missing = || Failure::new(SIGRUN_E_UNSUPPORTED, "the host lacks one of the services sched/1, call/1");
    Ok(sigrun::instance_of(
        host,
        Protocol {
            host,
            sched: host.service(SIGRUN_SVC_SCHED).ok_or_else(missing)?,
            calls: host.service(SIGRUN_SVC_CALL).ok_or_else(missing)?,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        },
    ))
}

sigrun_plugin! {
    id: "@id@",
    version: "1.0.0",
    // Rust's standard library leaves thread-local data behind, so the code stays mapped after a replacement.
    flags: SIGRUN_PLUGIN_PIN,
    doc: "One method call per line",
    component: "@name@",
    kind: SIGRUN_KIND_PROTOCOL,
    options: &[],
    create: create
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_method_and_parameters() {
        assert_eq!(parse(b"@name@ jobs.get {\"id\":1}\r\nrest"), Some(("jobs.get", "{\"id\":1}")));
        assert_eq!(parse(b"@name@ version.get\n"), Some(("version.get", "")));
    }

    #[test]
    fn half_a_line_and_other_greetings_are_nothing() {
        assert_eq!(parse(b"@name@ jobs.get"), None);
        assert_eq!(parse(b"GET / HTTP/1.1\n"), None);
        assert_eq!(parse(&[vec![b'x'; LONGEST_LINE + 1], vec![b'\n']].concat()), None);
    }
}
