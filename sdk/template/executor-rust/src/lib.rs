//! An executor: a job of the kind "@name@" ends with its payload in upper case as its output.

#[macro_use]
mod sigrun;
mod sigrun_sys;

use sigrun::{Component, Config, Failure, Host, Op};
use sigrun_sys::*;
use std::os::raw::c_void;

struct Executor {
    host: Host,
}

impl Component for Executor {
    fn interface(&self, id: &str) -> *const c_void {
        if id == SIGRUN_KIND_EXECUTOR { &TABLE as *const _ as *const c_void } else { std::ptr::null() }
    }
}

/// The job document names the one function there is. It comes as the client wrote it, with blanks anywhere; who has more in
/// the document brings a JSON parser.
fn names_upper(document: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    let dense: String = document
        .chars()
        .filter(|&c| {
            quoted ^= c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            quoted || !c.is_ascii_whitespace()
        })
        .collect();
    dense.contains("\"command\":[\"upper\"]")
}

fn output_of(payload: &[u8]) -> Result<Vec<u8>, &'static str> {
    if payload.len() > SIGRUN_LOG_MAX as usize {
        return Err("payload: expected at most 64 KiB");
    }
    Ok(payload.to_ascii_uppercase())
}

unsafe fn send(sink: *const sigrun_sink, kind: u32, json: &str, payload: *mut sigrun_buf) -> sigrun_result {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut frame: sigrun_frame = std::mem::zeroed();
    frame.struct_size = std::mem::size_of::<sigrun_frame>() as u32;
    frame.kind = kind;
    frame.stream = SIGRUN_STREAM_STDOUT;
    frame.time_ns = now.as_nanos() as u64;
    frame.json = sigrun::lend(json);
    frame.payload = payload;
    (*sink).on_frame.unwrap()((*sink).ctx, &frame)
}

/// [work] One attempt; the op completes when everything it started is gone.
unsafe extern "C" fn run(
    instance: *mut sigrun_instance, task: *const sigrun_task, sink: *const sigrun_sink, op: sigrun_op,
) -> sigrun_result {
    sigrun::guarded(std::ptr::null_mut(), || {
        let host = sigrun::object::<Executor>(instance).host;
        let done = Op::new(host, op);
        if !names_upper(sigrun::view((*task).json)) {
            done.fail(
                SIGRUN_E_INVALID,
                "{\"class\":\"user\",\"code\":\"not_found\",\"message\":\"command: expected [\\\"upper\\\"]\",\
                 \"exit_code\":127,\"signal\":null}",
            );
            return Ok(SIGRUN_PENDING);
        }
        send(sink, SIGRUN_STATE, "{\"state\":\"running\"}", std::ptr::null_mut());
        let output = match output_of(&host.content((*task).payload)) {
            Ok(output) => output,
            Err(why) => {
                let text = format!(
                    "{{\"class\":\"user\",\"code\":\"too_large\",\"message\":\"{}\",\"exit_code\":2,\"signal\":null}}",
                    why
                );
                done.fail(SIGRUN_E_INVALID, &text);
                return Ok(SIGRUN_PENDING);
            }
        };
        if !output.is_empty() {
            // The window is open at the start, so a single frame is always taken; who sends more must keep a frame that is
            // answered with E_BUSY and offer it again.
            let buffer = host.buffer(&output);
            let sent = if buffer.is_null() { SIGRUN_E_NOMEM } else { send(sink, SIGRUN_LOG, "", buffer) };
            host.release(buffer);
            if sent < 0 {
                done.fail(
                    SIGRUN_E_IO,
                    "{\"class\":\"infra_runner\",\"code\":\"output\",\"message\":\"the output was not taken\",\
                     \"exit_code\":null,\"signal\":null}",
                );
                return Ok(SIGRUN_PENDING);
            }
        }
        done.ok(b"{\"exit_code\":0,\"signal\":null}");
        Ok(SIGRUN_PENDING)
    });
    SIGRUN_PENDING // also after a panic: the op was completed when it was dropped
}

/// [work] Nothing runs after `run` returned, so there is nothing to end.
unsafe extern "C" fn cancel(_instance: *mut sigrun_instance, _op: sigrun_op, _grace_ns: u64) -> sigrun_result {
    SIGRUN_E_NOT_FOUND
}

static TABLE: sigrun_executor = sigrun_executor {
    struct_size: std::mem::size_of::<sigrun_executor>() as u32,
    flags: 0,
    kinds: sigrun::text("@name@"),
    describe: None,
    run: Some(run),
    attach: None,
    cancel: Some(cancel),
    resume: None,
};

fn create(host: Host, _config: &Config) -> Result<*mut sigrun_instance, Failure> {
    Ok(sigrun::instance_of(host, Executor { host }))
}

sigrun_plugin! {
    id: "@id@",
    version: "1.0.0",
    // Rust's standard library leaves thread-local data behind, so the code stays mapped after a replacement.
    flags: SIGRUN_PLUGIN_PIN,
    doc: "Runs jobs of the kind @name@",
    component: "@name@",
    kind: SIGRUN_KIND_EXECUTOR,
    options: &[],
    create: create
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_may_have_blanks() {
        assert!(names_upper("{ \"workdir\": \"a\\\" b\", \"command\" : [ \"upper\" ] }"));
        assert!(names_upper("{\"command\":[\"upper\"]}"));
        assert!(!names_upper("{\"command\":[\"upper\",\"x\"]}"));
        assert!(!names_upper("{\"command\":[\"up per\"]}"));
    }

    #[test]
    fn the_output_is_in_upper_case() {
        assert_eq!(output_of(b"hello").unwrap(), b"HELLO");
    }

    #[test]
    fn more_than_one_frame_is_refused() {
        assert!(output_of(&vec![b'x'; SIGRUN_LOG_MAX as usize + 1]).is_err());
    }
}
